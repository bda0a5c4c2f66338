"""The height field: a lake in its basin, slopes and mountains around it."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import numpy as np

from lake.clip import SEED
from lake.fields import Array, shifted, smooth
from lake.noise import Noise, tile
from lake.sun import SUN_AZIMUTH

CELL = 4.0
"""Metres of one cell of the height field."""
X0, Z0 = -4800.0, -300.0
COLUMNS, ROWS = 2400, 3000


def shore_distance(x: Array, z: Array) -> Array:
    """Metres outside the lake; negative on it."""
    right = 175 + 95 * np.sin(z / 330 + 0.6) + 60 * np.sin(z / 141 + 2) + 0.02 * z
    left = -620 - 190 * np.sin(z / 520 + 1.0) - 70 * np.sin(z / 197)
    end = 3600 + 350 * np.sin(x / 600)
    return np.maximum(np.maximum(x - right, left - x), z - end).astype(np.float32)


def heights() -> Array:
    """Metres above the lake."""
    x = np.broadcast_to((X0 + CELL * np.arange(COLUMNS, dtype=np.float32)), (ROWS, COLUMNS))
    z = np.broadcast_to((Z0 + CELL * np.arange(ROWS, dtype=np.float32))[:, None], (ROWS, COLUMNS))
    noise = Noise(SEED)
    warp, _, _ = noise(x / 900 + 7, z / 900)
    warp2, _, _ = noise(x / 900, z / 900 + 31)
    px, pz = x + 260 * warp, z + 260 * warp2
    rugged = np.zeros_like(x)
    gx, gz = np.zeros_like(x), np.zeros_like(x)
    amplitude, wave = 1.0, 2100.0
    for octave in range(9):
        n, dx, dz = noise(px / wave + 13 * octave, pz / wave + 5 * octave)
        bent = np.sqrt(n * n + np.float32(0.0009))
        ridge, sign = 1 - 2 * bent, -2 * n / bent
        gx, gz = gx + amplitude * sign * dx, gz + amplitude * sign * dz
        rugged += amplitude * ridge / (1 + 0.035 * octave * np.sqrt(gx * gx + gz * gz))
        amplitude, wave = amplitude * 0.46, wave * 0.5
    rugged = (rugged - rugged.min()) / (rugged.max() - rugged.min())
    bays, _, _ = noise(x / 83, z / 83)
    points, _, _ = noise(x / 29, z / 29)
    out = shore_distance(x, z) + 34 * bays + 9 * points
    land = np.maximum(out, 0)
    far = smooth(2500, 6500, z)
    sunward = x - np.float32(np.tan(SUN_AZIMUTH)) * z
    valley = np.exp(-((sunward / (350 + 0.16 * z)) ** 2))
    rise = 1 - np.exp(-land / (900 + 600 * far))
    tall = (120 + 1350 * rugged**1.6) * (0.60 + 0.75 * far) * (1 - 0.68 * valley)
    bank = 9 * (1 - np.exp(-land / 55)) + 10 * (1 - np.exp(-land / 80)) * (1 + 1.6 * bays)
    height = bank + rise * tall + 2.2 * points * smooth(4, 40, land)
    height = np.where(out > 0, height, np.maximum(0.10 * out, -30)).astype(np.float32)
    crags = tile(1024, SEED + 3, 1.25, 6)
    crags = np.tile(crags, (3, 3))[:ROWS, :COLUMNS]
    height = no_steeper(height, 1.05)
    return height + crags * 5.5 * smooth(30, 250, height) + crags * 1.2 * smooth(3, 12, height)


def no_steeper(height: Array, slope: float) -> Array:
    """Cut down what stands steeper than ``slope`` over its surroundings: no needles."""
    for reach in (1, 2, 4, 8, 16, 32, 1, 2, 4):
        lowest = height
        for dx, dz in ((1, 0), (0, 1), (0.7, 0.7), (0.7, -0.7)):
            for way in (reach, -reach):
                there = shifted(height, dx * way, dz * way)
                lowest = np.minimum(lowest, there + np.float32(slope * reach * CELL))
        height = lowest
    return height
