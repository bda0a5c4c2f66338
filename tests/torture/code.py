"""A frame index drawn into the picture as sixteen blocks of luma that survive lossy coding.

Two rows of eight blocks fill the top three eighths of the picture: twelve bits of index, most
significant first, then a four-bit CRC. Positions are fractions of the picture, so the code is
still readable after a change of size.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_INDEX", "draw_code", "read_code"]

MAX_INDEX = 4095
"""The largest index that twelve bits hold."""

DARK, LIGHT = 40, 212
"""Luma of a 0 and of a 1; well inside the limited range, so both ranges read the same."""

COLUMNS, ROWS = 8, 2
CODE_HEIGHT = 3 / 8


def _crc(index: int) -> int:
    """Four check bits of a twelve-bit index; never 0 for index 0 nor 15 for index 4095."""
    register = (index << 4) ^ (0b1010 << 12)
    for bit in range(15, 3, -1):
        if register >> bit & 1:
            register ^= 0b10011 << (bit - 4)
    return (register ^ 0b0110) & 15


def _bits(index: int) -> list[int]:
    word = index << 4 | _crc(index)
    return [word >> bit & 1 for bit in range(15, -1, -1)]


def _edges(length: int, parts: int) -> list[int]:
    return [round(length * part / parts) for part in range(parts + 1)]


def draw_code(frame_y: npt.NDArray[np.uint8], index: int) -> None:
    """Draw ``index`` into the luma plane ``frame_y`` (height, width), in place."""
    if not 0 <= index <= MAX_INDEX:
        raise ValueError(f"index must be in [0, {MAX_INDEX}], got {index = }")
    height, width = frame_y.shape
    xs, ys = _edges(width, COLUMNS), _edges(round(height * CODE_HEIGHT), ROWS)
    for place, bit in enumerate(_bits(index)):
        row, column = divmod(place, COLUMNS)
        frame_y[ys[row] : ys[row + 1], xs[column] : xs[column + 1]] = LIGHT if bit else DARK


def read_code(luma: npt.NDArray[np.generic]) -> int | None:
    """The index in an 8-bit luma plane (height, width), or None if the check bits fail."""
    height, width = luma.shape
    xs, ys = _edges(width, COLUMNS), _edges(round(height * CODE_HEIGHT), ROWS)
    word = 0
    for row in range(ROWS):
        y, dy = ys[row], ys[row + 1] - ys[row]
        for column in range(COLUMNS):
            x, dx = xs[column], xs[column + 1] - xs[column]
            block = luma[y + dy // 4 : y + dy - dy // 4, x + dx // 4 : x + dx - dx // 4]
            word = word << 1 | int(float(np.mean(block.astype(np.float32))) > 127)
    index = word >> 4
    return index if _crc(index) == word & 15 else None
