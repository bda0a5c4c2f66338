"""Many styles out of few paintings: crops, sizes, turns, and the colours of one on another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from framewright.scorers.fast.colours import Colours
from framewright.scorers.fast.predictor import style_statistics
from training.checkpoint import save_whole
from training.losses import StyleTarget, joined, statistics
from training.paintings import PAINTINGS
from training.vgg import DEPTHS, VggSlice

__all__ = ["Bank", "StyleMaker"]

_SIZE = 208
"""Side of the square that stands for a style."""

_EMPTY = 0.09
"""Deviation of the brightness below which a detail shows no brush."""


@dataclass(frozen=True)
class Bank:
    """Made-up styles, one row each."""

    statistics: Tensor
    """(S, STATISTICS): what the predictor sees of each."""

    wanted: list[StyleTarget]
    """What ``style_loss`` compares with."""

    colours: Colours
    """What ``layout_distance`` compares with."""

    def save(self, path: Path) -> None:
        """Write it to a file, which appears whole or not at all."""
        rows = [(level.mean, level.gram, level.covariance) for level in self.wanted]
        state = {"statistics": self.statistics, "wanted": rows}
        state |= {"colours": (self.colours.mean, self.colours.covariance)}
        save_whole(state, path)

    @classmethod
    def load(cls, path: Path) -> Bank:
        """Read it back."""
        state = torch.load(path, weights_only=True)
        wanted = [StyleTarget(*row) for row in state["wanted"]]
        return cls(state["statistics"], wanted, Colours(*state["colours"]))


class StyleMaker:
    """Draws pictures that could be details of paintings.

    Args:
        paintings: folder of the paintings.
        photos: folder of photos: their colours and, rarely, their textures.
        generator: the only source of randomness.
    """

    def __init__(self, paintings: Path, photos: Path, generator: torch.Generator) -> None:
        self.generator = generator
        self.paintings = [_load(paintings / painting.file, 900) for painting in PAINTINGS]
        self.photos = [_load(path, 400) for path in sorted(photos.glob("*.png"))]

    def bank(self, vgg: VggSlice, count: int) -> Bank:
        """Make ``count`` styles and look at them once."""
        numbers, rows, pictures = [], [], []
        for _ in range(count):
            picture = self.one()[None]
            pictures.append(picture)
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                maps = vgg.before_relu(picture)
                half = vgg.before_relu(F.avg_pool2d(picture, 2))
                numbers.append(style_statistics(maps, half))
                seen = [F.relu(scale[depth]) for scale in (maps, half) for depth in DEPTHS]
                rows.append([statistics(features) for features in seen])
        return Bank(torch.cat(numbers), joined(rows), Colours.of(torch.cat(pictures)))

    def one(self) -> Tensor:
        """A style (3, 208, 208) in [0, 1], never an empty one."""
        while float((picture := self._draw()).mean(dim=0).std()) < _EMPTY:
            pass
        return picture

    def _draw(self) -> Tensor:
        texture = self.photos if self._chance(0.08) else self.paintings
        picture = self._crop(texture[self._index(len(texture))])
        if self._chance(0.4):
            others = self.photos if self._chance(0.4) else self.paintings
            picture = _recolour(picture, self._crop(others[self._index(len(others))]))
        if self._chance(0.3):
            picture = picture[torch.randperm(3, generator=self.generator)]
        if self._chance(0.06):
            picture = 1 - picture
        if self._chance(0.4):
            picture = picture.clamp(0, 1).pow(self._uniform(0.6, 1.6))
        return picture.clamp(0, 1)

    def _crop(self, picture: Tensor) -> Tensor:
        """A square of the picture at a size between that of the losses and a third of it."""
        height, width = picture.shape[-2:]
        side = int(min(height, width, self._uniform(_SIZE, 2.2 * _SIZE)))
        top, left = self._index(height - side + 1), self._index(width - side + 1)
        square = picture[None, :, top : top + side, left : left + side].float() / 255
        square = F.interpolate(square, (_SIZE, _SIZE), mode="bilinear", antialias=True)[0]
        if self._chance(0.5):
            square = square.flip(-1)
        return square.rot90(self._index(4), (1, 2)) if self._chance(0.3) else square

    def _uniform(self, low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=self.generator))

    def _chance(self, share: float) -> bool:
        return self._uniform(0, 1) < share

    def _index(self, count: int) -> int:
        return int(torch.randint(count, (), generator=self.generator))


def _recolour(picture: Tensor, other: Tensor) -> Tensor:
    """The picture (3, H, W) with mean and covariance of the other's colours (Reinhard-like)."""
    have, want = picture.flatten(1), other.flatten(1)
    root, wanted = _root(have), _root(want)
    moved = wanted @ torch.linalg.inv(root) @ (have - have.mean(dim=1, keepdim=True))
    result: Tensor = (moved + want.mean(dim=1, keepdim=True)).reshape(picture.shape).clamp(0, 1)
    return result


def _root(pixels: Tensor) -> Tensor:
    """Symmetric square root of the covariance (3, 3)."""
    values, vectors = torch.linalg.eigh(torch.cov(pixels) + 1e-4 * torch.eye(3))
    root: Tensor = vectors @ torch.diag(values.clamp_min(1e-6).sqrt()) @ vectors.T
    return root


def _load(path: Path, side: int) -> Tensor:
    """The picture as uint8 (3, H, W), with at most ``side**2`` pixels."""
    with Image.open(path) as image:
        rgb = image.convert("RGB")
    scale = min(1.0, side / (rgb.width * rgb.height) ** 0.5)
    size = (round(rgb.width * scale), round(rgb.height * scale))
    pixels = np.asarray(rgb.resize(size, Image.Resampling.LANCZOS))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous()
