"""Contact sheets: what the losses do not say."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from framewright.scorers.fast.network import ConditionalStyleNet

__all__ = ["contact_sheet", "paint"]

_PHOTOS = ("kodim21.png", "kodim07.png")
_SIZE = (480, 320)
_COLUMNS = 3


def contact_sheet(net: ConditionalStyleNet, styles: Tensor, arguments: argparse.Namespace) -> None:
    """Write ``sheet.png`` into ``--out``: two photos, each followed by all styles."""
    cells = []
    for name in _PHOTOS:
        cells += paint(net, styles, arguments.photos / name, _SIZE)
    rows = -(-len(cells) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * _SIZE[0], rows * _SIZE[1]))
    for i, cell in enumerate(cells):
        sheet.paste(cell, (i % _COLUMNS * _SIZE[0], i // _COLUMNS * _SIZE[1]))
    sheet.save(arguments.out / "sheet.png")


@torch.no_grad()
def paint(
    net: ConditionalStyleNet, styles: Tensor, photo: Path, size: tuple[int, int]
) -> list[Image.Image]:
    """The photo at (width, height), then painted in each of the styles (S, STYLE_LENGTH)."""
    with Image.open(photo) as image:
        source = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    pixels = np.asarray(source, dtype=np.float32) / 255
    frame = torch.from_numpy(pixels).permute(2, 0, 1)[None]
    painted = [source]
    for style in styles:
        result = net(frame, style)[0].permute(1, 2, 0)
        painted.append(Image.fromarray((result * 255).round().to(torch.uint8).numpy()))
    return painted
