"""What a loss asks of the network it looks through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CHANNELS", "CONTENT_MAP", "Encoder"]

CHANNELS = (64, 64, 128, 128, 256)
"""Of conv1_1, conv1_2, conv2_1, conv2_2 and conv3_1 of VGG-19, the five maps of an encoder."""

CONTENT_MAP = 3
"""Place of conv2_2 among them: the one that says what is to be seen in a picture."""


class Encoder(Protocol):
    """Turns pictures into five maps of features, from fine to coarse."""

    def __call__(self, pictures: Tensor) -> list[Tensor]:
        """Look at pictures.

        Args:
            pictures: (N, 3, H, W), float32, RGB in [0, 1], sRGB-encoded; H and W of 16 or more.

        Returns:
            What conv1_1, conv1_2, conv2_1, conv2_2 and conv3_1 of VGG-19 give before their ReLU:
            ``CHANNELS`` channels at 1, 1, 1/2, 1/2 and 1/4 of the size, rounded down.
        """
