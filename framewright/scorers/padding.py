"""Frames of any size for networks that take only some."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

__all__ = ["padded"]


def padded(frames: Tensor, height: int, width: int) -> Tensor:
    """Repeat the last row and column of frames (N, 3, H, W) up to a size, which is no smaller."""
    bottom, right = height - frames.shape[-2], width - frames.shape[-1]
    return F.pad(frames, (0, right, 0, bottom), mode="replicate") if right or bottom else frames
