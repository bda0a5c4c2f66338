"""Strokes of one size whatever the resolution: paint small, then bring the picture to full size.

The network's strokes span a fixed number of pixels. So it always sees frames of about the same
size, and a guided upsampling gives the picture the source's own edges: local linear models from
source to picture, fitted at the small size and applied to the source at full size, as in the fast
guided filter of He and Sun 2015 ("Fast Guided Filter", equations 1 to 5). There the filter smooths
what it enlarges, strokes too. Here it carries only what the small source lacks:

    picture = enlarged(small picture) + gain * (source - enlarged(small source)),

with the gain of the guided filter, from the source's luma. Strokes stay as bicubic interpolation
has them, and edges are as sharp as in the source.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from framewright.scorers.fast.knobs import luma

__all__ = ["enlarge", "resized", "working_size"]

BASE_SIDE = 360
"""Pixels of the shorter side at which strokes have their ordinary size."""

_NATIVE_SIDE = 450
"""Frames with a shorter side up to this are painted as they are, unless strokes are scaled."""

_SMALLEST = 16
_STRIDE = 4
_RADIUS = 2
"""Of the windows in which gains are fitted, in pixels of the small picture."""

_SMOOTHNESS = 1e-3
"""Added to the variance of the source's luma, in [0, 1]: below it edges count as noise."""

Size = tuple[int, int]
"""Height and width in pixels."""


def working_size(height: int, width: int, stroke_scale: float) -> Size:
    """Return the size at which frames of a size are painted, in pixels.

    Args:
        height: of the frames.
        width: of the frames.
        stroke_scale: size of the strokes, 1 for the ordinary one.

    Returns:
        The size of the frames where their shorter side has up to 450 pixels and strokes are not
        scaled; else one with a shorter side of 360 (or that of smaller frames) / ``stroke_scale``,
        and the same aspect.
    """
    shorter = min(height, width)
    natural = shorter if shorter <= _NATIVE_SIDE else BASE_SIDE
    wanted = max(natural / stroke_scale, _SMALLEST)
    if wanted == shorter or (stroke_scale >= 1 and wanted > shorter):
        return height, width
    return _whole(height * wanted / shorter), _whole(width * wanted / shorter)


def _whole(side: float) -> int:
    return max(_SMALLEST, round(side / _STRIDE) * _STRIDE)


def resized(pictures: Tensor, size: Size) -> Tensor:
    """Resize pictures (N, C, H, W), smoothly where they shrink, in [0, 1]."""
    mode = "bicubic" if size[0] > pictures.shape[-2] else "bilinear"
    return F.interpolate(pictures, size, mode=mode, antialias=True).clamp_(0, 1)


def enlarge(frames: Tensor, small: Tensor, painted: Tensor) -> Tensor:
    """Bring small pictures to the size of their frames, with the frames' edges.

    Args:
        frames: (N, 3, H, W), RGB in [0, 1].
        small: (N, 3, h, w), the same frames, resized.
        painted: (N, 3, h, w), RGB in [0, 1], what ``small`` became.

    Returns:
        (N, 3, H, W), RGB in [0, 1].
    """
    guide = luma(small)
    size = (frames.shape[-2], frames.shape[-1])
    finer = luma(frames)
    finer -= _interpolated(guide, size, "bicubic")
    gain = _gain(guide, painted)
    pictures = torch.empty_like(frames, memory_format=torch.contiguous_format)
    for channel in range(3):  # one by one: of a large frame, few copies are held
        part = slice(channel, channel + 1)
        pictures[:, part] = _interpolated(painted[:, part], size, "bicubic")
        pictures[:, part].addcmul_(_interpolated(gain[:, part], size, "bilinear"), finer)
    return pictures.clamp_(0, 1)


def _gain(guide: Tensor, painted: Tensor) -> Tensor:
    """Slope of the local linear models from luma (N, 1, h, w) to pictures (N, 3, h, w)."""
    mean = _mean(guide)
    covariance = _mean(guide * painted) - mean * _mean(painted)
    variance = _mean(guide * guide) - mean * mean
    return _mean(covariance / (variance.clamp_min_(0) + _SMOOTHNESS))


def _mean(values: Tensor) -> Tensor:
    """Mean of the window around each pixel."""
    r = _RADIUS
    return F.avg_pool2d(F.pad(values, (r, r, r, r), mode="replicate"), 2 * r + 1, stride=1)


def _interpolated(values: Tensor, size: Size, mode: str) -> Tensor:
    return F.interpolate(values, size, mode=mode, antialias=True)
