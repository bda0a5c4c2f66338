"""Interlaced pictures: which field is first, marking that, and making one picture of two fields.

A frame of interlaced video holds two pictures, taken one after the other: one in its even lines,
the top field, and one in its odd lines. Which came first is a flag of the decoded frame; what a
container says of it is often missing, and FFmpeg reads some containers the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain, pairwise
from typing import Literal

import av.error
from av.filter import Graph
from av.video.frame import VideoFrame

__all__ = ["MIN_SIZE", "FieldMarker", "FieldOrder", "deinterlaced", "first_field"]

FieldOrder = Literal["progressive", "top", "bottom"]
"""Whether a frame is one picture, or which of its two fields is shown first."""

MIN_SIZE = (3, 4)
"""Least width and height in pixels that can be deinterlaced."""
_TICK = Fraction(1, 90000)
"""Filters insist on a time base; the frames' own times are put back after them."""


def first_field(frame: VideoFrame) -> FieldOrder:
    """Say whether a frame is one picture, or else which of its fields is shown first."""
    if not frame.interlaced_frame:
        return "progressive"
    # PyAV has no name for the flag, but a filter can select frames by it.
    chain_ = _Chain(frame, "select", "eq(interlace_type,TOPFIRST)")
    return "top" if chain_.push(frame) else "bottom"


class FieldMarker:
    """Marks frames as interlaced or not, for what reads the mark. Not shared by threads."""

    def __init__(self, order: FieldOrder) -> None:
        self._mode = {"progressive": "prog", "top": "tff", "bottom": "bff"}[order]
        self._chain: _Chain | None = None

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """Return the frame, its samples shared, with the mark; all frames of one size and type."""
        if self._chain is None:
            self._chain = _Chain(frame, "setfield", self._mode)
        return self._chain.push(frame)[0]


def deinterlaced(frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    """Yield one picture for each frame, at its time: interlaced frames as their first field shows.

    The lines of the other field are made anew by bwdif (Bob Weaver deinterlacing: the cubic filter
    of Weston's PH-2071 with yadif's motion check), from this frame and one neighbour on either
    side. So a picture is the same wherever decoding began, given those neighbours; frames that
    are not flagged as interlaced come back untouched.

    Args:
        frames: consecutive frames in order of presentation, at least as large as ``MIN_SIZE``.
    """
    before: VideoFrame | None = None
    running: _Chain | None = None
    for frame, after in pairwise(chain(frames, [None])):
        if frame is None:
            raise AssertionError
        if frame.interlaced_frame:
            if running is None:
                running = _Chain(frame, "bwdif", "mode=send_frame:parity=auto:deint=all")
                if before is not None and _alike(before, frame):
                    running.push(before)
                running.push(frame)
            more = after is not None and _alike(frame, after)
            (picture,) = running.push(after if more else None)  # it is always a frame behind
            picture.pts = frame.pts
            if frame.time_base is not None:
                picture.time_base = frame.time_base
            running = running if more else None
            yield picture
        else:
            running = None
            yield frame
        before = frame


def _alike(one: VideoFrame, other: VideoFrame) -> bool:
    return (one.width, one.height, one.format.name) == (
        other.width,
        other.height,
        other.format.name,
    )


class _Chain:
    """One video filter, from its source to its sink."""

    def __init__(self, frame: VideoFrame, name: str, options: str) -> None:
        self._graph = Graph()
        self._graph.threads = 1
        source = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=_TICK
        )
        filter_, sink = self._graph.add(name, options), self._graph.add("buffersink")
        source.link_to(filter_)
        filter_.link_to(sink)
        self._graph.configure()

    def push(self, frame: VideoFrame | None) -> list[VideoFrame]:
        """Give a frame to the filter, or None as the last; return what comes out."""
        self._graph.push(frame)
        out: list[VideoFrame] = []
        while True:
            try:
                pulled = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return out
            if isinstance(pulled, VideoFrame):
                out.append(pulled)
