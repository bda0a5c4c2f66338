"""How strong pictures are in each octave of detail, and giving them a painting's strengths."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["contrasts", "with_contrasts"]

_DEVIATIONS = (0.7, 1.4, 2.8, 5.6)
"""Of the Gaussians that cut the octaves apart, in pixels."""
_MOST = 4.0
"""Largest gain, and smallest reciprocal of one."""


def contrasts(pictures: Tensor) -> Tensor:
    """Measure the octaves of pictures.

    Args:
        pictures: (N, 3, H, W), H and W of 32 or more.

    Returns:
        Root mean square of each octave, (N, 4), from fine to coarse.
    """
    octaves, _ = _apart(pictures)
    return _strengths(octaves)


def with_contrasts(pictures: Tensor, wanted: Tensor) -> Tensor:
    """Give pictures (N, 3, H, W) in [0, 1] the contrasts ``wanted``, (N, 4) or (1, 4)."""
    octaves, rest = _apart(pictures)
    gains = (wanted / _strengths(octaves).clamp_min(1e-6)).clamp(1 / _MOST, _MOST)
    for octave, gain in zip(octaves, gains.unbind(1), strict=True):
        rest = rest + gain[:, None, None, None] * octave
    return rest.clamp(0, 1)


def _strengths(octaves: list[Tensor]) -> Tensor:
    return torch.stack([octave.square().flatten(1).mean(1).sqrt() for octave in octaves], 1)


def _apart(pictures: Tensor) -> tuple[list[Tensor], Tensor]:
    octaves = []
    for deviation in _DEVIATIONS:
        blurred = _blurred(pictures, deviation)
        octaves.append(pictures - blurred)
        pictures = blurred
    return octaves, pictures


def _blurred(pictures: Tensor, deviation: float) -> Tensor:
    reach = int(3 * deviation)
    places = torch.arange(-reach, reach + 1, device=pictures.device, dtype=pictures.dtype)
    bell = torch.exp(-(places**2) / (2 * deviation**2))
    row = (bell / bell.sum()).expand(3, 1, 1, -1)
    pictures = F.pad(pictures, (reach, reach, reach, reach), mode="reflect")
    return F.conv2d(F.conv2d(pictures, row, groups=3), row.transpose(2, 3), groups=3)
