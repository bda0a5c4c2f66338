"""Read a finished file back, by demuxing it, and compare it with what was planned."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av

from framewright.errors import FrameCountError, VerificationError
from framewright.media.mux import payload
from framewright.media.source import file_url

__all__ = ["largest_error_seconds", "verify_output"]


def verify_output(
    path: Path,
    pts_seconds: Sequence[Fraction],
    audio_sha256: Sequence[str | None],
    tick: Fraction | None,
) -> Fraction:
    """Check the frames' number, order and times, and every copied audio payload.

    Args:
        path: the finished file.
        pts_seconds: times at which its frames must be shown.
        audio_sha256: hash of each audio stream's payloads, None for one that is not compared.
        tick: the container's own tick in seconds, to which it rounds; None where it does not.

    Returns:
        The largest difference between a planned and an actual time, in seconds.

    Raises:
        FrameCountError: frames are missing or too many.
        VerificationError: a time or an audio payload differs.
    """
    times: list[Fraction] = []
    with av.open(file_url(path)) as container:
        video = container.streams.video[0].index
        hashes = {stream.index: hashlib.sha256() for stream in container.streams.audio}
        for packet in container.demux():
            if not packet.size:
                continue
            if packet.stream_index == video and not packet.is_discard:
                times.append((packet.pts or 0) * packet.time_base)
            elif packet.stream_index in hashes:
                hashes[packet.stream_index].update(payload(packet, container.format.name))
    if len(times) != len(pts_seconds):
        raise FrameCountError(len(pts_seconds), len(times), "finished file")
    error = largest_error_seconds(sorted(times), pts_seconds)
    if error > (tick or 0):
        raise VerificationError(f"frames lie up to {float(error):.6f} s beside their times.")
    found = [digest.hexdigest() for digest in hashes.values()]
    if len(found) != len(audio_sha256) or any(
        wanted not in (None, actual) for wanted, actual in zip(audio_sha256, found, strict=True)
    ):
        raise VerificationError("the sound is not bit-identical to the source's.")
    return error


def largest_error_seconds(actual: Sequence[Fraction], planned: Sequence[Fraction]) -> Fraction:
    """Largest absolute difference, pair by pair."""
    return max((abs(a - b) for a, b in zip(actual, planned, strict=True)), default=Fraction(0))
