"""Flicker, detail and cost of stabilised pictures, with the fast scorer.

    python -m benchmarks.stability CLIP... [--styles starry_night wave] [--first 0 --frames 34]

Flicker is relative to the source's, detail to the per-frame output's, the latter without the first
8 frames, in which the history grows. The cost is CPU time of one thread, the smallest of all
frames. Appends to ``benchmarks/results.csv``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.record import record
from framewright.scorers.fast.scorer import FastScorer
from framewright.steady.measure import FlickerMeter, fine_detail
from framewright.steady.stabiliser import Stabiliser

Rgb = NDArray[np.uint8]
Measure = Callable[[Path, str, argparse.Namespace], None]
Argv = Sequence[str] | None
GROWING = 8


def frames_of(path: Path, first: int, count: int, width: int) -> Iterator[Rgb]:
    with av.open(str(path)) as container:
        for frame in islice(container.decode(video=0), first, first + count):
            picture = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
            if width:
                size = (width, round(picture.shape[0] * width / picture.shape[1]))
                scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
                picture = scaled.astype(np.uint8, copy=False)
            yield picture


def painted(scorer: FastScorer, frame: Rgb) -> Rgb:
    """The scorer's picture of a frame, both of shape (3, H, W)."""
    scored = scorer.score(torch.from_numpy(frame)[None].float() / 255)[0].clamp(0, 1)
    picture: Rgb = (scored * 255).round().byte().numpy()
    return picture


def measure(path: Path, style: str, arguments: argparse.Namespace) -> None:
    scorer, stabiliser, meter = FastScorer(style), Stabiliser(arguments.stability), FlickerMeter()
    scorer.setup(torch.device("cpu"), 1)
    details, seconds, shape = [0.0, 0.0], [], (0, 0)
    held = np.empty(0, np.uint8)
    frames = frames_of(path, arguments.first, arguments.frames, arguments.width)
    for number, frame in enumerate(frames):
        given = np.ascontiguousarray(frame.transpose(2, 0, 1))
        picture = painted(scorer, given)
        started = time.thread_time()
        steady = stabiliser(given, picture)
        seconds.append(time.thread_time() - started)
        pictures: list[Rgb] = [
            np.ascontiguousarray(each.transpose(1, 2, 0)) for each in (picture, steady)
        ]
        held = held if number else pictures[0]
        meter.add(frame, *pictures, held)
        shape = frame.shape[:2]
        for place, each in enumerate(pictures):
            details[place] += fine_detail(each) if number >= GROWING else 0.0
    source, before, after, still = meter.flickers
    last = arguments.first + arguments.frames
    shown = Path(style).name
    note = f"frames [{arguments.first}, {last}), {meter.cuts} cuts, source {source:.2f} of 255"
    record(
        "stability",
        f"{path.name} {shape[1]}x{shape[0]}",
        [
            (f"{shown}, per frame", before / source, "x source", note),
            (f"{shown}, stability {arguments.stability:g}", after / source, "x source", note),
            (f"{shown}, first picture held", still / source, "x source", "it never changes"),
            (f"{shown}, detail kept", details[1] / details[0], "ratio", note),
            ("stabiliser, 1 thread", 1000 * min(seconds[1:]), "ms/frame", "CPU time, smallest"),
        ],
    )


def run_on_clips(measure: Measure, description: str, frames: int, argv: Argv) -> None:
    """Call ``measure`` for each clip and style that the command line names, on one thread."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--styles", nargs="+", default=["starry_night"])
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--frames", type=int, default=frames)
    parser.add_argument("--width", type=int, default=0, help="scale frames to it; 0 for their own")
    parser.add_argument("--stability", type=float, default=0.95)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    for path in arguments.clips:
        for style in arguments.styles:
            measure(path, style, arguments)


def main(argv: Argv = None) -> None:
    """Measure."""
    run_on_clips(measure, "Flicker of `fast`, with and without the stabiliser.", 34, argv)


if __name__ == "__main__":
    main()
