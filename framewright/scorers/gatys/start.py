"""A first guess at a frame in a painting's style, from the network that ``fast`` ships."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from framewright.perceptual.base import Encoder
from framewright.scorers.color import ColorTransferScorer
from framewright.scorers.fast.network import ConditionalStyleNet
from framewright.scorers.fast.weights import load_weights
from framewright.scorers.gatys.losses import StyleTarget, gram

__all__ = ["FirstGuess", "colours_of"]

_SIDE, _SOFT_SIDE = 192, 16
"""Pixels of the shorter side of the painting, and of what is left of it when only its large shapes
are, for the choice of a style."""

_SHARE = 0.5
"""Of what is painted in the guess; the rest is the frame in the painting's colours."""


def colours_of(painting: Tensor) -> ColorTransferScorer:
    """Return what gives frames the colours of a painting (1, 3, H, W)."""
    pixels = painting[0].flatten(1).double()
    colours = ColorTransferScorer(
        mean=pixels.mean(1).tolist(), covariance=pixels.cov(correction=0).tolist()
    )
    colours.setup(painting.device, torch.get_num_threads())
    return colours


class FirstGuess:
    """Mixes frames painted in the shipped style nearest to a painting with themselves, recoloured.

    Both are in the painting's colours. The mixture keeps what is to be seen in the frame.

    The choice depends on the painting alone, so it is the same in all units: the painting's large
    shapes are painted in every style, and the one that restores most of it is taken. Where none
    does better than the shapes themselves in the right colours, frames only get the colours.
    """

    def __init__(self, encoder: Encoder, painting: Tensor) -> None:
        self._colours = colours_of(painting)
        trunk, vectors = load_weights()
        network = ConditionalStyleNet().eval().requires_grad_(False)
        network.load_state_dict(trunk)
        self._network = network.to(painting.device)
        self._vectors = {name: vector.to(painting.device) for name, vector in vectors.items()}
        self.style = self._nearest(encoder, painting)
        """Name of the shipped style; empty for colours alone."""

    @torch.no_grad()
    def __call__(self, frames: Tensor) -> Tensor:
        """Guess at frames (N, 3, H, W)."""
        recoloured = self._colours.score(frames)
        if not self.style:
            return recoloured
        return torch.lerp(recoloured, self._painted(frames, self.style), _SHARE)

    def _painted(self, frames: Tensor, style: str) -> Tensor:
        if style:
            frames = self._network(frames, self._vectors[style])
        return self._colours.score(frames)

    @torch.no_grad()
    def _nearest(self, encoder: Encoder, painting: Tensor) -> str:
        scale = min(1.0, _SIDE / min(painting.shape[-2:]))
        size = [max(_SOFT_SIDE, round(side * scale)) for side in painting.shape[-2:]]
        small = F.interpolate(painting, size, mode="bilinear", antialias=True)
        target = StyleTarget(encoder, small)
        shrink = _SOFT_SIDE / min(size)
        soft_size = [max(1, round(side * shrink)) for side in size]
        soft = F.interpolate(small, soft_size, mode="bilinear", antialias=True)
        soft = F.interpolate(soft, size, mode="bicubic").clamp(0, 1)

        def distance(style: str) -> float:
            maps = encoder(self._painted(soft, style))
            parts = zip(maps, target.grams, target.energies, strict=True)
            return sum(float((gram(m) - g).square().mean() / e) for m, g, e in parts)

        return min(("", *self._vectors), key=distance)
