"""Random fields that look like nature."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import numpy as np

from lake.fields import Array


class Noise:
    """Gradient noise on a lattice of 256 x 256 that repeats."""

    def __init__(self, seed: int) -> None:
        angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, (256, 256))
        self.gx = np.cos(angles).astype(np.float32).ravel()
        self.gy = np.sin(angles).astype(np.float32).ravel()

    def __call__(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Value in about [-0.7, 0.7] and its two derivatives."""
        ix, iy = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
        fx, fy = (x - ix).astype(np.float32), (y - iy).astype(np.float32)
        ux, uy = fx * fx * fx * (fx * (fx * 6 - 15) + 10), fy * fy * fy * (fy * (fy * 6 - 15) + 10)
        dux, duy = 30 * fx * fx * (fx - 1) ** 2, 30 * fy * fy * (fy - 1) ** 2
        corners = []
        for oy in (0, 1):
            for ox in (0, 1):
                at = ((iy + oy) & 255) * 256 + ((ix + ox) & 255)
                gx, gy = self.gx[at], self.gy[at]
                corners.append((gx * (fx - ox) + gy * (fy - oy), gx, gy))
        (a, ax, ay), (b, bx, by), (c, cx, cy), (d, dx, dy) = corners
        k = a - b - c + d
        value = a + ux * (b - a) + uy * (c - a) + ux * uy * k
        slope_x = ax + ux * (bx - ax) + uy * (cx - ax) + ux * uy * (ax - bx - cx + dx)
        slope_y = ay + ux * (by - ay) + uy * (cy - ay) + ux * uy * (ay - by - cy + dy)
        return value, slope_x + dux * (b - a + uy * k), slope_y + duy * (c - a + ux * k)


def tile(size: int, seed: int, power: float, low: int = 1) -> Array:
    """Noise that repeats at its borders, amplitude ~ frequency ** -power, spread 1, mean 0."""
    rng = np.random.default_rng(seed)
    ky, kx = np.meshgrid(np.fft.fftfreq(size) * size, np.fft.rfftfreq(size) * size, indexing="ij")
    k = np.hypot(kx, ky)
    shape = np.where(k >= low, np.maximum(k, 1) ** -power, 0)
    spectrum = shape * np.exp(2j * np.pi * rng.random(k.shape))
    field = np.fft.irfft2(spectrum, (size, size))
    return ((field - field.mean()) / field.std()).astype(np.float32)
