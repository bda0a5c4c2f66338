"""How much a video flickers, measured as the error of following its source's motion.

The warping error of Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for Videos" (GCPR 2016):
flow and masks come from the source alone; what the picture before shows is led along the flow and
compared with the picture, where the masks allow it.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from framewright.steady.flow import Floats, flow_of, grey_of, grid_of, warped

__all__ = ["LEAST_SIDE", "FlickerMeter", "fine_detail"]

LEAST_SIDE = 32
"""Of a source, in pixels: OpenCV finds no flow in much smaller pictures."""

_CUT_SHARE = 0.4
"""Share of pixels that can be followed, below which two frames are taken for a scene cut."""


def fine_detail(picture: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian of an RGB picture's luma, shape (H, W, 3), in squared levels."""
    return float(cv2.Laplacian(grey_of(picture), cv2.CV_32F).var())


class FlickerMeter:
    """Measures videos against the source that they were made from, frame by frame.

    Every video has the source's size times a whole number, each its own. Flow is computed on the
    source at its own size, at least ``LEAST_SIDE`` pixels each way, with the medium preset of
    OpenCV's DIS.
    """

    def __init__(self) -> None:
        cv2.setNumThreads(1)
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._before: tuple[NDArray[np.uint8], ...] = ()
        self._sums: list[float] = []
        self.pairs = 0
        """Pairs of frames that were compared."""
        self.cuts = 0
        """Pairs that were not, because the source cuts there."""

    @property
    def flickers(self) -> list[float]:
        """Mean difference of each video, the source's first, in levels of 255; 0 without pairs."""
        return [total / max(1, self.pairs) for total in self._sums]

    def add(self, *pictures: NDArray[np.uint8]) -> None:
        """Take the next frame of the source, then that of each video: RGB, shape (H, W, 3)."""
        before, self._before = self._before, pictures
        self._sums = self._sums or [0.0] * len(pictures)
        if not before:
            return
        grey, old = grey_of(pictures[0]), grey_of(before[0])
        backward = flow_of(self._flow, grey, old)
        valid = _followed(backward, flow_of(self._flow, old, grey))
        if valid.mean() < _CUT_SHARE:
            self.cuts += 1
            return
        self.pairs += 1
        for place, (now, then) in enumerate(zip(pictures, before, strict=True)):
            self._sums[place] += _difference(now, then, backward, valid)


def _difference(
    now: NDArray[np.uint8], then: NDArray[np.uint8], flow: Floats, valid: NDArray[np.bool_]
) -> float:
    height, width = now.shape[:2]
    scale = width // flow.shape[1]
    if scale > 1:
        size = (width, height)
        flow = cast(Floats, cv2.resize(flow, size, interpolation=cv2.INTER_LINEAR)) * scale
        valid = cv2.resize(valid.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    places = flow + grid_of(height, width)
    led = np.clip(warped(then.astype(np.float32), places), 0, 255)
    return float(np.abs(now - led).mean(axis=2)[valid].mean())


def _followed(backward: Floats, forward: Floats) -> NDArray[np.bool_]:
    """Where flow is the same both ways, bends little, and stays inside: equations 5 and 6."""
    height, width = backward.shape[:2]
    places = backward + grid_of(height, width)
    back = warped(forward, places)
    length2 = (backward**2).sum(axis=2)
    apart2 = ((back + backward) ** 2).sum(axis=2)
    hidden = apart2 > 0.01 * ((back**2).sum(axis=2) + length2) + 0.5
    gradients = [
        np.gradient(backward[..., part], axis=axis) ** 2 for part in (0, 1) for axis in (0, 1)
    ]
    edge = sum(gradients, np.float32(0)) > 0.01 * length2 + 0.002
    x, y = places[..., 0], places[..., 1]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return cast("NDArray[np.bool_]", ~hidden & ~edge & inside)
