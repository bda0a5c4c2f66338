"""The first three blocks of VGG-19, frozen: what the losses look through.

The file is an ordered dict of a ``Sequential``: entry 0 is a 1x1 convolution that turns RGB in
[0, 1] into mean-free BGR in 0..255, then conv1_1, conv1_2, conv2_1, conv2_2 and conv3_1, whose
weights were scaled so that the mean activation of every channel is one. Between them stand
reflection padding, ReLU, and a 2x2 maximum after each block, which hold no parameters.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["DEPTHS", "SHA256", "VggSlice"]

SHA256 = "ff8506173d3a17e7b0fbfbff242c00b6827cfbcd7c21852b46806ae6a3fd7b09"
"""Hash of the one file that the schedule was tuned with."""

_COLOUR, _CONVS = 0, (2, 5, 9, 12, 16)
_POOL_AFTER = (5, 12)
DEPTHS = (0, 2, 4)
"""Of the five convolutions, those that the losses read: conv1_1, conv2_1, conv3_1."""


class VggSlice(nn.Module):
    """Gives relu1_1, relu2_1 and relu3_1 of pictures (N, 3, H, W) in [0, 1].

    Raises:
        ValueError: the file is not the one that ``SHA256`` names.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != SHA256:
            raise ValueError(f"{path} has sha256 {digest}; expected {SHA256}")
        state = torch.load(path, map_location="cpu", weights_only=True)
        for index in (_COLOUR, *_CONVS):
            self.register_buffer(f"weight{index}", state[f"{index}.weight"])
            self.register_buffer(f"bias{index}", state[f"{index}.bias"])

    def _conv(self, x: Tensor, index: int) -> Tensor:
        return F.conv2d(x, self.get_buffer(f"weight{index}"), self.get_buffer(f"bias{index}"))

    def before_relu(self, pictures: Tensor) -> list[Tensor]:
        """What all five convolutions give: 64, 64, 128, 128 and 256 channels."""
        with torch.autocast("cpu", enabled=False):
            x = self._conv(pictures.float(), _COLOUR)
        kept = []
        for index in _CONVS:
            kept.append(self._conv(F.pad(x, (1, 1, 1, 1), mode="reflect"), index))
            x = F.relu(kept[-1])
            if index in _POOL_AFTER:
                x = F.max_pool2d(x, 2)
        return kept

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Features at three depths: 64, 128 and 256 channels at 1, 1/2 and 1/4 of the size."""
        kept = self.before_relu(pictures)
        return [F.relu(kept[place]) for place in DEPTHS]
