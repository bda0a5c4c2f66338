"""Make the pictures of README and docs: one frame of the demo's clip in every style and knob."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter

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
STYLE = "starry_night"
BOAT = (0.585, 0.305, 0.075)
"""Column, row and radius, as shares of the width."""


def main() -> None:
    """Write one JPEG per style, one for ``color``, a sheet of all, and one of the knobs."""
    OUT.mkdir(exist_ok=True)
    frame = load_frame()
    pictures = {"source": to_image(frame)}
    for style in style_names():
        pictures[f"fast, {style}"] = scored("fast", frame, style=style)
    pictures["color, wave"] = scored("color", frame, style="wave")
    for name, picture in pictures.items():
        picture.save(OUT / f"{name.replace(', ', '-')}.jpg", quality=QUALITY)
    sheet(pictures).save(OUT / "sheet.jpg", quality=QUALITY)
    banner(pictures).save(OUT / "banner.jpg", quality=QUALITY)
    sheet(knobs(frame)).save(OUT / "knobs.jpg", quality=QUALITY)


def knobs(frame: torch.Tensor) -> dict[str, Image.Image]:
    """One style with each of its knobs turned; the mask is a soft disc around the boat."""
    shown = {
        "starry_night": {},
        "strength 0.5": {"strength": 0.5},
        "keep_colors 1": {"keep_colors": 1},
        "stroke_scale 0.5": {"stroke_scale": 0.5},
        "stroke_scale 2": {"stroke_scale": 2},
        "blend with the_scream": {"style": {STYLE: 1, "the_scream": 1}},
    }
    pictures: dict[str, Image.Image] = {}
    for name, options in shown.items():
        pictures[name] = scored("fast", frame, **{"style": STYLE, **options})
    spared = mask(frame.shape[-2], frame.shape[-1])
    pictures["mask: the boat is spared"] = Image.composite(pictures[STYLE], to_image(frame), spared)
    return pictures


def mask(height: int, width: int) -> Image.Image:
    """White, but for a disc with a soft edge."""
    picture = Image.new("L", (width, height), 255)
    x, y, radius = (round(part * width) for part in BOAT)
    ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    return picture.filter(ImageFilter.GaussianBlur(radius / 4))


def load_frame() -> torch.Tensor:
    to_rgb = FrameToRgb(probe(CLIP, get_settings()).color)
    with av.open(str(CLIP)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == FRAME:
                return torch.from_numpy(to_rgb(frame).astype(np.float32) / 255)[None]
    raise ValueError(f"{CLIP} has no frame {FRAME}")


def scored(scorer: str, frame: torch.Tensor, **options: object) -> Image.Image:
    model = create(scorer, options)
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
