"""Convert the streams that an output's container does not hold as they are."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av.error

from framewright.errors import EngineBug
from framewright.media.carry import Carry
from framewright.media.ffmpeg import convert_stream
from framewright.media.source import open_media

__all__ = ["convert_streams"]

logger = logging.getLogger(__name__)

_FULL_DISK_BYTES = 1 << 20
"""With less than that left a conversion may have failed for want of space, which can be mended."""


def convert_streams(
    source: Path, carries: Sequence[Carry], scratch: Path
) -> tuple[list[Carry], dict[int, Path]]:
    """Convert what is to be; what fails is dropped instead, because the pictures are scored.

    Args:
        source: the file that holds the streams.
        carries: what is to become of each.
        scratch: folder for the converted streams.

    Raises:
        EngineBug: a conversion failed because the disk of ``scratch`` is full.

    Returns:
        What becomes of each stream now, and the files of the converted ones by stream index.
    """
    decided: list[Carry] = []
    files: dict[int, Path] = {}
    for carry in carries:
        if carry.action != "convert":
            decided.append(carry)
            continue
        try:
            files[carry.stream.index] = _converted(source, carry, scratch)
            decided.append(carry)
        except EngineBug as error:
            if shutil.disk_usage(scratch).free < _FULL_DISK_BYTES:
                raise
            logger.warning("stream %d is dropped: %s", carry.stream.index, error.message)
            detail = (
                f"{carry.stream.codec} could not be converted to {carry.codec}; the log has why"
            )
            decided.append(replace(carry, action="drop", detail=detail))
    return decided, files


def _converted(source: Path, carry: Carry, scratch: Path) -> Path:
    # MP4 keeps audio's own ticks and its priming; text subtitles count in ms, as Matroska does.
    suffix = ".mkv" if carry.codec in ("subrip", "webvtt") else ".mp4"
    path = scratch / f"stream-{carry.stream.index}{suffix}"
    convert_stream(source, carry.stream.index, carry.codec, dict(carry.options), path)
    _check_converted(path)
    return path


def _check_converted(path: Path) -> None:
    """Refuse a file without a stream: what ffmpeg writes where it could decode nothing."""
    try:
        with open_media(path) as container:
            found = len(container.streams)
    except av.error.FFmpegError as error:
        raise EngineBug(f"what was converted cannot be read: {error}.") from error
    if not found:
        raise EngineBug("nothing of it could be decoded.")
