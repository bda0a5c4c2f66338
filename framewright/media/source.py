"""Open untrusted video files: a whitelist of formats and protocols, limits, errors in words."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from framewright.errors import RefusalReason, SourceRefused
from framewright.settings import Settings

__all__ = [
    "FORMATS",
    "check_file",
    "file_url",
    "is_text",
    "named_in_refusals",
    "open_media",
    "open_source",
    "packets_of",
]

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    "avi",
    "mpegts",
    "mpeg",
    "flv",
    "asf",
    "ogg",
    "mxf",
    "gif",
    "ivf",
    "h264",
    "hevc",
    "mpegvideo",
    "nut",
    "dv",
)
"""Demuxers that may read a source. None of them opens a second file or a network address."""

_OPTIONS = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "file"}

_STILL_BRANDS = ("avif", "avis", "mif1", "msf1", "heic", "heix", "heim", "heis", "hevc", "hevx")
"""Major brands of HEIF and AVIF files, whose pictures FFmpeg presents as if they were a video."""
_STILL_IMAGES = (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"II*\0", b"MM\0*", b"\0\0\0\x0cJXL")
_STILL = "is a still image, not a video"
_PLAYLISTS = (b"ffconcat", b"#EXTM3U", b"<?xml", b"<MPD", b"v=0", b"[playlist]", b"<smil")
_READABLE = (
    "MP4, MOV, Matroska, WebM, AVI, MPEG-TS/PS, FLV, ASF, Ogg, MXF, GIF, IVF, NUT, DV, "
    "raw H.264/HEVC"
)


def file_url(path: Path) -> str:
    """Return the form of a path that FFmpeg takes literally, whatever the name holds."""
    return f"file:{path}"


def is_text(path: Path) -> bool:
    """Whether a path is UTF-8, not any other bytes that a file system takes."""
    return not any("\udc80" <= letter <= "\udcff" for letter in str(path))


def open_media(
    file: Path | BinaryIO, max_frame_pixels: int | None = None, *, edits: bool = True
) -> InputContainer:
    """Open a media file for reading so that it can make FFmpeg open nothing else.

    Whatever reads media goes through here or ``open_source``: a file may have been replaced by a
    playlist since it was checked, and a seekable stream names no format by its suffix.

    Args:
        file: a local file, or an open binary stream.
        max_frame_pixels: pixels beyond which no picture is decoded; FFmpeg's own limit if None.
        edits: False to read all that an MP4 or MOV stores, also what its edit list leaves out.

    Raises:
        FFmpegError: not readable, or of a format that is not on the list.
    """
    name = file_url(file) if isinstance(file, Path) else file
    options = dict(_OPTIONS)
    if max_frame_pixels is not None:
        options["max_pixels"] = str(max_frame_pixels)
    if not edits:
        options["ignore_editlist"] = "1"
    return av.open(name, "r", options=options, metadata_errors="replace", timeout=60.0)


def packets_of(container: InputContainer, *streams: Stream) -> Iterator[Packet[Any]]:
    """Yield the packets of some streams to the end, and then those that flush their decoders.

    PyAV 18.1 raises IndexError behind the last packet where further streams began within the file,
    which neither it nor framewright knows of.
    """
    with suppress(IndexError):
        yield from container.demux(*streams)


@contextmanager
def named_in_refusals(path: Path) -> Iterator[None]:
    """Put the name of a file into a refusal from within the block that lacks it."""
    try:
        yield
    except SourceRefused as error:
        if repr(path.name) in error.message or repr(str(path)) in error.message:
            raise
        raise SourceRefused(error.reason, f"{path.name!r}: {error.message}", error.frame) from error


@contextmanager
def open_source(path: Path, settings: Settings, *, edits: bool = True) -> Iterator[InputContainer]:
    """Open a video file for reading; a refusal from within the block gets the file's name.

    Args:
        path: the file.
        settings: limits.
        edits: False to read all that an MP4 or MOV stores, also what its edit list leaves out.

    Raises:
        SourceRefused: not there, empty, too large, not a video format, or a format that could
            open other files.
    """
    check_file(path, settings)
    try:
        container = open_media(path, settings.max_frame_pixels, edits=edits)
    except av.error.MemoryError:
        raise
    except (av.error.FFmpegError, ValueError) as error:
        raise _refusal(path, error) from error
    with container:
        if len(container.streams) > settings.max_streams:
            raise SourceRefused(
                "too_large",
                f"{path.name!r} has {len(container.streams)} streams; at most "
                f"{settings.max_streams} are accepted (FRAMEWRIGHT_MAX_STREAMS).",
            )
        if container.metadata.get("major_brand", "").strip() in _STILL_BRANDS:
            raise SourceRefused("still_image", f"{path.name!r} {_STILL}. Accepted are {_READABLE}.")
        with named_in_refusals(path):
            yield container


def check_file(path: Path, settings: Settings) -> None:
    """Refuse what need not be opened to be refused.

    Raises:
        SourceRefused: not there, not a regular file, empty, or larger than is accepted.
    """
    if not is_text(path):
        raise SourceRefused(
            "unsupported", f"the path {str(path)!r} is not UTF-8, which FFmpeg needs; rename it."
        )
    try:
        found = path.stat()
        if stat.S_ISREG(found.st_mode):  # a pipe would wait for somebody to write into it
            path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceRefused(
            "not_found", f"there is no file {str(path)!r}; check the path."
        ) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise SourceRefused(
            "unreadable", f"{str(path)!r} cannot be read ({why}); check the path and permissions."
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise SourceRefused("unreadable", f"{str(path)!r} is not a file; name one video file.")
    size_bytes = found.st_size
    if size_bytes == 0:
        raise SourceRefused("empty", f"{path.name!r} is empty (0 bytes); copy or export it again.")
    if size_bytes > settings.max_source_bytes:
        raise SourceRefused(
            "too_large",
            f"{path.name!r} has {size_bytes} bytes; at most {settings.max_source_bytes} are "
            "accepted (FRAMEWRIGHT_MAX_SOURCE_BYTES).",
        )


def _refusal(path: Path, error: Exception) -> SourceRefused:
    reason, why = _explain(path)
    detail = getattr(error, "strerror", None) or error
    how = "Copy or export it again" if reason == "truncated" else f"Accepted are {_READABLE}"
    return SourceRefused(reason, f"{path.name!r} {why}. {how}. (FFmpeg: {detail})")


def _explain(path: Path) -> tuple[RefusalReason, str]:
    with path.open("rb") as stream:
        head = stream.read(512)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(_STILL_IMAGES) or head[8:12] in (b"WEBP", b"avif", b"heic"):
        return "still_image", _STILL
    if text.startswith(_PLAYLISTS):
        return "unsafe", "is a playlist or script that names other files, which is never followed"
    if head[4:8] in (b"ftyp", b"mdat", b"moov", b"wide", b"free"):
        return (
            "truncated",
            "is an MP4/MOV file without its index (moov); it was cut off while it was written",
        )
    return "unreadable", "is not a video file that can be read"
