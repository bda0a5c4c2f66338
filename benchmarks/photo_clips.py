"""Two clips made of photos, whose motion is known and whose noise is that of a camera.

    python -m benchmarks.photo_clips FOLDER WALL DISC VIEW [--frames 34 --size 320x180]

``pan-WALL.mkv`` moves along that photo by 1.5 pixels a frame, and a disc cut out of DISC crosses it
the other way; noise of 2.5 levels of 255. ``zoom-VIEW.mkv`` moves along a photo and into it; noise
of 4. Both are lossless, and the same each time. Measure with ``benchmarks.stability``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
"""Shape (H, W, 3)."""
Size = tuple[int, int]
"""Width and height, in pixels."""

OVER = 2
"""Pictures are drawn so many times as large and shrunk: nothing is aliased."""
PAN = (1.5, 0.25)
"""Of the view, in pixels a frame, to the right and down."""
ROLL = 2.0
"""Of the disc in the picture, in pixels a frame, to the right."""
DISC = 0.22
"""Radius, in heights of the picture."""
ZOOM = 1.006
"""From one frame to the next."""
DRIFT = (0.8, 0.3)
"""Of the view that is zoomed into, in pixels a frame."""
NOISE = {"pan": 2.5, "zoom": 4.0}
"""Standard deviation, in levels of 255."""


def pan(wall: Rgb, disc: Rgb, frames: int, size: Size) -> Iterator[Rgb]:
    """Move along a photo, and let a disc of another one cross the picture."""
    width, height = OVER * size[0], OVER * size[1]
    way = [OVER * step * frames for step in PAN]
    ground = covering(wall, (round(width + way[0]), round(height + way[1])))
    radius = round(DISC * height)
    ball = covering(disc, (2 * radius, 2 * radius))
    rows, columns = np.mgrid[: 2 * radius, : 2 * radius] + 0.5
    inside = np.hypot(columns - radius, rows - radius) < radius
    for number in range(frames):
        picture = seen(ground, (width, height), [OVER * step * number for step in PAN], 1.0)
        left, top = round(width / 8 + OVER * ROLL * number), (height - 2 * radius) // 2
        place = picture[top : top + 2 * radius, left : left + 2 * radius]
        part = inside[:, : place.shape[1]]
        place[part] = ball[:, : place.shape[1]][part]
        yield shrunk(picture, size)


def zoom(view: Rgb, frames: int, size: Size) -> Iterator[Rgb]:
    """Move along a photo and into it."""
    width, height = OVER * size[0], OVER * size[1]
    way = [OVER * step * frames for step in DRIFT]
    ground = covering(view, (round(width + way[0]), round(height + way[1])))
    for number in range(frames):
        corner = [OVER * step * number for step in DRIFT]
        yield shrunk(seen(ground, (width, height), corner, ZOOM**number), size)


def covering(photo: Rgb, size: Size) -> Rgb:
    """The middle of a photo, at the scale at which it covers a size."""
    scale = max(size[0] / photo.shape[1], size[1] / photo.shape[0])
    scaled = (
        max(size[0], round(photo.shape[1] * scale)),
        max(size[1], round(photo.shape[0] * scale)),
    )
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = cv2.resize(photo, scaled, interpolation=how).astype(np.uint8, copy=False)
    left, top = (scaled[0] - size[0]) // 2, (scaled[1] - size[1]) // 2
    return picture[top : top + size[1], left : left + size[0]]


def seen(ground: Rgb, size: Size, corner: Sequence[float], scale: float) -> Rgb:
    """A view of a picture: its upper left corner there, enlarged around its own middle."""
    shift = [scale * -at + (1 - scale) * side / 2 for at, side in zip(corner, size, strict=True)]
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]], np.float64)
    picture = cv2.warpAffine(
        ground, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return picture.astype(np.uint8, copy=False)


def shrunk(picture: Rgb, size: Size) -> Rgb:
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def noisy(pictures: Iterator[Rgb], deviation: float) -> Iterator[Rgb]:
    """Add noise that is another in each frame, and the same each time."""
    generator = np.random.default_rng(0)
    for picture in pictures:
        noise = generator.normal(0, deviation, picture.shape)
        yield np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def write(path: Path, pictures: Iterator[Rgb], size: Size) -> None:
    """Write pictures as FFV1, without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = "bgr0"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def read(path: Path) -> Rgb:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise SystemExit(f"{path} is no photo that can be read.")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def main(argv: Sequence[str] | None = None) -> None:
    """Make both clips."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    for name in ("wall", "disc", "view"):
        parser.add_argument(name, type=Path, help="a photo")
    parser.add_argument("--frames", type=int, default=34)
    parser.add_argument("--size", default="320x180")
    arguments = parser.parse_args(argv)
    width, _, height = arguments.size.partition("x")
    size, frames = (int(width), int(height)), arguments.frames
    clips = {
        ("pan", arguments.wall.stem): pan(read(arguments.wall), read(arguments.disc), frames, size),
        ("zoom", arguments.view.stem): zoom(read(arguments.view), frames, size),
    }
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for (name, photo), pictures in clips.items():
        write(arguments.folder / f"{name}-{photo}.mkv", noisy(pictures, NOISE[name]), size)


if __name__ == "__main__":
    main()
