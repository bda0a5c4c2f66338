"""How far the colours of painted pictures are from a painting's, for the losses of a fit.

Pictures are RGB, sRGB-encoded, of shape (N, 3, H, W), about in [0, 1].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from framewright.scorers.transport import colour_map, matrix_power

__all__ = ["Colours", "layout_distance", "luma_distance", "palette_distance"]

_FLOOR = 1e-3
"""Added to variances: a colour that a painting hardly has must not count endlessly."""

_CELL = 8
"""Pixels of a side within which colours may be anywhere."""


@dataclass(frozen=True)
class Colours:
    """Mean (N, 3) and covariance (N, 3, 3) of the pixels of N pictures, one of each."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of(cls, pictures: Tensor) -> Colours:
        """Measure."""
        pixels = pictures.flatten(2)
        mean = pixels.mean(dim=2)
        centred = pixels - mean[:, :, None]
        return cls(mean, centred @ centred.transpose(1, 2) / pixels.shape[2])

    def rows(self, index: Tensor) -> Colours:
        """Those of the pictures that ``index`` (N,) names."""
        return Colours(self.mean[index], self.covariance[index])


def luma_distance(have: Colours, want: Colours) -> Tensor:
    """How far some pictures together are from a painting, relative to its variance.

    Light and dark have most of that variance, so this is of brightness and contrast.
    """
    mean, covariance = _difference(have, want)
    spread = want.covariance[0]
    return mean.square().sum() / spread.trace() + covariance.square().sum() / spread.square().sum()


def palette_distance(have: Colours, want: Colours) -> Tensor:
    """The same with every direction in RGB relative to the painting's own deviation along it.

    Hue and saturation so count as much as brightness does.
    """
    mean, covariance = _difference(have, want)
    whiten = _whitening(want)[0]
    return ((whiten @ mean).square().sum() + (whiten @ covariance @ whiten).square().sum()) / 3


def layout_distance(contents: Tensor, painted: Tensor, want: Colours) -> Tensor:
    """How far the painted colours are from the contents', brought to the painting's, cell by cell.

    One number for each picture; ``want`` is of one painting for each, or of one for all. Each
    content gets the painting's mean and covariance by ``colour_map``: what differs in colour should
    still differ. Relative to the painting's deviations, as in ``palette_distance``.
    """
    with torch.no_grad():
        have = Colours.of(contents)
        transport = colour_map(have.covariance, want.covariance, _FLOOR)
        centred = contents.flatten(2) - have.mean[:, :, None]
        moved = (transport @ centred + want.mean[:, :, None]).reshape(contents.shape).clamp(0, 1)
    off = F.avg_pool2d(painted - moved, _CELL).flatten(2)
    return (_whitening(want) @ off).square().mean(dim=(1, 2))


def _difference(have: Colours, want: Colours) -> tuple[Tensor, Tensor]:
    return have.mean.mean(dim=0) - want.mean[0], have.covariance.mean(dim=0) - want.covariance[0]


def _whitening(want: Colours) -> Tensor:
    return matrix_power(want.covariance + _FLOOR * torch.eye(3), -0.5)
