"""Walk through a container's own structure, to see whether any of it is missing or overwritten.

FFmpeg reads past a hole, to the next place where it finds its bearings, and says nothing: whole
frames are gone then, without a trace in those that are left. Containers that state the size of
all their parts, or a checksum, give it away. Nothing is decoded; only headers are read, but for
Ogg, whose pages are summed up.

Specifications: ISO/IEC 14496-12 (boxes), RFC 9559 (Matroska), RFC 3533 (Ogg), Adobe's FLV 10.1,
Microsoft's RIFF, GIF89a, SMPTE ST 336 (KLV), and the IVF header of libvpx.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

__all__ = ["Defect", "structural_defect"]


@dataclass(frozen=True, slots=True)
class Defect:
    """The first thing that is wrong with a container."""

    words: str
    at_byte: int
    cut: bool
    """True where the file ends too early; False for damage inside it."""


class _Found(Exception):
    """Ends a walk.

    Attributes:
        defect: what was found.
    """

    def __init__(self, words: str, at_byte: int, cut: bool = False) -> None:
        super().__init__(words)
        self.defect = Defect(words, at_byte, cut)


_PIECE_BYTES = 1 << 16


class _Watched(io.FileIO):
    """A file that tells of every move in it."""

    def __init__(self, path: Path, on_step: Callable[[], None]) -> None:
        super().__init__(path)
        self._on_step = on_step

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._on_step()
        return super().seek(offset, whence)


def structural_defect(
    path: Path, demuxer: str, on_step: Callable[[], None] = lambda: None
) -> Defect | None:
    """Return what is wrong with a container, or None where nothing is, or nothing can be told.

    Args:
        path: the file.
        demuxer: FFmpeg's name of the format that it is read as.
        on_step: called for each part of it.
    """
    walk = _WALKS.get(demuxer)
    if walk is None:
        return None
    size_bytes = path.stat().st_size
    with io.BufferedReader(_Watched(path, on_step)) as stream:
        try:
            walk(stream, size_bytes)
        except _Found as found:
            return found.defect
    return None


def _check_end(what: str, start: int, stop: int, size_bytes: int) -> None:
    if stop > size_bytes:
        raise _Found(
            f"ends within its {what} at byte {start}, {stop - size_bytes} bytes too early",
            start,
            cut=True,
        )


def _only_zeros(stream: BinaryIO, at: int) -> bool:
    """Whether nothing but zeros follows: room that a recorder had reserved."""
    stream.seek(at)
    while piece := stream.read(_PIECE_BYTES):
        if piece.strip(b"\0"):
            return False
    return True


def _mp4(stream: BinaryIO, size_bytes: int) -> None:
    at = 0
    while at + 8 <= size_bytes:
        stream.seek(at)
        head = stream.read(16)
        length, kind = struct.unpack_from(">I4s", head)
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack_from(">Q", head, 8)
        if length == 0 or not kind.isalnum():  # to the end of the file; or bytes after it
            return
        if kind in (b"mdat", b"moof", b"moov"):
            _check_end(f"box {kind.decode()!r}", at, at + length, size_bytes)
        at += max(8, length)


_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_TOP = frozenset(
    [
        *(_CLUSTER, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1C53BB6B, 0x1254C367),
        *(0x1941A469, 0x1043A770, 0xEC, 0xBF),
    ]
)
_IN_CLUSTER = frozenset([0xE7, 0xA3, 0xA0, 0xA7, 0xAB, 0xBF, 0xEC, 0xAF, 0x5854])


def _element(stream: BinaryIO, at: int) -> tuple[int, int, int]:
    """Identifier, first byte and size of an EBML element; size -1 where it is not stated."""
    stream.seek(at)
    head = stream.read(12)
    width = 9 - head[0].bit_length() if head and head[0] else 0
    if not 1 <= width <= 4 or len(head) < width + 1 or not head[width]:
        return 0, at, 0
    identifier = int.from_bytes(head[:width], "big")
    wide = 9 - head[width].bit_length()
    if len(head) < width + wide:
        return 0, at, 0
    size = int.from_bytes(head[width : width + wide], "big") & ~(1 << 7 * wide)
    return identifier, at + width + wide, -1 if size == (1 << 7 * wide) - 1 else size


def _matroska(stream: BinaryIO, size_bytes: int) -> None:
    at, identifier, body, size = 0, 0, 0, 0
    while identifier != _SEGMENT:
        identifier, body, size = _element(stream, at)
        if at >= size_bytes or (size < 0 and identifier != _SEGMENT):
            return
        at = body + size
    if size >= 0:
        _check_end("segment", body, body + size, size_bytes)
    _segment(stream, body, body + size if size >= 0 else size_bytes)


def _segment(stream: BinaryIO, at: int, end: int) -> None:
    while at < end:
        identifier, body, size = _element(stream, at)
        if identifier not in _TOP and _only_zeros(stream, at):
            return
        if identifier not in _TOP:
            raise _Found(f"is overwritten at byte {at}, where a part of it should begin", at)
        if size < 0 and identifier != _CLUSTER:
            return
        stop = body + size if size >= 0 else end
        _check_end("cluster or index", at, stop, end)
        at = _cluster(stream, body, stop, size < 0) if identifier == _CLUSTER else stop


def _cluster(stream: BinaryIO, at: int, end: int, endless: bool) -> int:
    """Walk through a cluster's blocks, and return where it ends."""
    while at < end:
        identifier, body, size = _element(stream, at)
        if endless and identifier in _TOP - _IN_CLUSTER:
            return at
        if identifier not in _IN_CLUSTER or size < 0:
            if endless and _only_zeros(stream, at):
                return at
            raise _Found(f"is overwritten at byte {at}, where a frame should begin", at)
        _check_end("frame", at, body + size, end)
        at = body + size
    return at


def _flv(stream: BinaryIO, size_bytes: int) -> None:
    stream.seek(5)
    at = int.from_bytes(stream.read(4), "big") + 4
    while at + 11 <= size_bytes:
        stream.seek(at)
        head = stream.read(4)
        if head[0] & 0x1F not in (8, 9, 18):
            if _only_zeros(stream, at):
                return
            raise _Found(f"is overwritten at byte {at}, where a tag should begin", at)
        length = int.from_bytes(head[1:4], "big")
        _check_end("tag", at, at + 11 + length, size_bytes)
        at += 15 + length


def _ivf(stream: BinaryIO, size_bytes: int) -> None:
    at = 32
    while at + 12 <= size_bytes:
        stream.seek(at)
        (length,) = struct.unpack("<I", stream.read(4))
        _check_end("frame", at, at + 12 + length, size_bytes)
        at += 12 + length


def _avi(stream: BinaryIO, size_bytes: int) -> None:
    at = 0
    while at + 12 <= size_bytes:
        stream.seek(at)
        kind, length, form = struct.unpack("<4sI4s", stream.read(12))
        if kind != b"RIFF" or form not in (b"AVI ", b"AVIX"):
            return
        # Some programs count the eight bytes of the chunk's own head.
        _check_end("RIFF chunk", at, at + length, size_bytes)
        at += 8 + length + length % 2


_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _ogg_sum(page: bytes) -> int:
    """Ogg's checksum, by way of zlib's, which takes the bits of each byte in the other order."""
    turned = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{turned:032b}"[::-1], 2)


def _ogg(stream: BinaryIO, size_bytes: int) -> None:
    at = 0
    while at < size_bytes:
        stream.seek(at)
        head = stream.read(27)
        if not head.startswith(b"OggS"[: len(head)]):
            raise _Found(f"is overwritten at byte {at}, where a page should begin", at)
        _check_end("page", at, at + 27, size_bytes)
        table = stream.read(head[26])
        length = 27 + head[26] + sum(table)
        _check_end("page", at, at + length, size_bytes)
        page = head[:22] + b"\0\0\0\0" + head[26:] + table + stream.read(sum(table))
        if _ogg_sum(page) != int.from_bytes(head[22:26], "little"):
            raise _Found(f"is overwritten: the page at byte {at} does not match its checksum", at)
        at += length


def _gif(stream: BinaryIO, size_bytes: int) -> None:
    stream.seek(10)
    flags = stream.read(3)[0]
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while at < size_bytes:
        stream.seek(at)
        head = stream.read(10)
        if head[0] == 0x3B:
            return
        if head[0] == 0x21:
            at += 2
        elif head[0] == 0x2C and len(head) == 10:
            at += 11 + (3 << (head[9] & 7) + 1 if head[9] & 0x80 else 0)
        else:
            raise _Found(f"is overwritten at byte {at}, where a picture should begin", at)
        at = _gif_blocks(stream, at, size_bytes)
    # Without the mark of the end, but behind a picture that is whole.


def _gif_blocks(stream: BinaryIO, at: int, size_bytes: int) -> int:
    while at < size_bytes:
        stream.seek(at, os.SEEK_SET)
        length = stream.read(1)[0]
        at += 1 + length
        if not length:
            return at
    raise _Found(f"ends within a picture at byte {size_bytes}", size_bytes, cut=True)


def _mxf(stream: BinaryIO, size_bytes: int) -> None:
    at = 0
    while at + 20 <= size_bytes:
        stream.seek(at)
        head = stream.read(25)
        if not head.startswith(b"\x06\x0e\x2b\x34"):
            if at == 0:
                return  # a run-in, before the first partition
            raise _Found(f"is overwritten at byte {at}, where a key should begin", at)
        wide = head[16] & 0x7F if head[16] & 0x80 else 0
        length = int.from_bytes(head[17 : 17 + wide], "big") if wide else head[16]
        _check_end("element", at, at + 17 + wide + length, size_bytes)
        at += 17 + wide + length


_WALKS: dict[str, Callable[[BinaryIO, int], None]] = {
    "mov,mp4,m4a,3gp,3g2,mj2": _mp4,
    "matroska,webm": _matroska,
    "flv": _flv,
    "ivf": _ivf,
    "avi": _avi,
    "ogg": _ogg,
    "gif": _gif,
    "mxf": _mxf,
}
