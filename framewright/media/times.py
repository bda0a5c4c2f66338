"""Learn the time stamps of all frames: from the packets, or by decoding where those mislead.

Two questions are kept apart: which times are written, and how a frame is found when decoding. A
source whose packets cannot be told apart by their stamps is decoded by counting, from the start,
and still keeps every stamp of its own that can be kept.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from statistics import median_low

from framewright.errors import ManifestError, SourceRefused
from framewright.media.bundle import PacketRecord
from framewright.media.decode import (
    BundleSource,
    OnDamage,
    bundle_file,
    first_decoded,
    shown_frames,
)
from framewright.types import VideoInfo

__all__ = ["FrameTimes", "frame_times", "longest_increasing", "repair_stamps"]

_ELEMENTARY = ("h264", "hevc", "mpegvideo")
"""Demuxers of streams without time stamps; where they give some, they made them up."""
_EXACT_CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""Containers that state when a picture is shown; others say or imply when it is decoded."""
_HEAD_FRAMES = 16
_MOST_BACKWARD_SECONDS = 1


@dataclass(frozen=True, slots=True)
class FrameTimes:
    """When each frame is shown, and how a decoder finds it."""

    pts: list[int]
    """Strictly increasing, in the source's time base; frame numbers where ``numbered``."""
    counted: bool = False
    """Frames are found by counting what the decoder gives, not by their time stamps."""
    numbered: bool = False
    """The source has no time stamps at all."""
    repaired: int = 0
    """Stamps that were missing, repeated or backward, and were replaced."""
    left_out: int = 0
    """Pictures before the first that can be decoded: a recording that begins between keyframes."""


def frame_times(
    video: VideoInfo,
    packets: Sequence[int | None],
    bundles: Sequence[Path],
    *,
    first_pts: int | None,
    reordered: bool,
    tolerant: bool,
    on_frame: Callable[[int], None],
) -> FrameTimes:
    """Learn all frames' times, and prove that the bundles decode as the source does.

    Args:
        video: what the probe said.
        packets: time stamps of all packets that are shown, in decoding order.
        bundles: files of all bundles, in order.
        first_pts: time stamp of the first picture that is shown, as decoded from the source.
        reordered: the codec shows pictures in another order than it stores them.
        tolerant: damage is dealt with later; where times do not depend on it, it is passed over.
        on_frame: told the number of frames decoded, each time.

    Raises:
        SourceRefused: the bundles do not decode, or damage was met.
    """
    sources = [bundle_file(path) for path in bundles]
    refused: list[PacketRecord] = []
    ignore: OnDamage | None = refused.append if tolerant else None
    if not tolerant:
        _check_decodes(video, sources[0])
    head = _head(video, sources, ignore, first_pts)
    shown = sorted(tick for tick in packets if tick is not None)
    usable = len(shown) == len(packets) and _increasing(shown)
    # AVI numbers packets as they are stored, and says nothing of the order they are shown in.
    guessed = video.container == "avi" and video.codec in ("h264", "hevc") and reordered
    if usable and not guessed and head == shown[: len(head)]:
        return FrameTimes(shown)
    decoded = _decoded_stamps(sources, ignore, on_frame)
    _check_clock(video, decoded)
    if usable and shown[::2] == decoded and video.field_order != "progressive":
        return FrameTimes(shown[::2])
    if usable and not guessed and _increasing(decoded) and set(decoded) <= set(shown):
        if refused and refused[0].pts is not None and refused[0].pts < (decoded[0] or 0):
            return FrameTimes(shown)  # not a recording that begins between keyframes: damage
        return _without_head(shown, [tick for tick in decoded if tick is not None], tolerant, video)
    if refused:
        raise SourceRefused(
            "damaged",
            f"{len(refused)} packets cannot be decoded, and without time stamps of their own the "
            "frames cannot be held; re-export the file.",
        )
    if usable and len(decoded) == len(shown):
        return FrameTimes(shown, counted=decoded != shown)
    if usable and guessed:
        return FrameTimes(list(range(shown[0], shown[0] + len(decoded))), counted=True)
    if all(tick is None for tick in decoded) or video.container in _ELEMENTARY:
        return FrameTimes(list(range(len(decoded))), counted=True, numbered=True)
    pts, repaired = repair_stamps(decoded)
    return FrameTimes(pts, counted=True, repaired=repaired)


def _check_clock(video: VideoInfo, decoded: Sequence[int | None]) -> None:
    """Refuse parts that were joined without a common clock, where sound goes by that clock.

    Raises:
        SourceRefused: times fall back by more than a second.
    """
    if not any(other.kind in ("audio", "subtitle") for other in video.others):
        return
    latest: int | None = None
    for number, tick in enumerate(decoded):
        if tick is None:
            continue
        if latest is not None and (latest - tick) * video.time_base > _MOST_BACKWARD_SECONDS:
            raise SourceRefused(
                "unsupported",
                f"its clock starts anew at frame {number}, {float(tick * video.time_base):.3f} s "
                f"after {float(latest * video.time_base):.3f} s: parts were joined that do not "
                "follow each other, and sound would not stay with its pictures. Join them with "
                "a program that moves their times, such as ffmpeg's concat demuxer.",
                number,
            )
        latest = tick if latest is None else max(latest, tick)


def _head(
    video: VideoInfo,
    sources: Sequence[BundleSource],
    ignore: OnDamage | None,
    first_pts: int | None,
) -> list[int | None]:
    """Time stamps of the first frames, as decoded: one where the container can be believed."""
    # A field may be a packet of its own, with a stamp of its own, but only two make a frame.
    if video.container in _EXACT_CONTAINERS and video.field_order == "progressive":
        return [first_pts]
    return [frame.pts for frame in islice(shown_frames(sources, ignore), _HEAD_FRAMES)]


def _without_head(
    shown: list[int], decoded: list[int], tolerant: bool, video: VideoInfo
) -> FrameTimes:
    """Leave out the pictures before the first that is decoded, and no others."""
    left_out = bisect_left(shown, decoded[0])
    lost = sorted(set(shown[left_out:]) - set(decoded))
    if lost and not tolerant:
        seconds = float(lost[0] * video.time_base)
        raise SourceRefused(
            "damaged",
            f"{len(lost)} frames cannot be decoded, the first at {seconds:.3f} s; re-export the "
            "file.",
        )
    return FrameTimes(shown[left_out:], left_out=left_out)


def _decoded_stamps(
    sources: Sequence[BundleSource], ignore: OnDamage | None, on_frame: Callable[[int], None]
) -> list[int | None]:
    """Decode everything, for the time stamps alone: the slow way."""
    stamps: list[int | None] = []
    for frame in shown_frames(sources, ignore):
        stamps.append(frame.pts)
        on_frame(len(stamps))
    if not stamps:
        raise SourceRefused("no_frames", "no frame could be decoded; export the file again.")
    return stamps


def _increasing(ticks: Sequence[int | None]) -> bool:
    return None not in ticks and all(
        before < after
        for before, after in pairwise(ticks)
        if before is not None and after is not None
    )


def _check_decodes(video: VideoInfo, bundle: BundleSource) -> None:
    """Decode a picture as a worker will, to refuse now what would fail there."""
    advice = (
        f"{video.codec} video of pixel format {video.pixel_format} cannot be decoded apart from "
        "its container; convert it to H.264 first."
    )
    try:
        frame = first_decoded(bundle)
    except (SourceRefused, ManifestError, ValueError) as error:
        raise SourceRefused("unsupported", f"{advice} ({error})") from error
    found = "no picture" if frame is None else frame.format.name
    if found != video.pixel_format:
        raise SourceRefused("unsupported", f"{advice} (The decoder gave {found}.)")


def repair_stamps(stamps: Sequence[int | None]) -> tuple[list[int], int]:
    """Make time stamps strictly increasing, changing as few as possible.

    A stamp that is missing or out of order is placed evenly between its neighbours, or one usual
    step beyond the last; where ticks are too coarse to fit it in, what follows moves on by a tick.

    Args:
        stamps: in order of presentation, at least one of them not None.

    Returns:
        The stamps, and how many of them differ from those given.
    """
    kept = longest_increasing(stamps)
    ticks = [stamps[place] or 0 for place in kept]
    rises = [
        max(1, (b - a) // (j - i)) for (i, a), (j, b) in pairwise(zip(kept, ticks, strict=True))
    ]
    step = median_low(rises) if rises else 1
    placed = [ticks[0] - step * (kept[0] - place) for place in range(kept[0])]
    for (i, a), (j, b) in pairwise(zip(kept, ticks, strict=True)):
        placed += [a + (b - a) * (place - i) // (j - i) for place in range(i, j)]
    beyond = range(len(stamps) - kept[-1])
    placed += [ticks[-1] + step * more for more in beyond]
    for place in range(1, len(placed)):
        placed[place] = max(placed[place], placed[place - 1] + 1)
    return placed, sum(new != old for new, old in zip(placed, stamps, strict=True))


def longest_increasing(stamps: Sequence[int | None]) -> list[int]:
    """Places of the longest strictly increasing subsequence, the first of equal stamps."""
    tails: list[int] = []
    ends: list[int] = []
    before: dict[int, int | None] = {}
    for place, tick in enumerate(stamps):
        if tick is None:
            continue
        at = bisect_left(tails, tick)
        if at < len(tails) and tails[at] == tick:
            continue
        before[place] = ends[at - 1] if at else None
        tails[at : at + 1] = [tick]
        ends[at : at + 1] = [place]
    places: list[int] = []
    place_: int | None = ends[-1] if ends else None
    while place_ is not None:
        places.append(place_)
        place_ = before[place_]
    return places[::-1]
