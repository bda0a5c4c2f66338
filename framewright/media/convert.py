"""Convert the streams that an output's container does not hold as they are."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av.error

from framewright.errors import EngineBug, SourceRefused
from framewright.media.carry import Carry
from framewright.media.ffmpeg import convert_stream
from framewright.media.source import open_media
from framewright.sandbox import Sandbox
from framewright.settings import Settings
from framewright.types import Progress, ProgressCallback, Record

__all__ = ["ConversionRequest", "Converted", "convert", "convert_streams"]

logger = logging.getLogger(__name__)

_FULL_DISK_BYTES = 1 << 20
"""With less than that left a conversion may have failed for want of space, which can be mended."""


class ConversionRequest(Record):
    """Which stream of which file to convert, and to what."""

    source: str
    index: int
    codec: str
    options: tuple[tuple[str, str], ...]
    output: str


class Converted(Record):
    """What a conversion has written."""

    streams: int


def convert_streams(
    source: Path, carries: Sequence[Carry], scratch: Path, settings: Settings
) -> tuple[list[Carry], dict[int, Path]]:
    """Convert what is to be; what fails is dropped instead, because the pictures are scored.

    Args:
        source: the file that holds the streams.
        carries: what is to become of each.
        scratch: folder for the converted streams.
        settings: limits of the sandbox in which that happens.

    Raises:
        EngineBug: a conversion failed because the disk of ``scratch`` is full.

    Returns:
        What becomes of each stream now, and the files of the converted ones by stream index.
    """
    decided: list[Carry] = []
    files: dict[int, Path] = {}
    with Sandbox(source.absolute(), settings, scratch=scratch, modules=(__name__,)) as sandbox:
        for carry in carries:
            if carry.action != "convert":
                decided.append(carry)
                continue
            try:
                files[carry.stream.index] = _converted(sandbox, source, carry, scratch)
                decided.append(carry)
            except (EngineBug, SourceRefused) as error:
                if shutil.disk_usage(scratch).free < _FULL_DISK_BYTES:
                    raise
                logger.warning("stream %d is dropped: %s", carry.stream.index, error.message)
                detail = (
                    f"{carry.stream.codec} could not be converted to {carry.codec}; the log has why"
                )
                decided.append(replace(carry, action="drop", detail=detail))
    return decided, files


def _converted(sandbox: Sandbox, source: Path, carry: Carry, scratch: Path) -> Path:
    # MP4 keeps audio's own ticks and its priming; text subtitles count in ms, as Matroska does.
    suffix = ".mkv" if carry.codec in ("subrip", "webvtt") else ".mp4"
    path = scratch.absolute() / f"stream-{carry.stream.index}{suffix}"
    request = ConversionRequest(
        source=str(source.absolute()),
        index=carry.stream.index,
        codec=carry.codec,
        options=carry.options,
        output=str(path),
    )
    sandbox(convert, request, Converted)
    return path


def convert(request: ConversionRequest, progress: ProgressCallback) -> Converted:
    """Convert one stream, in the form in which a sandbox calls it."""
    path = Path(request.output)
    convert_stream(
        Path(request.source),
        request.index,
        request.codec,
        dict(request.options),
        path,
        on_wait=lambda: progress(Progress("stitch", 0, 0)),
    )
    return Converted(streams=_check_converted(path))


def _check_converted(path: Path) -> int:
    """Count streams, and refuse none: what ffmpeg writes where it could decode nothing."""
    try:
        with open_media(path) as container:
            found = len(container.streams)
    except av.error.FFmpegError as error:
        raise EngineBug(f"what was converted cannot be read: {error}.") from error
    if not found:
        raise EngineBug("nothing of it could be decoded.")
    return found
