"""Take MP4 files apart into boxes and put them together again: for files no muxer writes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Box", "parse", "write"]

_PARENTS = frozenset(
    {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"moof", b"traf"}
)


@dataclass
class Box:
    """One box: its kind, and what is in it, either other boxes or bytes."""

    kind: bytes
    data: bytes = b""
    boxes: list[Box] = field(default_factory=list)

    def all(self, kind: bytes) -> list[Box]:
        """All boxes of a kind below this one."""
        found = [box for box in self.boxes if box.kind == kind]
        return found + [box for child in self.boxes for box in child.all(kind)]

    def first(self, kind: bytes) -> Box:
        """The first box of a kind below this one."""
        return self.all(kind)[0]


def parse(data: bytes) -> Box:
    """The boxes of a file, below a box without a kind."""
    return Box(b"", boxes=_parse(data))


def _parse(data: bytes) -> list[Box]:
    boxes, at = [], 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            header = 16
        body = data[at + header : at + size]
        boxes.append(Box(kind, boxes=_parse(body)) if kind in _PARENTS else Box(kind, body))
        at += size
    return boxes


def write(file: Box, moved: Callable[[int], int] | None = None) -> bytes:
    """The bytes of a file; ``moved`` maps old sample positions to new ones, for stco and co64."""
    if moved:
        for box in file.all(b"stco"):
            box.data = _mapped(box.data, ">I", moved)
        for box in file.all(b"co64"):
            box.data = _mapped(box.data, ">Q", moved)
    return b"".join(map(_bytes, file.boxes))


def _mapped(data: bytes, form: str, moved: Callable[[int], int]) -> bytes:
    width = struct.calcsize(form)
    places = [struct.unpack_from(form, data, at)[0] for at in range(8, len(data), width)]
    return data[:8] + b"".join(struct.pack(form, moved(place)) for place in places)


def _bytes(box: Box) -> bytes:
    body = b"".join(map(_bytes, box.boxes)) if box.boxes else box.data
    return struct.pack(">I4s", 8 + len(body), box.kind) + body
