"""Messages that a picture stream carries beside its pictures, written by hand into H.264 and HEVC.

Syntax: ITU-T H.264 and H.265, 7.3.2.3 (SEI) and Annex D; T.35 payloads by ATSC A/53 part 4
(captions, AFD), CTA-861 (HDR10+).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = [
    "AFD",
    "AMBIENT",
    "CAPTIONS",
    "FILM_GRAIN",
    "HDR10_PLUS",
    "TIME_CODE",
    "USER_TEXT",
    "Bits",
    "Message",
    "insert_sei",
]

Message = tuple[int, bytes]
"""Type and payload of an SEI message."""

_T35, _UNREGISTERED = 4, 5
_ATSC = b"\xb5\x00\x31"

CAPTIONS: Message = (
    _T35,
    _ATSC + b"GA94" + b"\x03" + bytes([0xC0 | 1, 0xFF]) + bytes([0xFC, 0x94, 0x2C]) + b"\xff",
)
"""One pair of CEA-608 bytes: erase displayed memory."""
AFD: Message = (_T35, _ATSC + b"DTG1" + bytes([0x41, 0xF8]))
"""Active format 8: the picture fills the frame."""
USER_TEXT: Message = (_UNREGISTERED, bytes(range(16)) + b"a note of the camera's own")


class Bits:
    """Writes numbers of any length into bytes, the highest bit first."""

    def __init__(self) -> None:
        self._text = ""

    def put(self, value: int, bits: int) -> Bits:
        """Append ``value`` in so many bits."""
        self._text += f"{value:0{bits}b}"
        return self

    def done(self) -> bytes:
        """Return the bytes, the last one filled up with zeros."""
        text = self._text + "0" * (-len(self._text) % 8)
        return int(text, 2).to_bytes(len(text) // 8)


def _hdr10_plus() -> bytes:
    """One window, no distribution, no tone-mapping curve: SMPTE ST 2094-40."""
    bits = Bits().put(0xB5, 8).put(0x003C, 16).put(1, 16).put(4, 8).put(1, 8)
    bits.put(1, 2).put(400, 27).put(0, 1)
    for _ in range(3):
        bits.put(50_000, 17)  # maxscl
    bits.put(10_000, 17).put(0, 4).put(0, 10).put(0, 1)
    return bits.put(0, 1).put(0, 1).done()


HDR10_PLUS: Message = (_T35, _hdr10_plus())


def _time_code(hours: int, minutes: int, seconds: int, frames: int) -> bytes:
    """One full time stamp, of HEVC only."""
    bits = Bits().put(1, 2).put(1, 1).put(0, 1).put(0, 5).put(1, 1).put(0, 2).put(frames, 9)
    return bits.put(seconds, 6).put(minutes, 6).put(hours, 5).put(0, 5).put(1, 1).done()


TIME_CODE: Message = (136, _time_code(10, 20, 30, 12))
FILM_GRAIN: Message = (19, Bits().put(0, 1 + 2 + 1 + 2 + 4 + 3).put(1, 1).put(1, 1).done())
"""Of HEVC only: a model without any component, for all pictures that follow."""
AMBIENT: Message = (148, Bits().put(314_000, 32).put(15_635, 16).put(16_450, 16).done())
"""Illuminance in 1/10000 lux, and the chromaticity of the light: of a dim room, D65."""


def insert_sei(stream: bytes, messages: Sequence[Message], *, hevc: bool = False) -> bytes:
    """Put SEI messages before the first slice of every picture of an Annex B stream."""
    units = re.split(rb"\x00{2,3}\x01", stream)[1:]
    out = bytearray()
    for unit in units:
        if _begins_picture(unit, hevc):
            out += b"\x00\x00\x00\x01" + _sei(messages, hevc)
        out += b"\x00\x00\x00\x01" + unit
    return bytes(out)


def _begins_picture(unit: bytes, hevc: bool) -> bool:
    """Whether a unit holds a slice whose first bit after the header says: first of its picture."""
    if hevc:
        return (unit[0] >> 1) & 0x3F < 32 and bool(unit[2] & 0x80)
    return unit[0] & 0x1F in (1, 5) and bool(unit[1] & 0x80)


def _sei(messages: Sequence[Message], hevc: bool) -> bytes:
    body = bytearray()
    for kind, payload in messages:
        body += bytes([kind, len(payload)]) + payload
    body.append(0x80)
    escaped = re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", bytes(body))
    return (b"\x4e\x01" if hevc else b"\x06") + escaped
