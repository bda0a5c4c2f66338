"""Optical flow of a source, and where it can be trusted.

Flow is that of Kroeger et al., "Fast Optical Flow using Dense Inverse Search" (ECCV 2016), as
OpenCV computes it. It leads backwards: from a pixel of a frame to where it was in the frame before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "FlowEstimator", "Motion", "flow_of", "grey_of", "grid_of", "warped"]

Floats = NDArray[np.float32]

_MOST_PIXELS = 640 * 360
"""Flow is computed on frames of at most so many, shrunk by a whole number: that is cheap."""
_HALVED_PIXELS = 480 * 270
"""Frames of so many pixels are shrunk at least by two."""
_LEAST_SIDE = 64
"""In pixels; on much smaller pictures OpenCV's search crashes."""
_BLUR_PER_PIXEL, _LEAST_BLUR = 0.9 / 640, 0.4
"""Standard deviation, as a share of the width and in pixels, of the blur that takes the noise away
first. More would serve noisy sources, and costs on clean ones."""
_INCONSISTENT_SHARE, _INCONSISTENT_PX2 = 0.01, 0.25
_EDGE_SHARE, _EDGE_PX2 = 0.01, 0.002
_EDGE_TOLERANCE = 4.0
"""Ruder et al. refuse pixels beyond 1; with flow as smooth as ours that is too many."""
_CHANGED_LEVELS = (8.0, 28.0)
"""Differences of colour, of 255: up to the first it is noise, from the second on another thing."""
_LATE_LEVELS = 8.0
"""By how much a picture may be behind where the source fades or a shadow moves."""
_FADE_SIZE = 9
"""Fades are seen in means over so many pixels each way, from which noise has gone."""
_FADE_FREE = 0.92
"""Share of the picture before up to which a fade that slow takes no trust."""


@lru_cache(maxsize=4)
def grid_of(height: int, width: int) -> Floats:
    """Coordinates of all pixels: shape (height, width, 2), x then y. Not to be written to."""
    columns, rows = np.meshgrid(
        np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    )
    grid = np.dstack([columns, rows])
    grid.setflags(write=False)
    return grid


def warped(picture: Floats, places: Floats) -> Floats:
    """Look a picture up at ``places``, shape (H, W, 2), bicubic; beyond its border, at the border.

    Bicubic for masks, too: with linear interpolation OpenCV 5.0.0 leaves pixels unwritten where
    places are beyond the border.
    """
    none = np.empty(0, np.float32)
    found = cv2.remap(picture, places, none, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return cast(Floats, found)


def grey_of(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luma of an RGB picture of shape (H, W, 3)."""
    return cast("NDArray[np.uint8]", cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))


def flow_of(search: cv2.DISOpticalFlow, start: NDArray[np.uint8], end: NDArray[np.uint8]) -> Floats:
    """Where each pixel of one grey picture is in another: shape (H, W, 2), relative to it."""
    return cast(Floats, search.calc(start, end, None))  # type: ignore[call-overload]


@dataclass(frozen=True)
class Motion:
    """How a frame follows from the one before it."""

    flow: Floats
    """Shape (h, w, 2): x and y, in pixels of that size, from each pixel to where it was."""
    trust: Floats
    """Shape (h', w'), 0 to 1: whether it shows what was there; 0 where that was hidden or outside,
    at edges of motion, and where the frame has changed."""


@dataclass(frozen=True)
class _Look:
    """A frame as flow sees it."""

    grey: NDArray[np.uint8]
    half: NDArray[np.uint8]
    colors: Floats


class FlowEstimator:
    """Flow and trust from one frame to the next, at a bounded size. For use from one thread."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)  # a worker has one core; and the result is the same on all machines
        self._fine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._fine.setPatchStride(4)
        self._fine.setGradientDescentIterations(4)
        self._fine.setVariationalRefinementIterations(2)
        self._rough = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._rough.setFinestScale(1)
        self._size = (0, 0)
        self._before: _Look | None = None

    def reset(self) -> None:
        """Forget the frame before."""
        self._before = None

    def __call__(self, frame: NDArray[np.uint8]) -> Motion | None:
        """Return the motion that led to a frame, RGB of shape (H, W, 3).

        None for the first frame, and where a side is shorter than 64 pixels.
        """
        if min(frame.shape[:2]) < _LEAST_SIDE:
            return None
        look = self._look(frame)
        before, self._before = self._before, look
        if before is None or before.grey.shape != look.grey.shape:
            return None
        flow = flow_of(self._fine, look.grey, before.grey)
        forward = flow_of(self._rough, before.half, look.half)
        return Motion(flow, self._trust(flow, forward, before.colors, look.colors))

    def _look(self, frame: NDArray[np.uint8]) -> _Look:
        shrink = _shrink(*frame.shape[:2])
        height, width = (side // shrink for side in frame.shape[:2])
        if (width, height) != self._size:
            self._resize((width, height))
        small = _shrunk(frame, shrink)
        grey = cv2.GaussianBlur(grey_of(small), (0, 0), self._blur)
        half = (self._grid.shape[1], self._grid.shape[0])
        colors = cv2.resize(small, half, interpolation=cv2.INTER_AREA)
        return _Look(
            grey=cast("NDArray[np.uint8]", grey),
            half=cast("NDArray[np.uint8]", cv2.resize(grey, half, interpolation=cv2.INTER_AREA)),
            colors=cast(Floats, cv2.blur(colors, (3, 3)).astype(np.float32)),
        )

    def _resize(self, size: tuple[int, int]) -> None:
        width, height = self._size = size
        self._before = None
        self._blur = max(_LEAST_BLUR, width * _BLUR_PER_PIXEL)
        self._grid = grid_of((height + 1) // 2, (width + 1) // 2)

    def _trust(self, flow: Floats, forward: Floats, before: Floats, now: Floats) -> Floats:
        """Judge a flow by the one that leads the other way, and by what it leads to.

        The first two tests are those of Ruder, Dosovitskiy and Brox, "Artistic Style Transfer for
        Videos" (GCPR 2016), equations 5 and 6, made gradual.
        """
        height, width = self._grid.shape[:2]
        ratio = width / flow.shape[1]
        flow = cast(Floats, cv2.resize(flow, (width, height), interpolation=cv2.INTER_AREA)) * ratio
        places = self._grid + flow
        back = warped(forward, places)
        length2 = _squared(flow)
        allowed = _INCONSISTENT_SHARE * (length2 + _squared(back)) + _INCONSISTENT_PX2
        trust = np.clip(1.5 - _squared(back + flow) / allowed, 0, 1)
        bent = _gradient2(flow) / (_EDGE_TOLERANCE * (_EDGE_SHARE * length2 + _EDGE_PX2))
        trust *= np.clip(2 - bent, 0, 1)
        x, y = cv2.split(places)
        trust *= (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        difference = warped(before, places) - now
        trust *= _small(difference, _CHANGED_LEVELS)
        trust *= _steady(cast(Floats, cv2.blur(difference, (_FADE_SIZE, _FADE_SIZE))))
        return cast(Floats, cv2.blur(trust, (3, 3)))


def _shrink(height: int, width: int) -> int:
    """By how much a frame is shrunk for its flow: a whole number."""
    pixels = height * width
    wanted = max(1 + (pixels >= _HALVED_PIXELS), math.ceil(math.sqrt(pixels / _MOST_PIXELS)))
    return max(1, min(wanted, height // _LEAST_SIDE, width // _LEAST_SIDE))


def _shrunk(frame: NDArray[np.uint8], shrink: int) -> NDArray[np.uint8]:
    """Means over squares of pixels; what is left over at the right and the bottom is dropped."""
    if shrink == 1:
        return frame
    height, width = (side // shrink for side in frame.shape[:2])
    whole = frame[: height * shrink, : width * shrink]
    return cast(
        "NDArray[np.uint8]", cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    )


def _small(differences: Floats, levels: tuple[float, float]) -> Floats:
    """Turn differences of colour, shape (H, W, 3), into trust: 1 up to a level, 0 from another."""
    least, most = levels
    return cast(Floats, np.clip((most - _largest(differences)) / np.float32(most - least), 0, 1))


def _steady(fade: Floats) -> Floats:
    """Turn a fade, in levels a frame, into trust with which the picture is not too late.

    What keeps a share k of the picture before follows a change of r levels a frame r k / (1 - k)
    levels late; so k is at most L / (L + r).
    """
    share = np.float32(_LATE_LEVELS) / (_LATE_LEVELS + _largest(fade))
    return cast(Floats, np.minimum(share / np.float32(_FADE_FREE), 1))


def _largest(differences: Floats) -> Floats:
    """Of the three channels, the one that differs most."""
    red, green, blue = (np.abs(channel) for channel in cv2.split(differences))
    return cast(Floats, cv2.max(cv2.max(red, green), blue))


def _squared(vectors: Floats) -> Floats:
    x, y = cv2.split(vectors)
    return cast(Floats, x * x + y * y)


def _gradient2(flow: Floats) -> Floats:
    """Sum of the squared derivatives of both components, by central differences."""
    across = cv2.Sobel(flow, cv2.CV_32F, 1, 0, ksize=1, scale=0.5)
    down = cv2.Sobel(flow, cv2.CV_32F, 0, 1, ksize=1, scale=0.5)
    return cast(Floats, _squared(cast(Floats, across)) + _squared(cast(Floats, down)))
