"""The moving picture under the codes: a drifting texture and a ball, made by numpy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tests.torture.code import MAX_INDEX, draw_code

__all__ = ["frames", "picture", "raw_frames"]

Plane = npt.NDArray[np.uint8]


@lru_cache(maxsize=8)
def _texture(height: int, width: int) -> npt.NDArray[np.float32]:
    """Noise with detail at four scales that repeats at its borders, in [0, 1]."""
    rng = np.random.default_rng(7)
    total = np.zeros((height, width), np.float32)
    for cells, weight in ((4, 1.0), (9, 0.6), (19, 0.4), (37, 0.3)):
        knots = rng.random((cells, cells), np.float32)
        ys = np.linspace(0, cells, height, endpoint=False)
        xs = np.linspace(0, cells, width, endpoint=False)
        y0, x0 = ys.astype(int), xs.astype(int)
        fy, fx = (ys - y0)[:, None], (xs - x0)[None, :]
        y1, x1 = (y0 + 1) % cells, (x0 + 1) % cells
        top = knots[y0][:, x0] * (1 - fx) + knots[y0][:, x1] * fx
        low = knots[y1][:, x0] * (1 - fx) + knots[y1][:, x1] * fx
        total += weight * (top * (1 - fy) + low * fy)
    total -= total.min()
    total /= total.max()
    return total


def picture(index: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """Frame ``index`` as limited-range YUV 4:4:4, shape (3, height, width), without its code."""
    field = np.roll(_texture(height, width), (index, 2 * index), (0, 1))
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    luma = 40 + 160 * field
    turn = 2 * np.pi * index / 50
    cx, cy = width * (0.5 + 0.35 * np.cos(turn)), height * (0.7 + 0.15 * np.sin(turn))
    ball = (xs - cx) ** 2 + (ys - cy) ** 2 < (height / 9) ** 2
    u = 128 + 50 * np.sin(xs / width * 3 + turn)
    v = 128 + 50 * np.cos(ys / height * 4 - turn) * field
    luma, u, v = np.where(ball, 200, luma), np.where(ball, 70, u), np.where(ball, 190, v)
    return np.stack([luma, u, v]).astype(np.uint8)


SHORT_FRAMES = 500
"""Longer clips are drawn in little time: a still background under the codes."""


def frames(width: int, height: int, count: int) -> Iterator[bytes]:
    """``count`` frames with their codes, one by one, as rawvideo yuv444p."""
    long = count > MAX_INDEX + 1
    still = picture(0, width, height)
    for index in range(count):
        planes = picture(index, width, height) if count <= SHORT_FRAMES else still
        draw_code(planes[0], index, long=long)
        yield planes.tobytes()


@lru_cache(maxsize=4)
def raw_frames(width: int, height: int, count: int) -> bytes:
    """``count`` frames with their codes, as rawvideo yuv444p."""
    return b"".join(frames(width, height, count))
