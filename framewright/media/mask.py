"""Masks: pictures whose light and dark say where a frame is the scorer's, and where the source's.

What is put together here is what is encoded, after the stabiliser: so black leaves exactly the
samples that a scorer which changes nothing would leave, and nothing of them gets into later frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from framewright.errors import SourceRefused
from framewright.media.color import FrameToRgb, Pixels
from framewright.media.decode import BundleSource, MissingFrames, decode_frames
from framewright.types import Footage, VideoInfo

__all__ = ["Masking", "mask_range", "shares_of"]

Shares = NDArray[np.float32]
"""What each pixel, shape (H, W), has of the scorer's picture: 0 to 1."""

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Of ITU-R BT.709."""
_BLACK, _WHITE = np.float32(8 / 255), np.float32(247 / 255)
"""Levels up to and from which a mask is black and white: encoders leave a little noise."""


def mask_range(mask: Footage, start: int, stop: int) -> range:
    """Which of a mask's pictures are those of the frames ``[start, stop)``."""
    return range(start, stop) if mask.frames > 1 else range(1)


def shares_of(
    mask: Footage, bundles: Sequence[BundleSource], pictures: range, video: VideoInfo
) -> Iterator[Shares]:
    """Yield the shares of one frame after the other, turned as the frames of ``video`` are coded.

    Args:
        mask: a video as a player shows it is what is laid over the shown frames.
        bundles: those that its pictures are decoded from.
        pictures: what ``mask_range`` says; a single picture of all is repeated for ever.
        video: the source.

    Raises:
        SourceRefused: the mask is damaged.
    """
    to_rgb = FrameToRgb(mask.video.color)
    keys = mask.frame_keys(pictures.start, pictures.stop)
    shares = (
        _as_coded(_shares(_upright(to_rgb(frame), mask.video)), video)
        for frame in decode_frames(bundles, keys, counted=mask.counted)
    )
    try:
        yield from shares if mask.frames > 1 else repeat(next(shares))
    except (MissingFrames, SourceRefused) as error:
        raise SourceRefused(
            "damaged", f"the mask {mask.source.name!r} cannot be decoded there ({error})"
        ) from error


class Masking:
    """Puts frames and scored pictures together. For use from one thread, frame by frame."""

    def __init__(self, shares: Iterator[Shares]) -> None:
        """Take what ``shares_of`` yields."""
        self._shares = shares
        self._last: Shares | None = None
        self._fitted = np.empty((0, 0), np.float32)

    def __call__(self, frame: Pixels, picture: Pixels) -> Pixels:
        """Return the next picture: the scorer's where the mask is white, the source's where black.

        Args:
            frame: the source's, shape (3, h, w).
            picture: what the scorer made of it, of the same type, shape (3, s*h, s*w) for a whole
                number s.
        """
        shares, (height, width) = next(self._shares), picture.shape[1:]
        if shares is not self._last or self._fitted.shape != (height, width):
            self._last, self._fitted = shares, _fitted(shares, height, width)
        if frame.shape != picture.shape:
            planes = [cv2.resize(p, (width, height), interpolation=cv2.INTER_CUBIC) for p in frame]
            frame = cast(Pixels, np.stack(planes))
        before = frame.astype(np.float32)
        mixed = before + self._fitted * (picture.astype(np.float32) - before)
        return cast(Pixels, np.rint(mixed, out=mixed).astype(picture.dtype))


def _shares(pixels: Pixels) -> Shares:
    """Luma of full-range RGB, shape (3, H, W)."""
    white = np.float32(np.iinfo(pixels.dtype).max)
    return cast(Shares, np.tensordot(_LUMA, pixels.astype(np.float32), 1) / white)


def _fitted(shares: Shares, height: int, width: int) -> Shares:
    """Stretch shares over a picture, and make nearly black and white wholly so."""
    shrinks = shares.shape[0] > height or shares.shape[1] > width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    fitted = cv2.resize(shares, (width, height), interpolation=how)
    return cast(Shares, np.clip((fitted - _BLACK) / (_WHITE - _BLACK), 0, 1))


def _upright(pixels: Pixels, video: VideoInfo) -> Pixels:
    """Turn a picture, shape (3, H, W), as a player does."""
    shown = pixels[:, :, ::-1] if video.mirrored else pixels
    return np.rot90(shown, round(video.rotation / 90) % 4, (1, 2))


def _as_coded(shares: Shares, video: VideoInfo) -> Shares:
    """Turn upright shares as the frames of a video are before a player turns them."""
    coded = np.rot90(shares, -round(video.rotation / 90) % 4)
    return np.ascontiguousarray(coded[:, ::-1] if video.mirrored else coded)
