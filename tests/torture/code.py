"""A frame index drawn into the picture as sixteen blocks of luma that survive lossy coding.

Two rows of eight blocks fill the top three eighths of the picture: twelve bits of index, most
significant first, then a four-bit CRC. Positions are fractions of the picture, so the code is
still readable after a change of size.

Beyond 4095 frames the code is of the index modulo 4096, and a second one below it, in the next
three eighths, says how many times 4096 was reached (``read_long_code``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_INDEX", "MAX_LONG_INDEX", "draw_code", "read_code", "read_long_code"]

MAX_INDEX = 4095
"""The largest index that twelve bits hold."""

MAX_LONG_INDEX = (1 << 24) - 1
"""The largest index that two codes hold."""

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


def draw_code(frame_y: npt.NDArray[np.uint8], index: int, *, long: bool = False) -> None:
    """Draw ``index`` into the luma plane ``frame_y`` (height, width), in place.

    ``long`` draws two codes, for clips of more than 4096 frames.
    """
    most = MAX_LONG_INDEX if long else MAX_INDEX
    if not 0 <= index <= most:
        raise ValueError(f"index must be in [0, {most}], got {index = }")
    if long:
        _draw(frame_y[_second_code(frame_y)], index >> 12)
        index &= MAX_INDEX
    _draw(frame_y[: _code_height(frame_y)], index)


def _code_height(frame_y: npt.NDArray[np.generic]) -> int:
    return round(frame_y.shape[0] * CODE_HEIGHT)


def _second_code(frame_y: npt.NDArray[np.generic]) -> slice:
    return slice(_code_height(frame_y), round(frame_y.shape[0] * 2 * CODE_HEIGHT))


def _draw(area: npt.NDArray[np.uint8], index: int) -> None:
    height, width = area.shape
    xs, ys = _edges(width, COLUMNS), _edges(height, ROWS)
    for place, bit in enumerate(_bits(index)):
        row, column = divmod(place, COLUMNS)
        area[ys[row] : ys[row + 1], xs[column] : xs[column + 1]] = LIGHT if bit else DARK


def read_code(luma: npt.NDArray[np.generic]) -> int | None:
    """The index in an 8-bit luma plane (height, width), or None if the check bits fail."""
    return _read(luma[: _code_height(luma)])


def read_long_code(luma: npt.NDArray[np.generic]) -> int | None:
    """The index of a frame with two codes, or None if the check bits of either fail."""
    low, high = _read(luma[: _code_height(luma)]), _read(luma[_second_code(luma)])
    return None if low is None or high is None else high << 12 | low


def _read(area: npt.NDArray[np.generic]) -> int | None:
    height, width = area.shape
    xs, ys = _edges(width, COLUMNS), _edges(height, ROWS)
    word = 0
    for row in range(ROWS):
        y, dy = ys[row], ys[row + 1] - ys[row]
        for column in range(COLUMNS):
            x, dx = xs[column], xs[column + 1] - xs[column]
            block = area[y + dy // 4 : y + dy - dy // 4, x + dx // 4 : x + dx - dx // 4]
            word = word << 1 | int(float(block.mean(dtype=np.float32)) > 127)
    index = word >> 4
    return index if _crc(index) == word & 15 else None
