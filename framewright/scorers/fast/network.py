"""A small feed-forward style network: one trunk, one short vector per painting.

The trunk is the encoder / residual blocks / decoder of Johnson et al. 2016 ("Perceptual Losses
for Real-Time Style Transfer and Super-Resolution") made slim, and the styles enter through
conditional instance normalisation as in Dumoulin et al. 2017 ("A Learned Representation for
Artistic Style"): all paintings share every convolution, and each has its own scale and shift
after every normalisation.

It departs from both papers in three places. The first convolution strides, so that no wide layer
runs at full resolution on the way in. Upsampling is bilinear followed by a convolution, never a
transposed convolution, which draws checkerboards; nearest-neighbour draws them too, faintly, and
they crawl when the picture moves. And the output is a sigmoid: pictures
are in [0, 1] without clipping.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["STYLE_LENGTH", "BakedStyle", "ConditionalStyleNet"]

_STRIDE = 4
"""Height and width of what the trunk sees are multiples of this."""

_SMALLEST = 16
"""Frames with a shorter side are padded to this many pixels: reflection needs room."""

_BLOCKS = 5
"""Residual blocks at a quarter of the resolution."""

_FLOOR = 1e-3
"""Added to the variance. Higher than usual: empty frames must not become amplified noise."""

_SEEN = 8
"""Channels that see the frame itself, beside those that the decoder brings back to its size."""

STYLE_LENGTH = 2 * (32 + 64 + 2 * _BLOCKS * 64 + 32 + 16 + _SEEN)
"""Numbers per style: a scale and a shift for every channel of every normalisation."""


class _Norm(nn.Module):
    """Instance normalisation whose scale and shift come from a slice of the style vector."""

    def __init__(self, channels: int, offset: int) -> None:
        super().__init__()
        self.channels = channels
        self.offset = offset

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        middle = self.offset + self.channels
        end = middle + self.channels
        scale = style[..., self.offset : middle]
        shift = style[..., middle:end]
        if style.dim() == 1:
            return F.instance_norm(x, weight=scale, bias=shift, eps=_FLOOR)
        normed = F.instance_norm(x, eps=_FLOOR)
        return torch.addcmul(shift[:, :, None, None], normed, scale[:, :, None, None])


class _Conv(nn.Module):
    """Reflection padding, convolution, conditional normalisation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, offset: int, *, stride: int = 1
    ) -> None:
        super().__init__()
        self.padding = kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, bias=False)
        self.norm = _Norm(outputs, offset)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        p = self.padding
        x = self.conv(F.pad(x, (p, p, p, p), mode="reflect"))
        return self.norm(x, style)  # type: ignore[no-any-return]


class _Residual(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, channels: int, offset: int) -> None:
        super().__init__()
        self.first = _Conv(channels, channels, 3, offset)
        self.second = _Conv(channels, channels, 3, offset + 2 * channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        change: Tensor = self.second(F.relu(self.first(x, style)), style)
        return x + change


class ConditionalStyleNet(nn.Module):
    """Paints frames in the style that a vector of ``STYLE_LENGTH`` numbers describes.

    The vector is not part of the module: its state is the trunk alone. Vectors can be mixed
    (``0.5 * a + 0.5 * b`` is a style between two) and fitted to a new painting with the trunk
    frozen.
    """

    upsampling = "bilinear"

    def __init__(self) -> None:
        super().__init__()
        self.enter = _Conv(3, 32, 7, 0, stride=2)
        self.down = _Conv(32, 64, 3, 64, stride=2)
        offset = 64 + 128
        blocks = []
        for _ in range(_BLOCKS):
            blocks.append(_Residual(64, offset))
            offset += 2 * 128
        self.blocks = nn.ModuleList(blocks)
        self.up = _Conv(64, 32, 3, offset)
        self.fine = _Conv(32, 16, 3, offset + 64)
        self.see = _Conv(3, _SEEN, 3, offset + 64 + 32)
        self.leave = nn.Conv2d(16 + _SEEN, 3, 5)

    def forward(self, frames: Tensor, style: Tensor) -> Tensor:
        """Paint a batch of frames.

        Args:
            frames: (N, 3, H, W), RGB in [0, 1], sRGB-encoded; any H and W of 1 or more.
            style: (STYLE_LENGTH,) for all frames, or (N, STYLE_LENGTH), one for each.

        Returns:
            (N, 3, H, W), RGB in [0, 1].
        """
        height, width = frames.shape[-2:]
        right, bottom = _missing(width), _missing(height)
        if right or bottom:
            frames = F.pad(frames, (0, right, 0, bottom), mode="replicate")
        x = F.relu(self.enter(frames, style))
        x = F.relu(self.down(x, style))
        for block in self.blocks:
            x = block(x, style)
        x = F.relu(self.up(self._twice(x), style))
        x = torch.cat((self.fine(self._twice(x), style), self.see(frames, style)), dim=1)
        x = F.relu(x)
        x = torch.sigmoid(self.leave(F.pad(x, (2, 2, 2, 2), mode="reflect")))
        return x[..., :height, :width] if right or bottom else x

    def _twice(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode=self.upsampling)

    def norms(self) -> list[_Norm]:
        """The normalisations in the order in which the style vector lists them."""
        return [module for module in self.modules() if isinstance(module, _Norm)]

    def bake(self, style: Tensor) -> BakedStyle:
        """Fix one style of shape (STYLE_LENGTH,): a module of frames alone, to be compiled."""
        return BakedStyle(self, style)


class BakedStyle(nn.Module):
    """A ``ConditionalStyleNet`` with its style vector inside: frames in, pictures out."""

    style: Tensor

    def __init__(self, net: ConditionalStyleNet, style: Tensor) -> None:
        super().__init__()
        if style.shape != (STYLE_LENGTH,):
            raise ValueError(f"a style has shape ({STYLE_LENGTH},), got {tuple(style.shape)}")
        self.net = net
        self.register_buffer("style", style.detach().clone())

    def forward(self, frames: Tensor) -> Tensor:
        """Paint frames (N, 3, H, W) in [0, 1]; same shape and range."""
        return self.net(frames, self.style)  # type: ignore[no-any-return]


def _missing(side: int) -> int:
    """Pixels to add to a side before the trunk can take it."""
    return max(_SMALLEST, -(-side // _STRIDE) * _STRIDE) - side
