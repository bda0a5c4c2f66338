"""A clip of bright squares that move over black, and a scorer of records that finds them exactly.

Frames have none, one or two squares; times are uneven, frames reordered, keyframes nine apart.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.video.frame import VideoFrame

from framewright.scorers.base import Column
from framewright.types import ScorerIdentity

__all__ = ["COUNT", "HEIGHT", "TIME_BASE", "WIDTH", "Finder", "boxes", "moving_squares", "ticks"]

WIDTH, HEIGHT, COUNT, SIDE = 96, 80, 22, 10
TIME_BASE = Fraction(1, 12800)

EDGES = ("x0", "y0", "x1", "y1")
Box = tuple[float, float, float, float]


class Finder:
    """Records the box of every bright spot."""

    identity = ScorerIdentity(name="finder", version="1", result="records")
    context_frames = 0
    columns = tuple(
        Column(name, "float32", "an edge in pixels") for name in ("x0", "y0", "x1", "y1")
    )

    def setup(self, device: torch.device, threads: int) -> None:
        """Nothing to load."""

    def record(self, frames: torch.Tensor) -> list[list[dict[str, float]]]:
        return [self._spots(frame.mean(0) > 0.5) for frame in frames]

    def _spots(self, bright: torch.Tensor) -> list[dict[str, float]]:
        found = []
        columns = bright.any(0).nonzero().flatten().tolist()
        for _, run in groupby(enumerate(columns), lambda pair: pair[1] - pair[0]):
            xs = [x for _, x in run]
            ys = bright[:, xs[0]].nonzero().flatten().tolist()
            box = (xs[0], ys[0], xs[-1] + 1, ys[-1] + 1)
            found.append(dict(zip(EDGES, map(float, box), strict=True)))
        return found


def boxes(number: int) -> list[Box]:
    """Where the squares of a frame are, from left to right."""
    x, y = 2 * (number % 10), 2 * (number % 8)
    places = [[], [(x, y)], [(x, y), (x + 50, y + 40)]][number % 3]
    return [(a, b, a + SIDE, b + SIDE) for a, b in places]


def ticks() -> list[int]:
    """Time stamps of the frames: three steps in turn."""
    steps = [512, 640, 384]
    return [sum(steps[i % 3] for i in range(number)) for number in range(COUNT)]


def moving_squares(path: Path, count: int = COUNT) -> Path:
    """Write the first frames of the clip as MP4, in H.264 with B-frames."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = stream.codec_context.time_base = TIME_BASE
        stream.options = {"crf": "5", "x264-params": "keyint=9:scenecut=0:bframes=3:threads=1"}
        for number, tick in zip(range(count), ticks(), strict=False):
            picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            for x0, y0, x1, y1 in boxes(number):
                picture[y0:y1, x0:x1] = 255
            frame = VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = tick, TIME_BASE
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path
