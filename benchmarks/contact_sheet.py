"""Photos x paintings, painted by `fast` and, if asked for, by other scorers: to be looked at.

    python -m benchmarks.contact_sheet --photos FILE ... --paintings FILE ... --out sheet.png \
        [--scorer fast gatys] [--beside FOLDER ...] [--width 480]

One row per painting and scorer: the painting, then each photo in its style. A folder of `--beside`
holds what another program made of the same pictures, as ``<photo>__<painting>.png``. Seconds to fit
each painting are appended to ``benchmarks/results.csv`` with `--record`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.record import record
from framewright import scorers
from framewright.scorers.base import Sequential


def load(path: Path, width: int) -> Image.Image:
    """An image of that width, of 3:2, cut in the middle."""
    with Image.open(path) as image:
        rgb = image.convert("RGB")
    height = width * 2 // 3
    scale = max(width / rgb.width, height / rgb.height)
    rgb = rgb.resize(
        (round(rgb.width * scale), round(rgb.height * scale)), Image.Resampling.LANCZOS
    )
    left, top = (rgb.width - width) // 2, (rgb.height - height) // 2
    return rgb.crop((left, top, left + width, top + height))


def tensor_of(image: Image.Image) -> Tensor:
    """Return (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)[None]


def painted(scorer: scorers.Scorer, photo: Image.Image) -> Image.Image:
    """What a scorer that is set up makes of a photo."""
    if isinstance(scorer, Sequential):
        scorer.begin(0)
    with torch.inference_mode():
        result = scorer.score(tensor_of(photo))[0].permute(1, 2, 0).clamp(0, 1)
    return Image.fromarray((result * 255).round().to(torch.uint8).numpy())


def main(argv: Sequence[str] | None = None) -> None:
    """Make the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--photos", type=Path, nargs="+", required=True)
    parser.add_argument("--paintings", type=Path, nargs="+", required=True)
    parser.add_argument("--scorer", nargs="+", default=["fast"])
    parser.add_argument("--beside", type=Path, nargs="*", default=[])
    parser.add_argument("--width", type=int, default=480)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--record", action="store_true", help="append the seconds")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    photos = [load(path, arguments.width) for path in arguments.photos]
    rows: list[list[Image.Image]] = [[Image.new("RGB", photos[0].size, "white"), *photos]]
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as cache:
        os.environ["FRAMEWRIGHT_CACHE_FOLDER"] = cache  # every painting is fitted, none remembered
        for painting in arguments.paintings:
            shown = load(painting, arguments.width)
            for name in arguments.scorer:
                started = time.perf_counter()
                scorer = scorers.create(name, {"style": str(painting)})
                if not isinstance(scorer, scorers.Scorer):
                    raise SystemExit(f"{name} makes records, not pictures.")
                if name == "fast":
                    seconds.append(time.perf_counter() - started)
                scorer.setup(torch.device("cpu"), threads=arguments.threads)
                rows.append([shown, *(painted(scorer, photo) for photo in photos)])
            for folder in arguments.beside:
                files = (folder / f"{p.stem}__{painting.stem}.png" for p in arguments.photos)
                rows.append([shown, *(load(file, arguments.width) for file in files)])
    width, height = photos[0].size
    sheet = Image.new("RGB", (width * len(rows[0]), height * len(rows)))
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(picture, (x * width, y * height))
    sheet.save(arguments.out)
    if arguments.record and seconds:
        note = f"{len(seconds)} paintings, {arguments.threads} threads, nothing cached"
        rows_out = [("median", sorted(seconds)[len(seconds) // 2], "s", note),
                    ("longest", max(seconds), "s", note)]  # fmt: skip
        record("fit", "paintings given as image files", rows_out)


if __name__ == "__main__":
    main()
