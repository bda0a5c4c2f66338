"""Pictures of the frame before, led to where the source has moved."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from framewright.steady.flow import Floats, FlowEstimator, grid_of, warped

__all__ = ["Follower", "as_bytes"]

_CUT_TRUST = 0.25
"""Mean trust below which a frame does not follow from the one before: a scene cut."""


class Follower:
    """Leads pictures along the optical flow of their frames. Keeps nothing between calls."""

    def __init__(self) -> None:
        self._flow = FlowEstimator()

    def __call__(
        self, before: NDArray[np.uint8], frame: NDArray[np.uint8], pictures: Tensor
    ) -> tuple[Tensor, Tensor] | None:
        """Lead pictures from the frame before to a frame.

        Args:
            before: the frame before, RGB of shape (H, W, 3).
            frame: the frame, of the same shape.
            pictures: what was made of the frame before, (N, 3, H, W), RGB in [0, 1].

        Returns:
            The pictures led to the frame, and how far they can be trusted: (1, 1, H, W), 0 to 1, 0
            where the frame shows what was hidden. None at a scene cut.
        """
        self._flow.reset()
        self._flow(before)
        motion = self._flow(frame)
        if motion is None or float(motion.trust.mean()) < _CUT_TRUST:
            return None
        height, width = frame.shape[:2]
        flow = cv2.resize(motion.flow, (width, height), interpolation=cv2.INTER_LINEAR)
        ratio = np.array(
            [width / motion.flow.shape[1], height / motion.flow.shape[0]], dtype=np.float32
        )
        trust = cv2.resize(motion.trust, (width, height), interpolation=cv2.INTER_LINEAR)
        places = grid_of(height, width) + cast(Floats, flow) * ratio
        values = pictures.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        led = np.stack([warped(each, places) for each in values])
        return (
            torch.from_numpy(led).permute(0, 3, 1, 2).contiguous().to(pictures.device),
            torch.from_numpy(trust)[None, None].to(pictures.device),
        )


def as_bytes(frame: Tensor) -> NDArray[np.uint8]:
    """Turn a frame (1, 3, H, W) in [0, 1] into RGB of shape (H, W, 3)."""
    whole = frame[0].clamp(0, 1).mul(255).round().to(torch.uint8)
    return cast("NDArray[np.uint8]", whole.permute(1, 2, 0).contiguous().cpu().numpy())
