"""Pictures of all kinds for the encoder: crops of photos and paintings, warped in colour, noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from training.data import load_at

__all__ = ["Pictures"]

_SIDES = (160, 256, 400, 640)
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


class Pictures:
    """Draws batches of crops from all pictures in some folders.

    Args:
        folders: where the pictures are, read in the order of their names.
        generator: the only source of randomness.
    """

    def __init__(self, folders: Sequence[Path], generator: torch.Generator) -> None:
        self.generator = generator
        paths = [p for f in folders for p in sorted(f.iterdir()) if p.suffix in _SUFFIXES]
        self.pictures = [[load_at(path, side) for side in _SIDES] for path in paths]

    def batch(self, count: int, size: int) -> Tensor:
        """Pictures (count, 3, size, size) in [0, 1]."""
        return torch.stack([self._one(size) for _ in range(count)])

    def _uniform(self, low: float = 0.0, high: float = 1.0) -> float:
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def _index(self, count: int) -> int:
        return int(torch.randint(count, (), generator=self.generator))

    def _one(self, size: int) -> Tensor:
        crop = self._crop(size)
        if self._uniform() < 0.15:  # two at once: halves of them meet at edges no photo has
            crop = torch.lerp(crop, self._crop(size), self._uniform())
        if self._uniform() < 0.4:
            crop = crop[torch.randperm(3, generator=self.generator)]
        if self._uniform() < 0.1:
            crop = 1 - crop
        gain = 0.5 + torch.rand(3, 1, 1, generator=self.generator)
        if self._uniform() < 0.5:
            crop = (crop.clamp_min(0).pow(self._uniform(0.6, 1.6)) * gain).clamp(0, 1)
        if self._uniform() < 0.35:  # what an unfinished network paints: grain, checks, flat areas
            coarse = size // (1 + self._index(6))
            noise = torch.randn(1, 3, coarse, coarse, generator=self.generator)
            noise = F.interpolate(noise, size=(size, size), mode="nearest")[0]
            noise = self._uniform(0, 0.3) * noise + self._uniform(0, 0.4)
            crop = (crop * self._uniform() + noise).clamp(0, 1)
        return crop

    def _crop(self, size: int) -> Tensor:
        scales = self.pictures[self._index(len(self.pictures))]
        picture = scales[self._index(len(scales))]
        top = self._index(picture.shape[-2] - size + 1)
        left = self._index(picture.shape[-1] - size + 1)
        crop = picture[:, top : top + size, left : left + size].float() / 255
        if self._uniform() < 0.5:
            crop = crop.flip(-1)
        return crop.rot90(self._index(4), (1, 2))
