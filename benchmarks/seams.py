"""How much is seen of the cuts between units, with the fast scorer and the stabiliser.

    python -m benchmarks.seams CLIP... [--styles starry_night] [--frames 130 --width 0]

The clip is scored and steadied once as a whole, and again from every twelfth frame on, as a unit
that begins there would be. The step is the mean change from the last picture before the cut to the
first after it, relative to that of the whole clip. Appends to ``benchmarks/results.csv``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.record import record
from benchmarks.stability import Argv, frames_of, painted, run_on_clips
from framewright.scorers.fast.scorer import FastScorer
from framewright.steady.stabiliser import Stabiliser, history_frames

Planes = NDArray[np.uint8]
EVERY = 12
SETTLED = 2
"""Histories after which the whole clip's own is as it would be later."""


def steadied(
    frames: Sequence[Planes], pictures: Sequence[Planes], first: int, stability: float
) -> list[Planes]:
    stabiliser = Stabiliser(stability)
    stabiliser.begin(first)
    return [stabiliser(*pair) for pair in zip(frames, pictures, strict=True)]  # type: ignore[misc]


def apart(one: Planes, other: Planes) -> NDArray[np.int16]:
    difference: NDArray[np.int16] = np.abs(one.astype(np.int16) - other)
    return difference


def measure(path: Path, style: str, arguments: argparse.Namespace) -> None:
    scorer = FastScorer(style)
    scorer.setup(torch.device("cpu"), 1)
    frames, pictures = [], []
    for frame in frames_of(path, arguments.first, arguments.frames, arguments.width):
        frames.append(np.ascontiguousarray(frame.transpose(2, 0, 1)))
        pictures.append(painted(scorer, frames[-1]))
    whole = steadied(frames, pictures, 0, arguments.stability)
    history = history_frames(arguments.stability)
    steps, means, most = [], [], 0
    for cut in range(SETTLED * history, len(frames), EVERY):
        first = cut - history
        unit = steadied(
            frames[first : cut + 1], pictures[first : cut + 1], first, arguments.stability
        )[-1]
        step, uncut_step = (apart(shown, whole[cut - 1]).mean() for shown in (unit, whole[cut]))
        steps.append(step / uncut_step)
        means.append(apart(unit, whole[cut]).mean())
        most = max(most, int(apart(unit, whole[cut]).max()))
    note = f"{len(steps)} cuts, {history} frames before each, stability {arguments.stability:g}"
    record(
        "seams",
        f"{path.name} {frames[0].shape[2]}x{frames[0].shape[1]}, {style}",
        [
            ("step over a cut, mean", float(np.mean(steps)), "of the whole clip's", note),
            ("step over a cut, largest", max(steps), "of the whole clip's", note),
            ("difference at a cut, largest mean", float(max(means)), "levels of 255", note),
            ("difference at a cut, largest", most, "levels of 255", note),
        ],
    )


def main(argv: Argv = None) -> None:
    """Measure."""
    run_on_clips(measure, "How much is seen of the cuts between units.", 130, argv)


if __name__ == "__main__":
    main()
