"""Fits the style vector of a painting that the network was not trained on.

The trunk stays frozen, and Adam moves the ``STYLE_LENGTH`` numbers alone, as proposed in Dumoulin
et al. 2017 ("A Learned Representation for Artistic Style", section 3.3): what they share is in the
trunk already. It begins at the predictor's guess or at the shipped painting that is nearer, and
looks at pictures and painting through the small encoder, so nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from framewright.perceptual.small import SmallEncoder, load_small_encoder
from framewright.scorers.fast.colours import (
    Colours,
    layout_distance,
    luma_distance,
    palette_distance,
)
from framewright.scorers.fast.leaves import dead_leaves
from framewright.scorers.fast.network import ConditionalStyleNet
from framewright.scorers.fast.predictor import StylePredictor, style_statistics
from framewright.scorers.fast.weights import load_predictor, load_weights
from framewright.scorers.runtime import cpu_has_bf16

__all__ = ["FIT_VERSION", "Networks", "fit_style", "shipped_networks"]

FIT_VERSION = "4"
"""Changes whenever the same painting would get other numbers."""

_PAINTING_SIDE = 520
"""Square root of the pixels at which the losses see the painting: strokes grow with it."""

_STEPS = 60
_RATE = 0.03
_BATCH, _SIDE = 2, 160
_CONTENTS = 24
_STYLE, _CONTENT, _SMOOTH = 10.0, 1.5, 0.05
_LUMA, _PALETTE, _LAYOUT = 4.0, 4.0, 2.0
"""Weights of the colours themselves: with textures alone pictures come out pale."""

_STEADY, _SHIFT, _NOISE = 300.0, 4, 0.02
_DEPTHS = (0, 2, 4)


@dataclass(frozen=True)
class _Target:
    """What pictures in a painting's style have in common with it."""

    textures: list[tuple[Tensor, Tensor]]
    """Gram matrix and covariance of the features, (N, C, C), at each scale and depth."""

    colours: Colours
    """Those of the painting, N of 1."""


@dataclass(frozen=True)
class Networks:
    """What a fit works with; all frozen."""

    net: ConditionalStyleNet
    predictor: StylePredictor
    named: Tensor
    """(S, STYLE_LENGTH): vectors from which a fit may start."""

    encoder: SmallEncoder

    @classmethod
    def of(
        cls, trunk: dict[str, Tensor], predictor: dict[str, Tensor], named: Iterable[Tensor]
    ) -> Networks:
        """Build them from their weights, with the shipped encoder."""
        built = cls(
            ConditionalStyleNet(), StylePredictor(), torch.stack([*named]), load_small_encoder()
        )
        built.net.load_state_dict(trunk)
        built.predictor.load_state_dict(predictor)
        built.net.eval().requires_grad_(False)
        built.predictor.eval().requires_grad_(False)
        return built


def shipped_networks() -> Networks:
    """The networks that come with the package."""
    trunk, named = load_weights()
    return Networks.of(trunk, load_predictor(), named.values())


def fit_style(
    painting: Tensor,
    progress: Callable[[int, int], None],
    networks: Networks | None = None,
) -> Tensor:
    """Find the style vector of a painting.

    Args:
        painting: (1, 3, H, W), RGB in [0, 1], sRGB-encoded.
        progress: told the steps done and their number.
        networks: what to fit with; the shipped ones if None.

    Returns:
        The vector, shape (STYLE_LENGTH,), float32.
    """
    with _one_thread():
        return _fitted(painting, progress, networks or shipped_networks())


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread, and give the process its number of threads back.

    Two threads of such small operations wait for each other by spinning: faster where each has a
    core to itself, and twice the CPU time or far more where it has not. One thread costs the same
    on any machine, and gives the same numbers however many cores there are.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _fitted(painting: Tensor, progress: Callable[[int, int], None], networks: Networks) -> Tensor:
    painting = _sized(painting)
    contents = dead_leaves(_CONTENTS, 2 * _SIDE, seed=0)
    with torch.no_grad():
        seen = _seen(networks.encoder, painting)
        wanted = _Target(_statistics(*seen), Colours.of(painting))
        style = _start(networks, networks.predictor(style_statistics(*seen)), wanted, contents)
    style.requires_grad_()
    adam = torch.optim.Adam([style], _RATE)
    dice = torch.Generator().manual_seed(0)
    for step in range(_STEPS):
        progress(step, _STEPS)
        adam.param_groups[0]["lr"] = _RATE * (1 - 0.9 * step / _STEPS)
        drawn = _drawn(contents, dice)
        loss, painted = _loss(networks, style, drawn, wanted)
        if step % 2:
            loss = loss + _STEADY * _unsteadiness(networks.net, style, drawn, painted, dice)
        adam.zero_grad()
        torch.autograd.backward(loss)
        adam.step()
    progress(_STEPS, _STEPS)
    return style.detach()


def _unsteadiness(
    net: ConditionalStyleNet,
    style: Tensor,
    contents: Tensor,
    painted: Tensor,
    dice: torch.Generator,
) -> Tensor:
    """Mean square difference of what is painted of contents, and of them moved and with noise.

    It is what flickers in a video: the steadiness that the trunk was trained for must not be lost.
    """
    dy, dx = torch.randint(1, _SHIFT + 1, (2,), generator=dice).tolist()
    noise = _NOISE * torch.randn(contents.shape, generator=dice)
    moved = (contents.roll((-dy, -dx), (2, 3)) + noise).clamp(0, 1)
    with torch.autocast("cpu", torch.bfloat16, enabled=cpu_has_bf16()):
        again = net(moved, style).float()
    inner = slice(_SHIFT + 8, -_SHIFT - 8)
    difference = painted.roll((-dy, -dx), (2, 3)) - again
    unsteady: Tensor = difference[..., inner, inner].square().mean()
    return unsteady


def _start(networks: Networks, guess: Tensor, wanted: _Target, contents: Tensor) -> Tensor:
    """The best of the predictor's guess (1, STYLE_LENGTH) and the shipped styles."""
    drawn = contents[:_BATCH, :, :_SIDE, :_SIDE]
    candidates = torch.cat([guess, networks.named])
    losses = [float(_loss(networks, style, drawn, wanted)[0]) for style in candidates]
    return candidates[losses.index(min(losses))].clone()


def _loss(
    networks: Networks, style: Tensor, contents: Tensor, wanted: _Target
) -> tuple[Tensor, Tensor]:
    """The loss of the training, and of the colours, on contents (N, 3, H, W); and the pictures."""
    net, encoder = networks.net, networks.encoder
    with torch.autocast("cpu", torch.bfloat16, enabled=cpu_has_bf16()):
        with torch.no_grad():
            kept = encoder(contents)[-1].float().relu()
        painted = net(contents, style).float()
        maps, half = _seen(encoder, painted)
    far = _distance(_statistics(maps, half), wanted.textures)
    lost = (maps[-1].float().relu() - kept).square().mean() / kept.square().mean().clamp_min(1e-3)
    rough = (painted.diff(dim=-1)).abs().mean() + (painted.diff(dim=-2)).abs().mean()
    total: Tensor = _STYLE * far + _CONTENT * lost + _SMOOTH * rough
    colours = Colours.of(painted)
    total = total + _LUMA * luma_distance(colours, wanted.colours)
    total = total + _PALETTE * palette_distance(colours, wanted.colours)
    total = total + _LAYOUT * layout_distance(contents, painted, wanted.colours).mean()
    return total, painted


def _seen(encoder: SmallEncoder, pictures: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """What the encoder sees in pictures, and in the same at half the size."""
    return encoder(pictures), encoder(F.avg_pool2d(pictures, 2))


def _statistics(maps: list[Tensor], half: list[Tensor]) -> list[tuple[Tensor, Tensor]]:
    found = []
    for features in [scale[depth] for scale in (maps, half) for depth in _DEPTHS]:
        flat = features.float().relu().flatten(2)
        mean = flat.mean(dim=2)
        gram = flat @ flat.transpose(1, 2) / flat.shape[2]
        found.append((gram, gram - mean[:, :, None] * mean[:, None, :]))
    return found


def _distance(have: list[tuple[Tensor, Tensor]], want: list[tuple[Tensor, Tensor]]) -> Tensor:
    terms = [
        (a - b).square().sum(dim=(1, 2)).mean() / b.square().sum()
        for had, wanted in zip(have, want, strict=True)
        for a, b in zip(had, wanted, strict=True)
    ]
    return torch.stack(terms).mean()


def _drawn(contents: Tensor, dice: torch.Generator) -> Tensor:
    """A batch of crops of some of the contents."""
    some = torch.randint(len(contents), (_BATCH,), generator=dice)
    top, left = torch.randint(_SIDE + 1, (2,), generator=dice).tolist()
    return contents[some, :, top : top + _SIDE, left : left + _SIDE]


def _sized(painting: Tensor) -> Tensor:
    """The painting with ``_PAINTING_SIDE**2`` pixels, no side shorter than the encoder needs."""
    height, width = painting.shape[-2:]
    scale = _PAINTING_SIDE / (height * width) ** 0.5
    size = (max(64, round(height * scale)), max(64, round(width * scale)))
    return F.interpolate(painting, size, mode="bilinear", antialias=True).clamp(0, 1)
