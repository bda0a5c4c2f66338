"""How the water moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lake.fields import Array, sample, smooth
from lake.noise import tile


@dataclass
class Waves:
    """One square of water: amplitudes by wave number, and how fast their phases turn."""

    metres: float
    amplitude: Array
    kx: Array
    kz: Array
    speed: Array


class Water:
    """Wind waves as a sum of moving sines, two tiles of them."""

    SIZE = 256

    def __init__(self) -> None:
        self.tiles = [self._spectrum(71.0, 5, 0.017), self._spectrum(17.0, 6, 0.026)]
        self.gusts = tile(512, 8, 1.6, 2)

    def _spectrum(self, metres: float, seed: int, slope: float) -> Waves:
        rng = np.random.default_rng(seed)
        k = np.fft.fftfreq(self.SIZE, metres / self.SIZE) * 2 * np.pi
        kz, kx = np.meshgrid(k, k, indexing="ij")
        length = np.maximum(np.hypot(kx, kz), 1e-6)
        wind = (kx * 0.8 - kz * 0.6) / length
        shape = np.exp(-((2 * np.pi / metres * 3 / length) ** 2)) * length**-2.0
        shape = shape * (0.25 + wind**2) * np.exp(-((length * metres / self.SIZE * 0.45) ** 2))
        shape[0, 0] = 0
        waves = shape * (rng.normal(size=k.shape * 2) + 1j * rng.normal(size=k.shape * 2))
        steep = np.fft.ifft2(1j * kx * waves).real.std()
        return Waves(metres, waves * (slope / steep), kx, kz, np.sqrt(9.81 * length))

    def slopes(self, x: Array, z: Array, fine: Array, seconds: float) -> tuple[Array, Array, Array]:
        """Slopes of the surface at a place, and their spread below what a pixel resolves.

        ``fine`` is the length of a pixel on the water in metres.
        """
        gust = sample(self.gusts, x / 2.3 + 3 * seconds, z / 5.0 - 2 * seconds, wrap=True)
        strength = 0.35 + 0.85 * smooth(-0.8, 1.4, gust)
        sx, sz, spread = np.zeros_like(x), np.zeros_like(x), np.full_like(x, 0.00004)
        for waves in self.tiles:
            metres = waves.metres
            now = 1j * waves.amplitude * np.exp(1j * waves.speed * seconds)
            both = np.fft.ifft2(waves.kx * now).real, np.fft.ifft2(waves.kz * now).real
            field = np.stack(both, -1).astype(np.float32)
            seen = 1 / (1 + (fine / (0.055 * metres)) ** 2)
            got = sample(field, x * self.SIZE / metres, z * self.SIZE / metres, wrap=True)
            sx, sz = sx + got[..., 0] * seen * strength, sz + got[..., 1] * seen * strength
            spread = spread + (1 - seen) * strength**2 * np.float32(field.var())
        return sx, sz, spread
