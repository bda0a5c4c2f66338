"""What the network is trained to make small. Every term is relative, so weights carry over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from training.vgg import VggSlice

__all__ = [
    "StyleTarget",
    "content_loss",
    "disagreement",
    "hatch",
    "joined",
    "roughness",
    "statistics",
    "style_loss",
    "targets",
]

_SCALES = (1, 2)
"""The statistics are compared on the picture itself and on one of half its size.

Features that see 24 pixels know short strokes only; on the smaller picture they see 48.
"""

_WINDOW = 32
_EMPTY = 0.003
"""Variance of the brightness below which a window of a content is an empty sky."""


@dataclass(frozen=True)
class StyleTarget:
    """Statistics of paintings at one depth and one scale, one row per painting."""

    mean: Tensor
    """(S, C): mean of each feature channel."""

    gram: Tensor
    """(S, C, C): mean products of channels, as in Gatys et al. 2016."""

    covariance: Tensor
    """(S, C, C): the same without the means: texture rather than colour."""

    def rows(self, index: Tensor) -> StyleTarget:
        """Targets of the paintings that ``index`` (N,) names."""
        return StyleTarget(self.mean[index], self.gram[index], self.covariance[index])


def targets(vgg: VggSlice, paintings: Sequence[Tensor]) -> list[StyleTarget]:
    """Statistics of all paintings: one entry per scale and depth, as ``style_loss`` takes them."""
    return joined([[statistics(f) for f in _pyramid(vgg, painting)] for painting in paintings])


def joined(single: Sequence[list[StyleTarget]]) -> list[StyleTarget]:
    """One table for each scale and depth out of one list for each painting."""
    return [
        StyleTarget(
            torch.cat([row[i].mean for row in single]),
            torch.cat([row[i].gram for row in single]),
            torch.cat([row[i].covariance for row in single]),
        )
        for i in range(len(single[0]))
    ]


def style_loss(vgg: VggSlice, pictures: Tensor, wanted: list[StyleTarget], index: Tensor,
               features: list[Tensor]) -> Tensor:  # fmt: skip
    """Distance of (N, 3, H, W) pictures from the paintings ``index`` (N,), one number each.

    Half of it is the Gram matrix, which colour dominates, and half the covariance, which is
    texture; each relative to the squared norm of the painting's own. ``features`` are those of
    the pictures at full size, which the caller has.
    """
    losses = []
    for level, found in zip(wanted, _pyramid(vgg, pictures, features), strict=True):
        have, want = statistics(found), level.rows(index)
        losses.append(
            0.5 * _relative(have.gram, want.gram)
            + 0.5 * _relative(have.covariance, want.covariance)
        )
    return torch.stack(losses).mean(dim=0)


def content_loss(features: Tensor, wanted: Tensor) -> Tensor:
    """Relative squared distance of features (N, C, H, W), one number per picture."""
    error = (features.float() - wanted.float()).square().mean(dim=(1, 2, 3))
    return error / wanted.float().square().mean(dim=(1, 2, 3)).clamp_min(1e-3)


def roughness(pictures: Tensor) -> Tensor:
    """Total variation: mean absolute difference of neighbours, one number per picture."""
    down = (pictures[..., 1:, :] - pictures[..., :-1, :]).abs().mean(dim=(1, 2, 3))
    across = (pictures[..., 1:] - pictures[..., :-1]).abs().mean(dim=(1, 2, 3))
    return down + across


def disagreement(first: Tensor, second: Tensor, dy: int, dx: int, margin: int = 8) -> Tensor:
    """Mean square difference of two pictures of one scene, one number per picture.

    The second content was cut (dy, dx) pixels further down and right and got other noise. What
    differs is what would flicker in a video, and any pattern tied to the pixel grid.
    """
    height, width = first.shape[-2:]
    a = first[..., dy:, dx:][..., margin:-margin, margin:-margin]
    b = second[..., : height - dy, : width - dx][..., margin:-margin, margin:-margin]
    return (a - b).square().mean(dim=(1, 2, 3))


def hatch(pictures: Tensor, contents: Tensor) -> Tensor:
    """How much of a picture repeats every 4 pixels where the content is empty, one number each.

    In windows of 32x32 pixels the 4x4 phases of the grid are averaged: brush strokes average
    out, a pattern that the upsampling leaves does not. Windows with detail in them do not count.
    """
    count, channels, height, width = pictures.shape
    rows, columns = height // _WINDOW, width // _WINDOW
    split = (rows, _WINDOW // 4, 4, columns, _WINDOW // 4, 4)
    phases = pictures.reshape(count, channels, *split).mean(dim=(3, 6))
    pattern = (phases - phases.mean(dim=(3, 5), keepdim=True)).square().mean(dim=(1, 3, 5))
    luma = contents.mean(dim=1).reshape(count, rows, _WINDOW, columns, _WINDOW)
    empty = luma.var(dim=(2, 4)) < _EMPTY
    return (pattern * empty).mean(dim=(1, 2))


def _pyramid(vgg: VggSlice, pictures: Tensor, features: list[Tensor] | None = None) -> list[Tensor]:
    found: list[Tensor] = []
    for scale in _SCALES:
        if scale == 1 and features is not None:
            found += features
        else:
            found += vgg(F.avg_pool2d(pictures, scale) if scale > 1 else pictures)
    return found


def statistics(features: Tensor) -> StyleTarget:
    """Statistics of features (N, C, H, W) after ReLU: a row for each picture."""
    with torch.autocast("cpu", enabled=False):
        flat = features.float().flatten(2)
        mean = flat.mean(dim=2)
        gram = flat @ flat.transpose(1, 2) / flat.shape[2]
        return StyleTarget(mean, gram, gram - mean[:, :, None] * mean[:, None, :])


def _relative(have: Tensor, want: Tensor) -> Tensor:
    return (have - want).square().sum(dim=(1, 2)) / want.square().sum(dim=(1, 2))
