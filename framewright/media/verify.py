"""Read a finished file back, by demuxing it, and compare it with what was planned."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from framewright.errors import FrameCountError, VerificationError
from framewright.media.copier import payload
from framewright.media.source import open_media

__all__ = ["largest_error_seconds", "verify_output"]


def verify_output(
    path: Path,
    planned: Sequence[int],
    time_base: Fraction,
    audio_sha256: Sequence[str | None],
    tick: Fraction | None,
    subtitle_sha256: Sequence[str | None] | None = None,
) -> Fraction:
    """Check the frames' number, order and times, and every copied audio and subtitle payload.

    Args:
        path: the finished file.
        planned: times at which its frames must be shown, in order, as ticks of ``time_base``.
        time_base: seconds per planned tick.
        audio_sha256: hash of each audio stream's payloads, None for one that is not compared.
        tick: the container's own tick in seconds, to which it rounds; None where it does not.
        subtitle_sha256: the same of each subtitle stream; None to compare none of them.

    Returns:
        The largest difference between a planned and an actual time, in seconds.

    Raises:
        FrameCountError: frames are missing or too many.
        VerificationError: a time, or the payload of a sound or of subtitles differs.
    """
    found = array("q")  # 8 bytes for each frame of the video
    with open_media(path) as container:
        stream = container.streams.video[0]
        video, found_base = stream.index, stream.time_base or time_base
        sounds = {stream.index: hashlib.sha256() for stream in container.streams.audio}
        texts = {stream.index: hashlib.sha256() for stream in container.streams.subtitles}
        hashes = sounds | texts
        for packet in container.demux():
            if not packet.size:
                continue
            if packet.stream_index == video and not packet.is_discard:
                found.append(packet.pts or 0)
            elif packet.stream_index in hashes:
                hashes[packet.stream_index].update(payload(packet, container.format.name))
    if len(found) != len(planned):
        raise FrameCountError(len(planned), len(found), "finished file")
    np.frombuffer(found, np.int64).sort()
    error = largest_error_seconds(found, found_base, planned, time_base)
    if error > (tick or 0):
        raise VerificationError(f"frames lie up to {float(error):.6f} s beside their times.")
    for what, wanted, digests in (
        ("sound is", audio_sha256, sounds),
        ("subtitles are", subtitle_sha256, texts),
    ):
        actual = [digest.hexdigest() for digest in digests.values()]
        if wanted is None:
            continue
        if len(actual) != len(wanted) or any(
            one not in (None, other) for one, other in zip(wanted, actual, strict=True)
        ):
            raise VerificationError(f"the {what} not bit-identical to the source's.")
    return error


def largest_error_seconds(
    actual: Sequence[int], actual_base: Fraction, planned: Sequence[int], planned_base: Fraction
) -> Fraction:
    """Largest absolute difference in seconds, pair by pair: exact, and in integers throughout."""
    unit = Fraction(1, math.lcm(actual_base.denominator, planned_base.denominator))
    a, b = int(actual_base / unit), int(planned_base / unit)
    pairs = zip(actual, planned, strict=True)
    return max((abs(x * a - y * b) for x, y in pairs), default=0) * unit
