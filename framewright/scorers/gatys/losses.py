"""What the optimisation lowers: the reference's loss, and one that means the same for all encoders.

Gatys, Ecker and Bethge, "Image Style Transfer Using Convolutional Neural Networks" (CVPR 2016),
equations 1 to 7, at the layers that the 2018 reference chose.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from framewright.perceptual.base import CONTENT_MAP, Encoder
from framewright.scorers.gatys.lbfgs import Objective

__all__ = ["StyleTarget", "gram", "reference_loss", "relative_loss"]

_SHARES = (0.088, 0.021, 0.372, 0.034, 0.485)
"""Of the five maps in the style loss: what the reference's weights amount to, on average over
eight paintings."""
_BALANCE = 48.0
"""Of style to content where strength is 0.5: likewise what the reference's style weight is."""
_OUTSIDE = 30.0
"""Weight of the squared distance to [0, 1]."""


def gram(features: Tensor) -> Tensor:
    """Products of the channels of (N, C, H, W), summed over places, by C*H*W: (N, C, C)."""
    count, channels, height, width = features.shape
    flat = features.reshape(count, channels, height * width)
    return flat @ flat.transpose(1, 2) / (channels * height * width)


class _Gram(torch.autograd.Function):
    """``gram`` of maps whose channels lie beside each other, as processors like them.

    Its gradient takes one product where autograd's takes two: the matrix is symmetric.
    """

    @staticmethod
    def forward(context: FunctionCtx, features: Tensor) -> Tensor:
        context.save_for_backward(features)
        places = _places(features)
        return places.transpose(1, 2) @ places / features[0].numel()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        (features,) = context.saved_tensors
        (gradient,) = gradients
        both = (gradient + gradient.transpose(1, 2)) / features[0].numel()
        count, channels, height, width = features.shape
        back = (_places(features) @ both).reshape(count, height, width, channels)
        return cast(Tensor, back.permute(0, 3, 1, 2))


def _places(features: Tensor) -> Tensor:
    """Maps (N, C, H, W) as (N, H*W, C)."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


def _gram(features: Tensor) -> Tensor:
    return cast(Tensor, _Gram.apply(features))


class StyleTarget:
    """What a painting looks like to an encoder, at one size. Computed once.

    Args:
        encoder: what to look through.
        painting: (1, 3, H, W), RGB in [0, 1].
    """

    def __init__(self, encoder: Encoder, painting: Tensor) -> None:
        with torch.no_grad():
            maps = encoder(painting)
            self.grams = [gram(features) for features in maps]
            self.energies = [products.square().mean() for products in self.grams]
            self.variance = maps[CONTENT_MAP].var()


def relative_loss(
    encoder: Encoder,
    target: StyleTarget,
    frames: Tensor,
    strength: float,
    led: tuple[Tensor, Tensor] | None = None,
    steadiness: float = 0.0,
    reference_weight: float | None = None,
) -> Objective:
    """Style and content loss in shares of what the painting has of each: the same for any encoder.

    Args:
        encoder: what to look through.
        target: the painting.
        frames: what should be recognised, (N, 3, H, W).
        strength: 0 for the frame itself, 0.5 for the reference's balance, 1 for style alone.
        led: pictures to stay near to, (N, 3, H, W), and where, (N, 1, H, W) in [0, 1].
        steadiness: weight of the mean squared distance to them.
        reference_weight: the reference's style weight, where the encoder has one: then style is not
            in shares, and the loss at strength 0.5 is the reference's by the painting's variance.

    Returns:
        The loss of pictures as they will be shown: with values beyond [0, 1] cut off, and a pull
        back for those.
    """
    with torch.no_grad():
        wanted = encoder(_aside(frames))[CONTENT_MAP]
    content_weight, strength_weight = (1 - strength) ** 2 * 4, strength**2 * 4
    if reference_weight is None:
        weights = [_BALANCE * s / e for s, e in zip(_SHARES, target.energies, strict=True)]
    else:
        weights = [reference_weight / target.variance] * len(target.grams)

    def loss(pictures: Tensor) -> Tensor:
        shown = pictures.clamp(0, 1)
        maps = encoder(_aside(shown))
        content = _mean(maps[CONTENT_MAP] - wanted) / target.variance
        total = content_weight * content + _OUTSIDE * _mean(pictures - shown)
        for features, products, weight in zip(maps, target.grams, weights, strict=True):
            total = total + strength_weight * weight * _mean(_gram(features) - products)
        if led is not None:
            total = total + steadiness * _mean((shown - led[0]) * led[1])
        return total

    return loss


def reference_loss(
    encoder: Encoder, target: StyleTarget, frames: Tensor, style_weight: float
) -> Objective:
    """Return the reference's loss for frames (N, 3, H, W): mean squares, with fixed weights."""
    with torch.no_grad():
        wanted = encoder(frames)[CONTENT_MAP]

    def loss(pictures: Tensor) -> Tensor:
        maps = encoder(pictures)
        total = _mean(maps[CONTENT_MAP] - wanted)
        for features, products in zip(maps, target.grams, strict=True):
            total = total + style_weight * _mean(gram(features) - products)
        return total

    return loss


def _aside(pictures: Tensor) -> Tensor:
    """Lay the channels of each pixel beside each other on a CPU, which then convolves faster."""
    beside = pictures.device.type == "cpu"
    return pictures.contiguous(memory_format=torch.channels_last) if beside else pictures


def _mean(differences: Tensor) -> Tensor:
    """Mean square of each of a batch: (N, ...) to (N,)."""
    return differences.square().flatten(1).mean(1)
