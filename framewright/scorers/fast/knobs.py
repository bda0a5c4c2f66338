"""What can be changed in a painted picture: its colours.

All pictures are RGB in [0, 1], sRGB-encoded, of shape (N, 3, H, W).
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["keep_colors", "luma"]

_RED, _GREEN, _BLUE = 0.2126, 0.7152, 0.0722
"""Luma weights of ITU-R BT.709."""

_TINY = 1e-6
_BAND = 360
"""Lines that are worked on at a time."""


def luma(pictures: Tensor) -> Tensor:
    """Luma (N, 1, H, W) of pictures."""
    red, green, blue = pictures[:, :1], pictures[:, 1:2], pictures[:, 2:]
    return (red * _RED).add_(green, alpha=_GREEN).add_(blue, alpha=_BLUE)


def keep_colors(frames: Tensor, painted: Tensor, share: float) -> Tensor:
    """Give painted pictures the colours of their frames, and keep their luma.

    Luminance-only transfer of Gatys et al. 2016, "Preserving Color in Neural Artistic Style
    Transfer", section 3.2, in the Y'CbCr of BT.709. A colour that is not possible at its new luma
    keeps its hue and loses saturation.

    Args:
        frames: the source.
        painted: what the network made of it.
        share: from 0, the painting's colours, to 1, the source's.
    """
    if share == 0:
        return painted
    result = torch.empty_like(painted)
    for top in range(0, painted.shape[2], _BAND):  # of a large frame, few copies are held
        rows = slice(top, top + _BAND)
        result[:, :, rows] = _recolored(frames[:, :, rows], painted[:, :, rows], share)
    return result


def _recolored(frames: Tensor, painted: Tensor, share: float) -> Tensor:
    grey = luma(painted)
    chroma = frames - luma(frames)
    room = torch.where(chroma > 0, 1 - grey, grey) / chroma.abs().clamp_min_(_TINY)
    chroma *= room.amin(dim=1, keepdim=True).clamp_(max=1)
    return torch.lerp(painted, chroma.add_(grey).clamp_(0, 1), share)
