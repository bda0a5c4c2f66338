"""What decoding every frame has shown, and how a report says it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from framewright.errors import SourceRefused
from framewright.media.check import BundleCheck
from framewright.types import FrameRange, VideoInfo

__all__ = ["damaged_ranges", "words_of"]

_TOLD_STRETCHES = 50


def words_of(
    checks: Sequence[BundleCheck],
    held: Sequence[FrameRange],
    pts: Sequence[int],
    video: VideoInfo,
) -> list[str]:
    """Say all of it, a line each, but what the probe has said already.

    Args:
        checks: what was found in each bundle, in order.
        held: the damaged frames.
        pts: time stamps of all frames.
        video: what the probe said.
    """
    return [
        *_held(held, pts, video.time_base),
        *_doubtful(checks, pts, video.time_base),
        *_lost(checks, video),
        *_interlaced(checks, pts, video),
    ]


def damaged_ranges(checks: Sequence[BundleCheck], frames: int) -> tuple[FrameRange, ...]:
    """Join what was found damaged in all bundles.

    Raises:
        SourceRefused: no frame is whole.
    """
    joined: list[FrameRange] = []
    for start, stop in (span for check in checks for span in check.damaged):
        if joined and joined[-1][1] == start:
            start = joined.pop()[0]
        joined.append((start, stop))
    if joined == [(0, frames)]:
        raise SourceRefused(
            "damaged", "no frame can be decoded whole; get another copy of the file."
        )
    return tuple(joined)


def _held(held: Sequence[FrameRange], pts: Sequence[int], time_base: Fraction) -> list[str]:
    """Say which frames are held, a stretch each; the last line counts those beyond the first 50."""
    words = []
    for start, stop in held[:_TOLD_STRETCHES]:
        first, last = (float(pts[frame] * time_base) for frame in (start, stop - 1))
        shown = "the frame before is held" if start else "the first good frame is shown"
        words.append(f"damaged: frames [{start}, {stop}), {first:.3f} s to {last:.3f} s; {shown}.")
    if more := held[_TOLD_STRETCHES:]:
        frames = sum(stop - start for start, stop in more)
        words.append(f"damaged: {frames} more frames in {len(more)} stretches, held likewise.")
    return words


def _doubtful(checks: Sequence[BundleCheck], pts: Sequence[int], time_base: Fraction) -> list[str]:
    """Say where the decoder conceals errors without marking any picture, in one line at most."""
    doubtful = [check.doubtful for check in checks if check.doubtful is not None]
    if not doubtful:
        return []
    first, seconds = doubtful[0], float(pts[doubtful[0]] * time_base)
    return [
        f"errors that the decoder conceals, in {len(doubtful)} of {len(checks)} stretches, first "
        f"near frame {first}, at {seconds:.3f} s: from there to the next keyframe pictures may be "
        "damaged."
    ]


def _lost(checks: Sequence[BundleCheck], video: VideoInfo) -> list[str]:
    """Name what only later frames carry, such as captions that set in after a minute; once each."""
    told = {_kind(words) for words in video.warnings}
    lost: dict[str, str] = {}
    for words in (words for check in checks for words in check.lost):
        if _kind(words) not in told:
            lost.setdefault(_kind(words), words)
    return list(lost.values())


def _kind(words: str) -> str:
    return words.partition(":")[0]


def _interlaced(checks: Sequence[BundleCheck], pts: Sequence[int], video: VideoInfo) -> list[str]:
    frames = [check.interlaced for check in checks if check.interlaced is not None]
    if not frames or video.field_order != "progressive":
        return []
    return [
        f"frames from {frames[0]} on, at {float(pts[frames[0]] * video.time_base):.3f} s, are "
        "flagged as interlaced, those at the beginning are not: the output is marked as "
        "progressive throughout, both fields of those frames are kept interleaved."
    ]
