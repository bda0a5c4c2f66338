"""Clips whose motion is known, and a painter that flickers."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Rgb", "pan", "planar", "repainted", "texture"]

Rgb = NDArray[np.uint8]
"""Shape (H, W, 3)."""


def texture(height: int, width: int, seed: int = 0, sigma: float = 2.0) -> Rgb:
    """Soft colourful blobs of full contrast."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    soft = cv2.GaussianBlur(noise, (0, 0), sigma)
    soft = (soft - soft.min()) / (soft.max() - soft.min())
    return (255 * soft).astype(np.uint8)


def pan(frames: int, height: int = 96, width: int = 160, object_seed: int = 5) -> list[Rgb]:
    """A textured wall that moves 1.5 pixels left a frame, and a ball that rolls over it."""
    wall = texture(height + 8, width + 2 * frames + 8)
    ball = texture(height, width, object_seed, sigma=1.5) // 2 + 127
    rows, columns = np.mgrid[:height, :width]
    shown = []
    for number in range(frames):
        lead = np.float32([[1, 0, -1.5 * number], [0, 1, -3]])
        picture = cv2.warpAffine(wall, lead, (width, height), flags=cv2.INTER_CUBIC)
        centre = 30 + 2.5 * number
        inside = np.hypot(columns - centre, rows - height / 2) < 18
        rolled = np.roll(ball, round(2.5 * number), axis=1)
        picture[inside] = rolled[inside]
        shown.append(picture)
    return shown


def repainted(frames: list[Rgb], strength: float = 20.0, scale: int = 1) -> list[Rgb]:
    """Paint every frame anew: inverted, with strokes that are others each time."""
    pictures = []
    for number, frame in enumerate(frames):
        large = frame.repeat(scale, 0).repeat(scale, 1).astype(np.float32)
        strokes = np.random.default_rng(1000 + number).normal(size=large.shape)
        strokes = cv2.GaussianBlur(strokes, (0, 0), 1.0) * 3.5
        pictures.append(np.clip(255 - large + strength * strokes, 0, 255).astype(np.uint8))
    return pictures


def planar(picture: Rgb) -> Rgb:
    """Shape (3, H, W), as frames come to a scorer."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1))
