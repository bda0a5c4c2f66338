"""The sky, its clouds and the haze."""

from __future__ import annotations

import numpy as np

from lake.fields import Array, mix, sample, smooth
from lake.noise import tile
from lake.sun import SUN


class Air:
    """The sky, its clouds, and the haze in front of what is far."""

    def __init__(self) -> None:
        self.billows = tile(1024, 11, 1.75, 3)
        self.wisps = tile(1024, 12, 1.5, 2)

    @staticmethod
    def glow(cosine: Array) -> Array:
        """Light scattered around the sun, by the cosine of the angle to it."""
        total = np.zeros((*cosine.shape, 3), np.float32)
        for sharp, color in (
            (9, (0.66, 0.27, 0.06)),
            (70, (0.95, 0.50, 0.16)),
            (900, (2.2, 1.4, 0.7)),
        ):
            total += np.exp((cosine - 1) * sharp)[..., None] * np.array(color, np.float32)
        return total

    def clear(self, up: Array, cosine: Array) -> Array:
        """Sky without clouds; ``up`` is the sine of the elevation."""
        t = np.clip(up, 0, 1)[..., None]
        low = np.array([0.95, 0.56, 0.33], np.float32)
        middle = np.array([0.44, 0.48, 0.60], np.float32)
        high = np.array([0.09, 0.19, 0.42], np.float32)
        sky = mix(low, middle, 1 - np.exp(-t * 9))
        sky = mix(sky, high, 1 - np.exp(-t * 2.6))
        return (sky * 0.80 + self.glow(cosine)).astype(np.float32)

    def sky(self, dx: Array, up: Array, dz: Array, seconds: float) -> Array:
        """Sky with clouds and sun in the directions given (not of unit length)."""
        length = np.sqrt(dx * dx + up * up + dz * dz)
        cosine = (dx * SUN[0] + up * SUN[1] + dz * SUN[2]) / length
        sine = up / length
        sky = self.clear(sine, cosine)
        disc = smooth(0.99986, 0.99993, cosine)[..., None]
        sky = sky + disc * np.array([40, 30, 17], np.float32)
        reach = 1 / np.maximum(up / np.hypot(dx, dz) + 0.035, 0.02)
        for field, base, size, drift, low, high, strength in (
            (self.wisps, 5200.0, 46.0, 10.0, 0.35, 2.3, 0.55),
            (self.billows, 1700.0, 15.0, 7.0, 0.28, 1.25, 0.95),
        ):
            u = (dx / np.hypot(dx, dz) * reach * base + drift * seconds) / size
            v = (dz / np.hypot(dx, dz) * reach * base * 1.0) / size
            density = sample(field, u, v, wrap=True)
            toward = sample(field, u + 9 * SUN[0], v + 9 * SUN[2], wrap=True)
            fade = smooth(0.012, 0.09, sine)
            alpha = smooth(low, high, density) * strength * fade
            edge = np.clip(0.55 + 0.55 * (density - toward), 0, 1.5)
            thin = np.exp(-1.6 * np.maximum(density - low, 0))
            shade = np.array([0.33, 0.29, 0.37], np.float32)
            warm = np.array([1.55, 0.92, 0.55], np.float32)
            body = shade + (warm * (edge * (0.35 + 0.65 * thin))[..., None])
            body = body + self.glow(cosine) * (0.9 * thin)[..., None]
            sky = mix(sky, body, alpha[..., None])
        return sky.astype(np.float32)

    def haze(self, color: Array, depth: Array, height: Array, cosine: Array) -> Array:
        """Lay the air between the eye and ``color``; mist is thicker near the water."""
        mist = np.exp(-np.maximum(height, 0) / 60)
        amount = 1 - np.exp(-np.maximum(depth - 80, 0) * (0.000045 + 0.00008 * mist))
        veil = np.array([0.42, 0.43, 0.52], np.float32) + 0.75 * self.glow(cosine)
        return mix(color, veil.astype(np.float32), amount[..., None])
