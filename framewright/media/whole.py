"""Whether a file was cut off: compare what it declares with what it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from framewright.media.source import packets_of

__all__ = ["Missing", "missing_end"]

_TOLERANCE_SECONDS = 0.5
"""Containers round their duration, and streams seldom end together."""


@dataclass(frozen=True, slots=True)
class Missing:
    """The end of a file that is not there."""

    words: str
    """What is declared and what was found."""
    end: Fraction | None
    """Seconds at which the video was to end, where that is known."""
    inside: bool = False
    """Something is missing in the middle, not at the end."""


def missing_end(
    container: InputContainer,
    stream: VideoStream,
    packets: int,
    end_seconds: float | None,
    on_packet: Callable[[], None],
    stored_packets: Callable[[], int],
) -> Missing | None:
    """Say what is missing of a file, or None where nothing seems to be.

    Args:
        container: read to its end; left at an undefined position.
        stream: the video.
        packets: how many of its packets were read.
        end_seconds: end of the last of them, in seconds; None where times are unknown.
        on_packet: called for each packet that must be read for it.
        stored_packets: counts the video's packets with those that an edit list leaves out; only
            asked where fewer were read than are declared.
    """
    if container.format.name.startswith("mov,") and packets < stream.frames:
        packets = stored_packets()
    if container.format.name.startswith("mov,") and packets < stream.frames:
        end = None
        if stream.duration and stream.time_base:
            end = ((stream.start_time or 0) + stream.duration) * stream.time_base
        return Missing(f"declares {stream.frames} frames but holds {packets}", end)
    if "matroska" in container.format.name and end_seconds is not None and container.duration:
        return _missing_of_matroska(container, end_seconds, on_packet)
    return None


def _missing_of_matroska(
    container: InputContainer, end_seconds: float, on_packet: Callable[[], None]
) -> Missing | None:
    """Matroska declares no number of frames; compare the end of its streams with its duration."""
    declared = Fraction(container.duration or 0, av.time_base)
    limit_seconds = float(declared) - _TOLERANCE_SECONDS
    if end_seconds < limit_seconds:
        end_seconds = max(end_seconds, _end_of_others(container, on_packet))
    if end_seconds >= limit_seconds:
        return None
    words = f"declares {float(declared):.3f} s but ends after {end_seconds:.3f} s"
    return Missing(words, declared)


def _end_of_others(container: InputContainer, on_packet: Callable[[], None]) -> float:
    """End in seconds of the longest sound or subtitle stream, by demuxing them."""
    others = [stream for stream in container.streams if stream.type in ("audio", "subtitle")]
    end_seconds = 0.0
    if others:
        container.seek(0)
        for packet in packets_of(container, *others):
            on_packet()
            if packet.pts is not None and packet.time_base is not None:
                ticks = packet.pts + (packet.duration or 0)
                end_seconds = max(end_seconds, float(ticks * packet.time_base))
    return end_seconds
