"""Make the pictures of README and docs: one frame of the demo's clip in every style."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image, ImageDraw

from framewright.media.color import FrameToRgb
from framewright.media.probe import probe
from framewright.scorers import create
from framewright.scorers.fast.weights import style_names
from framewright.settings import get_settings

ROOT = Path(__file__).parent.parent
CLIP = ROOT / "demo" / "sample.mp4"
OUT = ROOT / "docs" / "pictures"
FRAME = 170
COLUMNS = 3
QUALITY = 88
LABEL_PX = 22


def main() -> None:
    """Write one JPEG per style, one for ``color``, and a sheet of all."""
    OUT.mkdir(exist_ok=True)
    frame = load_frame()
    pictures = {"source": to_image(frame)}
    for style in style_names():
        pictures[f"fast, {style}"] = scored("fast", style, frame)
    pictures["color, wave"] = scored("color", "wave", frame)
    for name, picture in pictures.items():
        picture.save(OUT / f"{name.replace(', ', '-')}.jpg", quality=QUALITY)
    sheet(pictures).save(OUT / "sheet.jpg", quality=QUALITY)
    banner(pictures).save(OUT / "banner.jpg", quality=QUALITY)


def load_frame() -> torch.Tensor:
    to_rgb = FrameToRgb(probe(CLIP, get_settings()).color)
    with av.open(str(CLIP)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == FRAME:
                return torch.from_numpy(to_rgb(frame).astype(np.float32) / 255)[None]
    raise ValueError(f"{CLIP} has no frame {FRAME}")


def scored(scorer: str, style: str, frame: torch.Tensor) -> Image.Image:
    model = create(scorer, {"style": style})
    model.setup(torch.device("cpu"), 1)
    with torch.inference_mode():
        return to_image(model.score(frame))


def to_image(frames: torch.Tensor) -> Image.Image:
    pixels = frames[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0)
    return Image.fromarray(pixels.numpy())


def sheet(pictures: dict[str, Image.Image]) -> Image.Image:
    width, height = next(iter(pictures.values())).size
    cell = height + LABEL_PX
    rows = -(-len(pictures) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * width, rows * cell), "white")
    draw = ImageDraw.Draw(page)
    for number, (name, picture) in enumerate(pictures.items()):
        left, top = number % COLUMNS * width, number // COLUMNS * cell
        page.paste(picture, (left, top + LABEL_PX))
        draw.text((left + 6, top + 5), name, fill="black", font_size=14)
    return page.resize((page.width * 2 // 3, page.height * 2 // 3), Image.Resampling.LANCZOS)


def banner(pictures: dict[str, Image.Image]) -> Image.Image:
    """Source and two styles side by side, for the top of the README."""
    chosen = [pictures[name] for name in ("source", "fast, starry_night", "fast, wave")]
    width, height = chosen[0].size
    strip = Image.new("RGB", (3 * width, height))
    for number, picture in enumerate(chosen):
        strip.paste(picture, (number * width, 0))
    return strip.resize((strip.width * 2 // 3, strip.height * 2 // 3), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
