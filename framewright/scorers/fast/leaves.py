"""Pictures with the statistics of photos, made from nothing, to paint while a style is fitted.

The dead leaves model (Lee, Mumford and Huang 2001, "Occlusion models for natural images"): shapes
whose sizes follow a power law cover each other. Each has a colour, a gradient of light and a
texture whose spectrum falls as in photos (Field 1987).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["dead_leaves"]

_SHAPES = 120
_LARGEST, _SMALLEST = 0.5, 0.03
"""Radii, as shares of the side."""

_COLOURS = 6


def dead_leaves(count: int, side: int, seed: int) -> Tensor:
    """Make pictures (count, 3, side, side) in [0, 1]; the same for the same arguments."""
    dice = np.random.default_rng(seed)
    pictures = np.stack([_picture(side, dice) for _ in range(count)])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()


def _picture(side: int, dice: np.random.Generator) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    textures = [_texture(side, dice) for _ in range(4)]
    picture = np.full((side, side, 3), dice.uniform(0.1, 0.9), np.float32)
    picture += 0.1 * dice.normal(size=3) + dice.uniform(0.02, 0.2) * textures[0][..., None]
    colours = dice.uniform(0, 1, (_COLOURS, 1)) + 0.12 * dice.normal(size=(_COLOURS, 3))
    ends = (_LARGEST * side) ** -2, (_SMALLEST * side) ** -2
    for radius in 1 / np.sqrt(dice.uniform(*ends, _SHAPES)):
        x, y = dice.uniform(0, side, 2)
        turn, flat = dice.uniform(0, np.pi), dice.uniform(0.4, 1)
        round_one, soft = dice.uniform() < 0.5, dice.uniform(0.8, 3)
        colour = colours[dice.integers(_COLOURS)] * dice.uniform(0.5, 1.2)
        slope, grain = dice.uniform(-0.2, 0.2), dice.choice([0.01, 0.03, 0.08, 0.15])
        part = tuple(_around(centre, radius + soft, side) for centre in (y, x))
        down, right = rows[part] - y, columns[part] - x
        along = right * np.cos(turn) + down * np.sin(turn)
        across = (down * np.cos(turn) - right * np.sin(turn)) / flat
        far = np.hypot(along, across) if round_one else np.maximum(abs(along), abs(across))
        cover = np.clip(0.5 - (far - radius) / soft, 0, 1)[..., None]
        shade = slope * along / radius + grain * textures[dice.integers(1, 4)][part]
        picture[part] += cover * (colour + shade[..., None] - picture[part])
    return np.clip(picture, 0, 1).astype(np.float32)


def _around(centre: float, reach: float, side: int) -> slice:
    """The rows or columns that a square, turned in any way, can touch."""
    reach *= 2**0.5
    return slice(max(0, int(centre - reach)), min(side, int(centre + reach) + 2))


def _texture(side: int, dice: np.random.Generator) -> np.ndarray:
    """Noise (side, side) with a falling spectrum, deviation 1."""
    squares = np.fft.fftfreq(side)[:, None] ** 2 + np.fft.rfftfreq(side)[None] ** 2
    squares[0, 0] = 1
    spectrum = np.fft.rfft2(dice.normal(size=(side, side))) / squares ** dice.uniform(0.4, 0.75)
    spectrum[0, 0] = 0
    texture = np.fft.irfft2(spectrum, s=(side, side))
    return np.asarray(texture / texture.std(), np.float32)
