"""What reads a source or its packets, in the form in which a sandbox calls it.

Each function takes one record and gives one, and reports its progress often.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Annotated

from pydantic import Field

from framewright.errors import SourceRefused
from framewright.media.check import MAX_PREROLL, BundleCheck, check_bundle
from framewright.media.probe import probe
from framewright.media.split import split_video
from framewright.settings import Settings
from framewright.types import (
    BundleRef,
    FrameRange,
    Progress,
    ProgressCallback,
    Record,
    TickRuns,
    VideoInfo,
)
from framewright.values import Ratio

__all__ = [
    "MODULE",
    "CheckRequest",
    "Checked",
    "SourceRequest",
    "SplitRequest",
    "SplitResult",
    "check_bundles",
    "probe_source",
    "split_source",
]

MODULE = __name__


class SourceRequest(Record):
    """Which file to look at."""

    path: str
    settings: Settings


class SplitRequest(SourceRequest):
    """Which file to split, and how."""

    folder: str
    """Where the bundle files go, named ``00000.pkts`` and so on, in order."""
    unit_seconds: float
    tolerant: bool


class SplitResult(Record):
    """What a split has written and learnt."""

    video: VideoInfo
    pts: TickRuns
    last_duration_ticks: int
    counted: bool
    bundles: tuple[BundleRef, ...]
    files: tuple[Annotated[str, Field(pattern=r"^[0-9]{5,6}\.pkts$")], ...]
    """Names of the bundles' files."""
    held: tuple[FrameRange, ...] = ()
    """Damaged frames that are held, where all were decoded to find them."""


class CheckRequest(Record):
    """Which bundles to decode."""

    folder: str
    files: tuple[str, ...]
    """Of bundles in a row, beginning with those that ``bundles`` may need before them."""
    bundles: tuple[BundleRef, ...]
    """The last of them: those to check."""
    pts: TickRuns
    """Time stamps of the frames that these own."""
    time_base: Ratio
    counted: bool
    width: int
    height: int
    pixel_format: str
    tolerant: bool


class Checked(Record):
    """What decoding has shown, for each bundle."""

    bundles: tuple[BundleCheck, ...]


def probe_source(request: SourceRequest, progress: ProgressCallback) -> VideoInfo:
    """Describe the video stream of a file."""
    return probe(Path(request.path), request.settings)


def split_source(request: SplitRequest, progress: ProgressCallback) -> SplitResult:
    """Write the bundles of a file."""
    parts = split_video(
        Path(request.path),
        Path(request.folder),
        request.unit_seconds,
        request.settings,
        progress,
        tolerant=request.tolerant,
    )
    return SplitResult(
        video=parts.video,
        pts=TickRuns.pack(parts.pts),
        last_duration_ticks=parts.last_duration_ticks,
        counted=parts.counted,
        bundles=tuple(parts.bundles),
        files=tuple(path.name for path in parts.paths),
    )


def check_bundles(request: CheckRequest, progress: ProgressCallback) -> Checked:
    """Decode every frame of some bundles."""
    pts, first = request.pts.unpack(), request.bundles[0].start_frame
    before = len(request.files) - len(request.bundles)
    paths = [Path(request.folder) / name for name in request.files]
    done, found = 0, []

    def count() -> None:
        nonlocal done
        done += 1
        progress(Progress("check", min(done, len(pts)), len(pts)))

    for place, bundle in enumerate(request.bundles):
        start, stop = bundle.start_frame, bundle.stop_frame
        numbers = list(range(start, stop))
        try:
            check = check_bundle(
                paths[max(0, before + place - MAX_PREROLL) : before + place + 1],
                numbers if request.counted else pts[start - first : stop - first],
                start_frame=start,
                counted=request.counted,
                picture=(request.width, request.height, request.pixel_format),
                tolerant=request.tolerant,
                on_frame=count,
            )
        except SourceRefused as error:
            raise _placed(error, pts, first, request.time_base) from error
        found.append(check)
    return Checked(bundles=tuple(found))


def _placed(error: SourceRefused, pts: list[int], first: int, time_base: Fraction) -> SourceRefused:
    """Add the time to a message that names a frame."""
    if error.frame is None:
        return error
    seconds = float(pts[error.frame - first] * time_base)
    words = f"frame {error.frame}, at {seconds:.3f} s, {error.message}"
    return SourceRefused(error.reason, words, error.frame)
