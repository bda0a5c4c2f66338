"""A field-coded H.264 stream (PAFF), written by hand, because no encoder at hand makes one.

Every field is a picture of its own, in samples that are stored as they are (I_PCM), so that no
prediction and no entropy coding is needed. Syntax: ITU-T H.264, 7.3.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.torture.code import draw_code
from tests.torture.picture import picture

__all__ = ["field_pictures"]

_MACROBLOCK = 16


class _Bits:
    """Writes bits, most significant first, and Exp-Golomb codes."""

    def __init__(self) -> None:
        self._bits: list[str] = []
        self._length = 0

    def put(self, value: int, count: int) -> None:
        self._bits.append(f"{value:0{count}b}")
        self._length += count

    def ue(self, value: int) -> None:
        width = (value + 1).bit_length()
        self.put(value + 1, 2 * width - 1)

    def se(self, value: int) -> None:
        self.ue(2 * value - 1 if value > 0 else -2 * value)

    def align(self, bit: str = "0") -> None:
        missing = -self._length % 8
        self._bits.append(bit * missing)
        self._length += missing

    def samples(self, block: npt.NDArray[np.uint8]) -> None:
        self._bits.append("".join(f"{value:08b}" for value in block.ravel()))
        self._length += 8 * block.size

    def stop(self) -> bytes:
        """Append the trailing bits and return the payload."""
        self.put(1, 1)
        self.align()
        text = "".join(self._bits)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def _unit(header: int, payload: bytes) -> bytes:
    """A NAL unit with its start code; 3 guards against start codes within."""
    out, zeros = bytearray(), 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return b"\0\0\0\1" + bytes([header]) + bytes(out)


def _parameter_sets(width: int, height: int) -> bytes:
    sps = _Bits()
    for value in (77, 0, 40):  # Main profile, level 4
        sps.put(value, 8)
    sps.ue(0)
    sps.ue(4)  # 8 bits of frame_num
    sps.ue(0)
    sps.ue(4)  # 8 bits of picture order count
    sps.ue(1)
    sps.put(0, 1)
    sps.ue(width // _MACROBLOCK - 1)
    sps.ue(height // (2 * _MACROBLOCK) - 1)
    sps.put(0b0010, 4)  # fields allowed, no MBAFF, direct 8x8, no cropping
    sps.put(1, 1)  # VUI: only timing
    sps.put(0, 4)
    sps.put(1, 1)
    sps.put(1, 32)
    sps.put(50, 32)
    sps.put(1, 1)
    sps.put(0, 4)
    pps = _Bits()
    pps.ue(0)
    pps.ue(0)
    pps.put(0b00, 2)  # CAVLC, no picture order count of bottom fields
    pps.ue(0)
    pps.ue(0)
    pps.ue(0)
    pps.put(0, 3)
    for _ in range(3):
        pps.se(0)
    pps.put(0b100, 3)
    return _unit(0x67, sps.stop()) + _unit(0x68, pps.stop())


def _slice(planes: list[npt.NDArray[np.uint8]], index: int, bottom: bool) -> bytes:
    """One field, all of it in one slice of I_PCM macroblocks."""
    idr = index % 10 == 0 and not bottom
    bits = _Bits()
    bits.ue(0)
    bits.ue(7)  # all slices of the picture are I
    bits.ue(0)
    number = index % 10
    bits.put(number, 8)
    bits.put(1, 1)
    bits.put(bottom, 1)
    if idr:
        bits.ue(index // 10 % 2)
    bits.put((2 * number + bottom) % 256, 8)
    bits.put(0, 2 if idr else 1)  # keep as reference, by sliding window
    bits.se(0)
    bits.ue(1)  # no deblocking
    height, width = planes[0].shape
    for y in range(0, height, _MACROBLOCK):
        for x in range(0, width, _MACROBLOCK):
            bits.ue(25)
            bits.align()
            bits.samples(planes[0][y : y + 16, x : x + 16])
            for plane in planes[1:]:
                bits.samples(plane[y // 2 : y // 2 + 8, x // 2 : x // 2 + 8])
    return _unit(0x65 if idr else 0x61, bits.stop())


def field_pictures(width: int, height: int, count: int) -> bytes:
    """``count`` frames with their codes, top field first, 4:2:0, as an Annex B byte stream.

    ``width`` is a multiple of 16 and ``height`` of 32. Every tenth frame is a keyframe.
    """
    out = []
    for index in range(count):
        y, u, v = picture(index, width, height)
        draw_code(y, index)
        planes = [y, u[::2, ::2], v[::2, ::2]]
        if index % 10 == 0:
            out.append(b"\0\0\0\1\x09\x10" + _parameter_sets(width, height))
        else:
            out.append(b"\0\0\0\1\x09\x10")
        for field in (0, 1):
            if field:
                out.append(b"\0\0\0\1\x09\x10")
            out.append(_slice([plane[field::2] for plane in planes], index, bool(field)))
    return b"".join(out)
