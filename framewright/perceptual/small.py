"""A small encoder, trained to see what the first three blocks of VGG-19 see.

It has 0.25 million parameters where VGG-19 has 0.56 million up to the same depth, and needs less
than half of the multiplications. ``training/train_encoder.py`` distils it (Hinton et al. 2015,
"Distilling the Knowledge in a Neural Network"; here features are matched, as in FitNets, Romero et
al. 2015) and ``weights/encoder-v1.md`` is its model card.
"""

from __future__ import annotations

import functools
import hashlib
from importlib import resources

import torch.nn.functional as F
from safetensors.torch import load
from torch import Tensor, nn

from framewright.perceptual.base import CHANNELS

__all__ = ["SmallEncoder", "encoder_sha256", "load_small_encoder"]

_WIDTHS = (32, 40, 72, 80, 144)
_POOL_AFTER = (1, 3)


class SmallEncoder(nn.Module):
    """Gives five feature maps of pictures, close to VGG-19's before their ReLU.

    They are conv1_1, conv1_2, conv2_1, conv2_2 and conv3_1, scaled so that the mean of every
    channel after ReLU is about one on photos, at 1, 1, 1/2, 1/2 and 1/4 of the size.
    """

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *_WIDTHS[:-1])
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3) for a, b in zip(inputs, _WIDTHS, strict=True))
        self.heads = nn.ModuleList(
            nn.Conv2d(a, b, 1) for a, b in zip(_WIDTHS, CHANNELS, strict=True)
        )

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """See pictures (N, 3, H, W), RGB in [0, 1], sRGB-encoded, H and W of 16 or more."""
        x = (pictures - 0.45) / 0.25
        maps = []
        for place, (conv, head) in enumerate(zip(self.convs, self.heads, strict=True)):
            x = conv(F.pad(x, (1, 1, 1, 1), mode="reflect"))
            x = F.leaky_relu(x, 0.1)
            maps.append(head(x))
            if place in _POOL_AFTER:
                x = F.max_pool2d(x, 2)
        return maps


@functools.cache
def encoder_sha256() -> str:
    """Hash of the shipped weights file, in hexadecimal."""
    return hashlib.sha256(_file()).hexdigest()


def load_small_encoder() -> SmallEncoder:
    """The encoder with the shipped weights, frozen, float32 on the CPU."""
    encoder = SmallEncoder()
    encoder.load_state_dict({name: value.float() for name, value in load(_file()).items()})
    return encoder.eval().requires_grad_(False)


def _file() -> bytes:
    return resources.files(__package__).joinpath("weights", "encoder-v1.safetensors").read_bytes()
