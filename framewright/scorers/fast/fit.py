"""Fits the style vector of a painting that the network was not trained on.

The trunk stays frozen, and Adam moves the ``STYLE_LENGTH`` numbers alone, as proposed in Dumoulin
et al. 2017 ("A Learned Representation for Artistic Style", section 3.3): what they share is in the
trunk already. The loss is that of the training: Gram matrices of the painting at two scales.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from framewright.errors import ScorerOptionError
from framewright.scorers.fast.network import ConditionalStyleNet
from framewright.scorers.fast.weights import load_weights

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["FIT_VERSION", "Encoder", "fit_style", "load_encoder"]

FIT_VERSION = "1"
"""Changes whenever the same painting would get other numbers."""

Encoder = Callable[["Tensor"], list["Tensor"]]
"""Takes pictures (N, 3, H, W) in [0, 1]; gives what conv1_1, conv1_2, conv2_1, conv2_2 and conv3_1
of VGG-19 give before their ReLU."""

_STEPS = 60
_RATE = 0.03
_BATCH = 2
_SIDE = 160
_STYLE_MAPS = (0, 2, 4)
_CONTENT_MAP = 4
_STYLE_WEIGHT, _CONTENT_WEIGHT = 6.0, 1.0
_PAINTING_SIDE = 512
"""Longest side of the painting that is looked at, in pixels."""

_SMALLEST = 16
"""Pixels of the shortest side that the encoder takes."""

_SHAPES = 60
"""Discs on each of the pictures that are painted during the fit."""


def load_encoder() -> Encoder:
    """Return the network that the fit looks through.

    Raises:
        ScorerOptionError: there is none.
    """
    raise ScorerOptionError(
        "this release has no encoder to fit a style with; use one of the shipped styles."
    )


def fit_style(painting: Tensor, progress: Callable[[int, int], None]) -> Tensor:
    """Find the style vector of a painting.

    Args:
        painting: (1, 3, H, W), RGB in [0, 1], sRGB-encoded.
        progress: told the steps done and their number.

    Returns:
        The vector, shape (STYLE_LENGTH,), float32.
    """
    encoder = load_encoder()
    trunk, vectors = load_weights()
    net = ConditionalStyleNet()
    net.load_state_dict(trunk)
    net.eval().requires_grad_(False)
    dice = torch.Generator().manual_seed(0)
    with torch.no_grad():
        wanted = _statistics(_style_maps(encoder, _sized(painting)))
    style = torch.stack(list(vectors.values())).mean(dim=0).requires_grad_()
    adam = torch.optim.Adam([style], _RATE)
    for step in range(_STEPS):
        progress(step, _STEPS)
        contents = _dead_leaves(dice)
        with torch.no_grad():
            seen = encoder(contents)[_CONTENT_MAP]
        painted = net(contents, style)
        maps = encoder(painted)
        loss = _STYLE_WEIGHT * _distance(_statistics(_style_maps(encoder, painted, maps)), wanted)
        error = (maps[_CONTENT_MAP] - seen).square().mean() / seen.square().mean().clamp_min(1e-3)
        adam.zero_grad()
        torch.autograd.backward(loss + _CONTENT_WEIGHT * error)
        adam.step()
    progress(_STEPS, _STEPS)
    return style.detach()


def _style_maps(
    encoder: Encoder, pictures: Tensor, maps: list[Tensor] | None = None
) -> list[Tensor]:
    maps = [*(maps or encoder(pictures)), *encoder(F.avg_pool2d(pictures, 2))]
    return [F.relu(maps[offset + place]) for offset in (0, 5) for place in _STYLE_MAPS]


def _statistics(maps: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Gram matrix and covariance of each of the maps."""
    found = []
    for features in maps:
        flat = features.transpose(0, 1).flatten(1)
        gram = flat @ flat.T / flat.shape[1]
        mean = flat.mean(dim=1)
        found.append((gram, gram - mean[:, None] * mean))
    return found


def _distance(have: list[tuple[Tensor, Tensor]], want: list[tuple[Tensor, Tensor]]) -> Tensor:
    terms = [
        (a - b).square().sum() / b.square().sum()
        for had, wanted in zip(have, want, strict=True)
        for a, b in zip(had, wanted, strict=True)
    ]
    return torch.stack(terms).mean()


def _sized(painting: Tensor) -> Tensor:
    """Resize a painting to the size at which its strokes are those that are wanted."""
    factor = _PAINTING_SIDE / max(painting.shape[-2:])
    size = [max(2 * _SMALLEST, round(side * factor)) for side in painting.shape[-2:]]
    return F.interpolate(painting, size, mode="bilinear", antialias=True)


def _dead_leaves(dice: torch.Generator) -> Tensor:
    """Pictures with the edges and empty planes of photos: discs over discs.

    The dead leaves model (Lee, Mumford and Huang 2001): radii by a power law, colours at random.
    """
    ticks = torch.linspace(0, 1, _SIDE)
    rows, columns = ticks[:, None], ticks[None, :]
    pictures = torch.rand(_BATCH, 3, 1, 1, generator=dice).expand(-1, -1, _SIDE, _SIDE).clone()
    for picture in pictures:
        for _ in range(_SHAPES):
            y, x, size, tilt = torch.rand(4, generator=dice).tolist()
            radius = 0.03 / (1 - 0.93 * size)
            color = torch.rand(3, 1, 1, generator=dice)
            inside = (rows - y).square() + (columns - x).square() < radius**2
            shade = (color + 0.3 * (tilt - 0.5) * (rows - y)).clamp(0, 1)
            picture.copy_(torch.where(inside, shade, picture))
    noise = torch.randn(pictures.shape, generator=dice)
    return (pictures + 0.01 * noise).clamp_(0, 1)
