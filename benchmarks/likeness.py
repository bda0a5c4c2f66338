"""How near `fast` comes to paintings that are given as files, and how much of the photos it keeps.

    python -m benchmarks.likeness --vgg FILE --photos FILE ... --paintings FILE ... \
        [--beside FOLDER ...] [--width 480]

Means over the photos; of all figures smaller is better. `colour` is how far the painted colours
are from the painting's (2-Wasserstein between Gaussians in Lab), `style` and `content` are the
losses of the training under VGG-19, `layout` is whether what differs in hue still does. A folder
of `--beside` holds what another program made, as for `benchmarks.contact_sheet`. Appends to
``benchmarks/results.csv``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from benchmarks.contact_sheet import load, painted, tensor_of
from benchmarks.record import record
from framewright.scorers.fast import fit
from framewright.scorers.fast.colours import Colours, layout_distance
from framewright.scorers.fast.scorer import FastScorer
from framewright.scorers.painting import read_painting
from framewright.scorers.transport import matrix_power
from training.losses import content_loss, style_loss, targets
from training.vgg import VggSlice

FIGURES = ("colour", "style", "content", "layout")


def between_colours(first: Tensor, second: Tensor) -> float:
    """2-Wasserstein distance of the Gaussians of two pictures' colours, in units of Lab."""
    (mean, covariance), (other_mean, other) = (_gaussian(each) for each in (first, second))
    root = matrix_power(covariance, 0.5)
    spread = torch.trace(covariance + other - 2 * matrix_power(root @ other @ root, 0.5))
    return float(((mean - other_mean).square().sum() + spread.clamp_min(0)).sqrt())


def _gaussian(picture: Tensor) -> tuple[Tensor, Tensor]:
    rgb = np.ascontiguousarray(picture[0].clamp(0, 1).permute(1, 2, 0).numpy())
    lab = torch.from_numpy(cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)).reshape(-1, 3).double()
    return lab.mean(0), lab.T.cov()


def judged(vgg: VggSlice, painting: Tensor, photos: Sequence[Tensor],
           pictures: Sequence[Tensor]) -> list[float]:  # fmt: skip
    """Means of ``FIGURES`` for what was painted of the photos."""
    wanted, colours = targets(vgg, [painting]), Colours.of(painting)
    rows = []
    for photo, picture in zip(photos, pictures, strict=True):
        features = vgg(picture)
        style = style_loss(vgg, picture, wanted, torch.tensor([0]), features)
        content = content_loss(features[-1], vgg(photo)[-1])
        layout = layout_distance(photo, picture, colours)
        lost = (float(style), float(content), float(layout))
        rows.append((between_colours(picture, painting), *lost))
    return [float(mean) for mean in np.mean(rows, axis=0)]


def main(argv: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--vgg", type=Path, required=True)
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--paintings", type=Path, nargs="+", required=True)
    parser.add_argument("--beside", type=Path, nargs="*", default=[])
    parser.add_argument("--width", type=int, default=480)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    vgg = VggSlice(arguments.vgg)
    shown = [load(path, arguments.width) for path in arguments.photos]
    photos = [tensor_of(image) for image in shown]
    for path in arguments.paintings:
        painting = fit._sized(tensor_of(read_painting(path)))  # as the fit sees it
        scorer = FastScorer(str(path))
        scorer.setup(torch.device("cpu"), threads=1)
        made = {"fast": [tensor_of(painted(scorer, image)) for image in shown]}
        for folder in arguments.beside:
            files = [folder / f"{photo.stem}__{path.stem}.png" for photo in arguments.photos]
            made[folder.name] = [tensor_of(load(file, arguments.width)) for file in files]
        rows = []
        for name, pictures in made.items():
            figures = judged(vgg, painting, photos, pictures)
            note = f"mean of {len(photos)} photos {shown[0].width}x{shown[0].height}"
            rows += [
                (f"{name}, {figure}", value, "distance", note)
                for figure, value in zip(FIGURES, figures, strict=True)
            ]
        record("likeness", path.name, rows)


if __name__ == "__main__":
    main()
