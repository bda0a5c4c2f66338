"""Blend each picture with the one before it, led there by the motion of the source.

What a model paints anew in every frame flickers. The picture before, warped by the source's optical
flow, shows where its strokes have moved to; so the output keeps most of it, except where the flow
is not to be trusted: there it is the model's own picture, and nothing is left behind.
"""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from framewright.steady.flow import Floats, FlowEstimator, Motion, grid_of, warped

__all__ = ["Picture", "Stabiliser", "history_frames", "kept_share"]

Picture = NDArray[np.uint8] | NDArray[np.uint16]
"""RGB of shape (3, H, W), full range."""

_MOST_KEPT = 0.95
_FORGOTTEN = 0.05
"""What is left of a difference in the history after ``history_frames``."""
_CUT_TRUST = 0.25
"""Mean trust below which a frame does not follow from the one before: a scene cut."""
_DETAIL_KEPT = 0.95
"""Contrast of the finest detail, squared, that warping and blending may leave of the model's."""
_SHARPENING, _MOST_SHARPENED = 1.5, 1.5
"""More than the missing contrast, because what is finer still is missing more."""
_DETAIL_SIGMA = 0.8
_DETAIL_CELL, _DETAIL_CELLS = 8, 5
"""Contrast is compared over so many cells of so many pixels each way."""
_DETAIL_FLOOR = 0.25
"""In squared levels of 255, so that flat areas are not sharpened."""


def kept_share(stability: float) -> float:
    """Share of the picture before that is kept where it can be: 0 to 0.95."""
    return _MOST_KEPT * stability


def history_frames(stability: float) -> int:
    """Frames before a unit that it takes for the history to be as if there had been more.

    So many that a twentieth is left of what differs in the first of them.
    """
    kept = kept_share(stability)
    return math.ceil(math.log(_FORGOTTEN) / math.log(kept)) if kept else 0


class Stabiliser:
    """Takes the flicker from a run of pictures. For use from one thread, in order of presentation.

    Keeps the frame and the picture before as its state, so equal runs give equal pictures.
    """

    def __init__(self, stability: float) -> None:
        """Choose how steady.

        Args:
            stability: 0 to 1; 0 changes no bit, 1 is steadiest.
        """
        self._kept = kept_share(stability)
        self._estimate = FlowEstimator()
        self.begin(0)

    def begin(self, first: int) -> None:
        """Forget everything: the frame ``first`` comes next, numbered from 0 in the video."""
        self._estimate.reset()
        self._history: Floats | None = None
        self._seen = 0 if first else math.inf
        """Frames in the history; many where it begins with the video itself, or at a cut."""

    def __call__(self, frame: Picture, picture: Picture) -> Picture:
        """Return the picture for the next frame.

        Args:
            frame: the source's frame, shape (3, h, w), 8 or 16 bits.
            picture: what the scorer made of it, shape (3, s*h, s*w) for a whole number s.
        """
        if not self._kept:
            return picture
        motion = self._estimate(_bytes(frame))
        now = _floats(picture)
        before = self._history
        if motion is None or before is None or before.shape != now.shape:
            self._history, self._seen = now, self._seen + 1
            return picture
        if float(motion.trust.mean()) < _CUT_TRUST:
            self._history, self._seen = now, math.inf
            return picture
        self._history = self._blended(motion, before, now)
        self._seen += 1
        return _picture(_sharpened(self._history, now), picture)

    def _blended(self, motion: Motion, before: Floats, now: Floats) -> Floats:
        height, width = now.shape[:2]
        # The first frames of a run that begins within the video count alike, so that its history
        # is soon near to what it would be.
        kept = min(self._kept, 1 - 1 / (self._seen + 1))
        places = _enlarged(motion.flow, height, width)
        trust = cv2.resize(motion.trust, (width, height), interpolation=cv2.INTER_LINEAR)
        weight = trust * np.float32(kept)
        return cast(Floats, cv2.blendLinear(warped(before, places), now, weight, 1 - weight))


def _enlarged(flow: Floats, height: int, width: int) -> Floats:
    """Where the pixels of a picture were, shape (height, width, 2), by a flow of another size."""
    grid = grid_of(height, width)
    if flow.shape == grid.shape:
        return cast(Floats, cv2.add(flow, grid))
    scale = width // flow.shape[1]  # pixels that shrinking has dropped make it no larger
    places = cv2.resize(flow * np.float32(scale), (width, height), interpolation=cv2.INTER_LINEAR)
    return cast(Floats, cv2.add(places, grid, dst=places))


def _sharpened(blend: Floats, now: Floats) -> Floats:
    """Give back the fine contrast that warping has cost, as far as the model's picture has it."""
    detail, wanted = _detail(blend), _detail(now)
    ratio = _DETAIL_KEPT * _contrast(wanted) / (_contrast(detail) + np.float32(_DETAIL_FLOOR))
    gain = np.clip(_SHARPENING * (np.sqrt(ratio) - 1), 0, _MOST_SHARPENED)
    size = (blend.shape[1], blend.shape[0])
    detail *= cv2.resize(gain, size, interpolation=cv2.INTER_LINEAR)
    sharp = cv2.add(blend, cv2.merge((detail, detail, detail)))
    return cast(Floats, np.clip(sharp, 0, 255, out=sharp))


def _detail(picture: Floats) -> Floats:
    """Luma without what is coarser than a pixel or two."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cast(Floats, cv2.subtract(grey, cv2.GaussianBlur(grey, (5, 5), _DETAIL_SIGMA)))


def _contrast(detail: Floats) -> Floats:
    """Mean square in the neighbourhood, one value for each cell."""
    height, width = detail.shape
    cells = (max(1, width // _DETAIL_CELL), max(1, height // _DETAIL_CELL))
    squares = cv2.resize(detail * detail, cells, interpolation=cv2.INTER_AREA)
    means = cv2.blur(squares, (_DETAIL_CELLS, _DETAIL_CELLS))  # running sums: may fall below 0
    return cast(Floats, np.maximum(means, 0))


def _bytes(frame: Picture) -> NDArray[np.uint8]:
    """A frame as 8-bit RGB of shape (H, W, 3)."""
    if frame.dtype == np.uint16:
        frame = (frame >> 8).astype(np.uint8)
    return cast("NDArray[np.uint8]", cv2.merge(list(frame)))


def _floats(picture: Picture) -> Floats:
    """A picture as levels of 0 to 255, shape (H, W, 3)."""
    levels = cast(Floats, cv2.merge(list(picture)).astype(np.float32))
    return levels / np.float32(257) if picture.dtype == np.uint16 else levels


def _picture(levels: Floats, like: Picture) -> Picture:
    """Round to the type of another picture; shape (3, H, W)."""
    if like.dtype == np.uint16:
        levels = levels * np.float32(257)
    return cast(Picture, np.stack(cv2.split(np.rint(levels).astype(like.dtype))))
