"""A painting's style numbers in one step, as a start for the fit.

After Ghiasi et al. 2017 ("Exploring the structure of a real-time, arbitrary neural artistic
stylization network"), with the statistics of an encoder's features in the place of their deep
network: what a style loss compares is what the prediction is made from.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framewright.perceptual.base import CHANNELS
from framewright.scorers.fast.network import STYLE_LENGTH

__all__ = ["STATISTICS", "StylePredictor", "style_statistics"]

_DEPTHS = (0, 2, 4)
"""Of the encoder's five maps: conv1_1, conv2_1, conv3_1."""

STATISTICS = 2 * sum(CHANNELS[depth] for depth in _DEPTHS) + 2 * CHANNELS[-1]
"""Numbers that ``style_statistics`` gives for a painting."""

_HIDDEN = 160


def style_statistics(maps: Sequence[Tensor], half: Sequence[Tensor]) -> Tensor:
    """Means and deviations of the channels of what an encoder sees in paintings.

    Args:
        maps: five feature maps before ReLU, of the paintings (N, 3, H, W).
        half: the same of the paintings at half the size.

    Returns:
        (N, STATISTICS), compressed by a logarithm.
    """
    chosen = [*(maps[depth] for depth in _DEPTHS), half[-1]]
    flat = [F.relu(features.float()).flatten(2) for features in chosen]
    numbers = [value for f in flat for value in (f.mean(dim=2), f.std(dim=2))]
    return torch.log1p(torch.cat(numbers, dim=1))


class StylePredictor(nn.Module):
    """Statistics of paintings (N, STATISTICS) in, style vectors (N, STYLE_LENGTH) out."""

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(STATISTICS))
        self.register_buffer("deviation", torch.ones(STATISTICS))
        self.hidden = nn.Linear(STATISTICS, _HIDDEN)
        self.out = nn.Linear(_HIDDEN, STYLE_LENGTH)

    def forward(self, statistics: Tensor) -> Tensor:
        """Predict."""
        known = ((statistics - self.mean) / self.deviation).clamp(-4, 4)
        return self.out(F.leaky_relu(self.hidden(known), 0.2))  # type: ignore[no-any-return]
