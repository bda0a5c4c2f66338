"""The 2018 reference's procedure, reproduced for comparison: one frame, alone, from itself.

Its style and content losses hang on VGG-19 with zero padding; it starts L-BFGS from the frame,
clamps the picture inside the closure, and calls the optimiser until 300 evaluations are passed.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from framewright.perceptual.base import Encoder
from framewright.scorers.gatys.losses import StyleTarget, reference_loss

__all__ = ["STYLE_WEIGHTS", "centre_square", "optimised", "put_back"]

STYLE_WEIGHTS = {"vgg19": 1e8, "vgg19-normalised": 1e4}
"""The reference's, and what looks the same where the mean activation of each channel is 1."""


def optimised(
    encoder: Encoder,
    target: StyleTarget,
    frame: Tensor,
    style_weight: float,
    steps: int,
    watch: Callable[[float, Tensor], None] | None = None,
) -> Tensor:
    """Optimise one frame (1, 3, S, S) as the reference does; show each loss and picture."""
    picture = frame.clone(memory_format=torch.contiguous_format).requires_grad_()
    objective = reference_loss(encoder, target, frame, style_weight)
    optimiser = torch.optim.LBFGS([picture])
    calls = 0

    def closure() -> Tensor:
        nonlocal calls
        picture.data.clamp_(0, 1)
        optimiser.zero_grad()
        loss = objective(picture).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        calls += 1
        if watch:
            watch(float(loss.detach()), picture.detach())
        return loss.detach()

    while calls <= steps:
        optimiser.step(closure)  # type: ignore[no-untyped-call]
    return picture.detach().clamp(0, 1)


def centre_square(pictures: Tensor, side: int) -> Tensor:
    """Scale the shorter side of (N, 3, H, W) to ``side`` and cut the middle out: (N, 3, S, S)."""
    height, width = pictures.shape[-2:]
    scale = side / min(height, width)
    size = (max(side, int(height * scale)), max(side, int(width * scale)))
    if size != (height, width):
        pictures = F.interpolate(
            pictures, size, mode="bilinear", antialias=True, align_corners=False
        )
    top, left = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return pictures[..., top : top + side, left : left + side].contiguous()


def put_back(squares: Tensor, height: int, width: int) -> Tensor:
    """Show squares in the middle of black frames (N, 3, height, width), as large as fits."""
    side = min(height, width)
    if squares.shape[-1] != side:
        squares = F.interpolate(
            squares, (side, side), mode="bilinear", antialias=True, align_corners=False
        )
    frames = squares.new_zeros((squares.shape[0], 3, height, width))
    top, left = round((height - side) / 2), round((width - side) / 2)
    frames[..., top : top + side, left : left + side] = squares.clamp(0, 1)
    return frames
