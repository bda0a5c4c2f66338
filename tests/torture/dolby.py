"""Mark an HEVC MP4 as Dolby Vision: a ``dvcC`` box, without the metadata it announces."""

from __future__ import annotations

from tests.torture.sei import Bits

__all__ = ["as_dolby_vision"]

_PATH = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"hev1")
_BEFORE_CHILDREN = {b"stsd": 8, b"hev1": 78}
"""Bytes between a box's header and the boxes inside it."""


def as_dolby_vision(mp4: bytes, profile: int, compatibility: int) -> bytes:
    """Insert a configuration record into an MP4 whose ``moov`` comes last.

    Layout by ETSI TS 103 572 and Dolby's "Dolby Vision streams within the ISO base media file
    format": version, profile, level, which layers there are, what the base layer alone is.
    """
    bits = Bits().put(1, 8).put(0, 8).put(profile, 7).put(6, 6).put(0b101, 3)
    record = bits.put(compatibility, 4).put(0, 4).done() + bytes(19)
    box = (8 + len(record)).to_bytes(4) + b"dvcC" + record
    out = bytearray(mp4)
    start, end = 0, len(out)
    for name in _PATH:
        start = _find(out, name, start, end)
        size = int.from_bytes(out[start : start + 4])
        end = start + size
        out[start : start + 4] = (size + len(box)).to_bytes(4)
        start += 8 + _BEFORE_CHILDREN.get(name, 0)
    out[end:end] = box
    return bytes(out)


def _find(data: bytearray, name: bytes, start: int, end: int) -> int:
    while start < end:
        if data[start + 4 : start + 8] == name:
            return start
        start += int.from_bytes(data[start : start + 4])
    raise ValueError(f"no box {name!r}")
