"""Compare a video with the source it was made from: flicker, and the detail it has kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from typing import cast

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray
from pydantic import Field

from framewright.errors import InputError, SourceRefused
from framewright.media.color import FrameToRgb
from framewright.media.probe import probe, select_video_stream
from framewright.media.source import check_file, open_source
from framewright.media.treatment import is_hdr
from framewright.sandbox import Sandbox
from framewright.scratch import scratch_folder
from framewright.settings import Settings
from framewright.steady.measure import LEAST_SIDE, FlickerMeter, fine_detail
from framewright.types import Progress, ProgressCallback, Record, VideoInfo

__all__ = ["CompareRequest", "Comparison", "compare", "compare_files"]

MODULE = __name__
Rgb = NDArray[np.uint8]


class CompareRequest(Record):
    """Which files to compare."""

    source: str
    output: str
    against: str = ""
    settings: Settings


class Comparison(Record):
    """What a comparison has found."""

    frames: int = Field(ge=0)
    """Frames of each video."""
    pairs: int = Field(ge=0)
    """Pairs of consecutive frames whose difference counts."""
    cuts: int = Field(ge=0)
    """Pairs left out, because the source cuts between them."""
    source_flicker: float = Field(ge=0)
    """Mean difference from the frame before, led along the source's motion, in levels of 255."""
    output_flicker: float = Field(ge=0)
    detail: float = Field(ge=0)
    """Variance of the output's Laplacian relative to that of ``against``, or of the source."""
    against_flicker: float | None = None

    ratio: float | None
    """Flicker of the output relative to the source's; None where the source has none."""


def compare(
    source: Path,
    output: Path,
    settings: Settings,
    against: Path | None = None,
    progress: ProgressCallback | None = None,
) -> Comparison:
    """Measure an output's flicker and detail, in a sandbox, frame by frame.

    Args:
        source: the video that it was made from.
        output: what was made of it: as many frames, of its size times a whole number.
        settings: limits.
        against: the same without stabilising, which its detail is compared with; the source if
            None.
        progress: told about frames compared.

    Raises:
        SourceRefused: a file is not a video that can be read.
        InputError: they do not belong together.
    """
    files = [source, output, *([against] if against else [])]
    for path in files:
        check_file(path, settings)
    request = CompareRequest(
        source=str(source.absolute()),
        output=str(output.absolute()),
        against=str(against.absolute()) if against else "",
        settings=settings,
    )
    with (
        scratch_folder(settings) as scratch,
        Sandbox(source, settings, scratch=scratch, modules=(MODULE,), others=files[1:]) as sandbox,
    ):
        return sandbox(compare_files, request, Comparison, progress)


def compare_files(request: CompareRequest, progress: ProgressCallback) -> Comparison:
    """Compare the frames of two or three files; what ``compare`` runs in a sandbox."""
    paths = [Path(path) for path in (request.source, request.output, request.against) if path]
    settings = request.settings
    videos = [probe(path, settings) for path in paths]
    if min(videos[0].width, videos[0].height) < LEAST_SIDE:
        raise InputError(
            f"{paths[0].name!r} has {videos[0].width}x{videos[0].height} pixels; motion can be "
            f"followed where both sides have {LEAST_SIDE} or more. Compare a larger video."
        )
    for path, video in zip(paths[1:], videos[1:], strict=True):
        _check_size(paths[0], videos[0], path, video)
    meter, details, frames = FlickerMeter(), [0.0] * len(paths), 0
    with ExitStack() as stack:
        streams = [
            stack.enter_context(_Pictures(path, video, settings))
            for path, video in zip(paths, videos, strict=True)
        ]
        for pictures in zip_longest(*streams):
            _check_count(paths, pictures, frames)
            meter.add(*pictures)
            for place, picture in enumerate(pictures):
                details[place] += fine_detail(picture)
            frames += 1
            progress(Progress("verify", frames, 0))
    if not meter.pairs:
        raise InputError(
            f"{paths[0].name!r} has no two frames that follow from each other ({frames} frames, "
            f"{meter.cuts} scene cuts), so that nothing can be compared; use a longer video."
        )
    reference = details[2] if request.against else details[0]
    source_flicker, output_flicker, *others = meter.flickers
    return Comparison(
        frames=frames,
        pairs=meter.pairs,
        cuts=meter.cuts,
        source_flicker=source_flicker,
        output_flicker=output_flicker,
        ratio=output_flicker / source_flicker if source_flicker else None,
        detail=details[1] / reference if reference else 0.0,
        against_flicker=others[0] if others else None,
    )


class _Pictures:
    """The frames of a file as 8-bit RGB of shape (H, W, 3), one at a time; a context manager."""

    def __init__(self, path: Path, video: VideoInfo, settings: Settings) -> None:
        self._path, self._video, self._settings = path, video, settings
        self._to_rgb = FrameToRgb(video.color, interlaced=video.field_order != "progressive")
        self._stack = ExitStack()

    def __enter__(self) -> Iterator[Rgb]:
        container = self._stack.enter_context(open_source(self._path, self._settings))
        stream = select_video_stream(container, self._path)
        stream.thread_type = "NONE"
        return (self._picture(frame) for frame in container.decode(stream))

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _picture(self, frame: VideoFrame) -> Rgb:
        if (frame.width, frame.height) != (self._video.width, self._video.height):
            raise SourceRefused(
                "unsupported",
                f"{self._path.name!r} changes its picture size; re-export it with one size.",
            )
        pixels = self._to_rgb(frame)
        if pixels.dtype == np.uint16:
            pixels = (pixels >> 8).astype(np.uint8)
        return cast(Rgb, np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def _check_size(source: Path, before: VideoInfo, output: Path, after: VideoInfo) -> None:
    """Refuse an output that cannot be laid over its source.

    Raises:
        InputError: it cannot.
    """
    scale = max(1, after.width // before.width)
    if (after.width, after.height) != (before.width * scale, before.height * scale):
        raise InputError(
            f"{output.name!r} has {after.width}x{after.height} pixels, {source.name!r} "
            f"{before.width}x{before.height}; an output has the size of its source, or a whole "
            "number of times as much each way."
        )
    if (before.rotation, before.mirrored) != (after.rotation, after.mirrored):
        raise InputError(
            f"{output.name!r} is turned otherwise than {source.name!r} "
            f"({after.rotation} and {before.rotation} degrees); compare files that framewright "
            "made of this source."
        )
    if is_hdr(before.color) != is_hdr(after.color):
        raise InputError(
            f"only one of {source.name!r} and {output.name!r} is HDR, so that their levels cannot "
            "be compared; tone-map the source first, too."
        )


def _check_count(paths: list[Path], pictures: tuple[Rgb | None, ...], frames: int) -> None:
    """Refuse videos of which one ends before the others.

    Raises:
        InputError: one does.
    """
    ended = [path.name for path, picture in zip(paths, pictures, strict=True) if picture is None]
    if ended:
        raise InputError(
            f"{ended[0]!r} has {frames} frames, fewer than what it is compared with; compare a "
            "source with what was made of the whole of it."
        )
