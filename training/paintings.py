"""The paintings, and how large each is shown to the losses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

__all__ = ["PAINTINGS", "Painting", "load_painting", "statistics"]


@dataclass(frozen=True)
class Painting:
    """One style and where it comes from."""

    name: str
    """What users call the style."""

    file: str
    """File name in the folder of paintings."""

    title: str
    artist: str
    year: str
    died: int
    """Year of the artist's death, on which the public-domain status rests."""

    side: int = 520
    """Square root of the pixels at which the losses see the painting: strokes grow with it."""


PAINTINGS = (
    Painting("starry_night", "vg_starry_night.jpg", "The Starry Night", "Vincent van Gogh", "1889",
             1890),
    Painting("la_cafe", "vg_la_cafe.jpg", "The Night Café", "Vincent van Gogh", "1888", 1890),
    Painting("olive_trees", "vg_olive.jpg", "Olive Trees", "Vincent van Gogh", "1889", 1890),
    Painting("tahiti", "tahiti_guaguin.jpg", "Scene in Tahiti (exact title not recorded)",
             "Paul Gauguin", "1891-1903", 1903),
    Painting("the_scream", "the_scream.jpg", "The Scream", "Edvard Munch", "1893", 1944, side=480),
    Painting("wave", "wave.jpg", "The Great Wave off Kanagawa", "Katsushika Hokusai", "c. 1831",
             1849),
    Painting("minotaur", "the_shipwreck_of_the_minotaur.jpg", "The Shipwreck of the Minotaur",
             "J. M. W. Turner", "c. 1810", 1851),
    Painting("composition_vii", "composition_vii.jpg", "Composition VII", "Wassily Kandinsky",
             "1913", 1944),
)  # fmt: skip
"""The order is the order of the rows of the style table while training."""


def load_painting(painting: Painting, folder: Path) -> Tensor:
    """The painting at the size of ``Painting.side``: (1, 3, H, W) in [0, 1]."""
    with Image.open(folder / painting.file) as image:
        rgb = image.convert("RGB")
    scale = painting.side / (rgb.width * rgb.height) ** 0.5
    size = (round(rgb.width * scale), round(rgb.height * scale))
    pixels = np.asarray(rgb.resize(size, Image.Resampling.LANCZOS), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous()


def statistics(painting: Painting, folder: Path) -> tuple[list[float], list[list[float]]]:
    """Mean (3) and covariance (3x3) of the painting's sRGB-encoded pixels in [0, 1]."""
    with Image.open(folder / painting.file) as image:
        pixels = np.asarray(image.convert("RGB"), dtype=np.float64).reshape(-1, 3) / 255
    covariance = np.cov(pixels, rowvar=False)
    return (
        [round(float(v), 8) for v in pixels.mean(axis=0)],
        [[round(float(v), 10) for v in row] for row in covariance],
    )
