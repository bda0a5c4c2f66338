"""Read a source and its mask whole: split, decoded once, with what is damaged noted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import av
import numpy as np

from framewright.errors import InputError, SourceRefused
from framewright.files import file_sha256
from framewright.findings import damaged_ranges, words_of
from framewright.media.sandboxed import SplitResult
from framewright.media.source import named_in_refusals
from framewright.reading import SourceReader
from framewright.scorers.painting import read_painting
from framewright.settings import Settings
from framewright.types import Footage, ProgressCallback, SourceInfo

__all__ = ["decoded_once", "read_mask"]

_LONGEST_SIDE = 4096
"""Pixels to which a larger still image is shrunk."""
_OR_AN_IMAGE = "A mask may be a video of these kinds, or a JPEG, PNG, WebP, TIFF or BMP image."


def decoded_once(reader: SourceReader, parts: SplitResult, tolerant: bool) -> SplitResult:
    """Decode all frames of a split; return it with what that has shown.

    Args:
        reader: what made the split.
        parts: the split.
        tolerant: note damage and where it is held, instead of refusing it.

    Raises:
        SourceRefused: a frame is damaged, and that is not tolerated, or of another size.
    """
    checks = reader.check(parts, tolerant)
    held = damaged_ranges(checks, parts.bundles[-1].stop_frame)
    bundles = [
        bundle.model_copy(update={"preroll": check.preroll})
        for bundle, check in zip(parts.bundles, checks, strict=True)
    ]
    video = parts.video
    warnings = (*video.warnings, *words_of(checks, held, parts.pts.unpack(), video))
    video = video.model_copy(update={"warnings": warnings})
    return parts.model_copy(update={"bundles": tuple(bundles), "held": held, "video": video})


def read_mask(
    reference: str,
    assets: Mapping[str, Path],
    frames: int,
    scratch: Path,
    unit_seconds: float,
    settings: Settings,
    progress: ProgressCallback | None,
) -> tuple[Footage | None, list[Path]]:
    """Split a mask.

    A mask is read as any source is: by the same formats, in sandboxes, within the same limits. A
    still image becomes a video of one picture.

    Args:
        reference: names a video of one picture, or of one for each frame of the source, or an
            image; empty for none.
        assets: local files by reference.
        frames: how many the source has.
        scratch: an existing folder, in which files are written.
        unit_seconds: length of the source's units, in seconds.
        settings: limits.
        progress: told about pictures read.

    Returns:
        What was read, and the files of its bundles, which nobody has verified yet.

    Raises:
        SourceRefused: it is neither a video nor an image that can be read, or is damaged.
        ScorerOptionError: it is an image that cannot be read.
        InputError: it has another number of pictures, or is not among the files.
    """
    if not reference:
        return None, []
    if (path := assets.get(reference)) is None:
        raise InputError(f"the mask {reference} is not among the files that were given.")
    folder = scratch / "mask"
    folder.mkdir(exist_ok=True)

    def read(video: Path) -> SplitResult:
        with SourceReader(video, folder, settings, progress) as reader:
            parts = reader.split(unit_seconds, tolerant=False)
            if parts.pts.count not in (1, frames):
                raise InputError(
                    f"the mask {path.name!r} has {parts.pts.count} pictures, and the video "
                    f"{frames} frames: give it a picture for each frame, in order, or one for all."
                )
            return decoded_once(reader, parts, tolerant=False)

    try:
        with named_in_refusals(path):
            parts = read(path)
    except SourceRefused as error:
        if error.reason == "damaged":
            raise SourceRefused(
                "damaged", f"the mask {path.name!r} is damaged; export it again."
            ) from error
        if error.reason != "still_image":
            more = f" {_OR_AN_IMAGE}" if error.reason == "unreadable" else ""
            raise SourceRefused(error.reason, f"the mask {error.message}{more}") from error
        parts = read(_one_picture(path, folder / "still.mkv"))
    mask = Footage(
        source=SourceInfo(name=path.name, size_bytes=path.stat().st_size, sha256=file_sha256(path)),
        video=parts.video,
        pts=parts.pts,
        counted=parts.counted,
        bundles=parts.bundles,
    )
    return mask, [folder / name for name in parts.files]


def _one_picture(image: Path, video: Path) -> Path:
    """Write a still image as a video of one picture, lossless."""
    picture = np.asarray(read_painting(image, _LONGEST_SIDE))
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    with av.open(str(video), "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "bgr0"
        container.mux([*stream.encode(frame), *stream.encode()])
    return video
