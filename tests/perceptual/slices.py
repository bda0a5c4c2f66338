"""Networks of random weights, in the forms in which VGG-19 comes."""

from __future__ import annotations

import io
from functools import cache

import torch
from torch import Tensor

from framewright.perceptual.base import CHANNELS
from framewright.perceptual.slices import slice_of

__all__ = ["random_slice", "saved", "torchvision_state"]


def torchvision_state(seed: int = 0) -> dict[str, Tensor]:
    """The parameters that are needed of torchvision's VGG-19, and one that is not."""
    dice = torch.Generator().manual_seed(seed)
    state = {"classifier.6.bias": torch.zeros(10)}
    inputs = (3, *CHANNELS[:-1])
    for number, taken, given in zip((0, 2, 5, 7, 10), inputs, CHANNELS, strict=True):
        weight = torch.randn(given, taken, 3, 3, generator=dice) * (2 / (9 * taken)) ** 0.5
        state[f"features.{number}.weight"] = weight
        state[f"features.{number}.bias"] = 0.1 * torch.randn(given, generator=dice)
    return state


@cache
def random_slice(seed: int = 0) -> bytes:
    """A slice of such a network."""
    return slice_of(torchvision_state(seed))


def saved(state: object) -> bytes:
    """What torch.save writes."""
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getvalue()
