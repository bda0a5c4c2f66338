"""Content for training: crops of photos at several scales, and smooth made-up patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

__all__ = ["Contents", "load_at"]

_SHORT_SIDES = (256, 320, 400, 512)
"""Sizes at which each photo is kept. A frame of 640x360 lies in the middle."""


class Contents:
    """Draws batches of content pictures.

    Args:
        folder: photos, read in the order of their names.
        generator: the only source of randomness.
        synthetic: share of the pictures that are smooth gradients, flat areas and soft edges.
            A network that never sees an empty sky fills it with the grid of its own upsampling.
    """

    def __init__(self, folder: Path, generator: torch.Generator, *, synthetic: float) -> None:
        self.generator = generator
        self.synthetic = synthetic
        self.photos = [
            [load_at(path, side) for side in _SHORT_SIDES] for path in sorted(folder.glob("*.png"))
        ]

    def batch(self, count: int, size: int) -> tuple[Tensor, Tensor]:
        """Pictures (count, 3, size, size) in [0, 1], and for each 1 where it is synthetic."""
        pictures, made = [], []
        for _ in range(count):
            fake = self._uniform() < self.synthetic
            pictures.append(self._smooth(size) if fake else self._crop(size))
            made.append(float(fake))
        return torch.stack(pictures), torch.tensor(made)

    def _uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def _index(self, count: int) -> int:
        return int(torch.randint(count, (), generator=self.generator))

    def _crop(self, size: int) -> Tensor:
        scales = self.photos[self._index(len(self.photos))]
        fitting = [photo for photo in scales if min(photo.shape[-2:]) >= size]
        photo = fitting[self._index(len(fitting))]
        top = self._index(photo.shape[-2] - size + 1)
        left = self._index(photo.shape[-1] - size + 1)
        crop = photo[:, top : top + size, left : left + size].float() / 255
        if self._uniform() < 0.5:
            crop = crop.flip(-1)
        exponent, gain = self._uniform(0.75, 1.35), self._uniform(0.85, 1.1)
        return (crop.pow(exponent) * gain).clamp(0, 1)

    def _smooth(self, size: int) -> Tensor:
        """A gradient of few colours; at times with a soft horizon, always with a little grain.

        Without any grain the variances are zero and the gradients overflow.
        """
        coarse = 1 + self._index(3)
        colours = torch.rand(3, coarse, coarse, generator=self.generator)
        spread = self._uniform(0.0, 1.0)
        mean = colours.mean(dim=(1, 2), keepdim=True)
        field = (mean + (colours - mean) * spread)[None]
        picture = F.interpolate(field, size=(size, size), mode="bicubic", align_corners=True)[0]
        if self._uniform() < 0.4:
            photo = self._crop(size)
            row = torch.arange(size)[None, :, None]
            horizon = size * self._uniform(0.3, 0.9)
            mask = torch.sigmoid((row - horizon) / self._uniform(0.5, 6.0))
            picture = picture * (1 - mask) + photo * mask
        grain = self._uniform(0.002, 0.012)
        noise = torch.randn(picture.shape, generator=self.generator)
        return (picture + grain * noise).clamp(0, 1)


def load_at(path: Path, side: int) -> Tensor:
    """The photo as uint8 (3, H, W) with its shorter side at ``side`` pixels."""
    with Image.open(path) as image:
        rgb = image.convert("RGB")
    scale = side / min(rgb.size)
    size = (max(side, round(rgb.width * scale)), max(side, round(rgb.height * scale)))
    pixels = np.asarray(rgb.resize(size, Image.Resampling.LANCZOS))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous()
