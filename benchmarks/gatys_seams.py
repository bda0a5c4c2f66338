"""How much is seen of a cut between units, with the optimisation, `gatys`, and the stabiliser.

    python -m benchmarks.gatys_seams CLIP... --painting FILE [--encoder small]
        [--first 0 --frames 104 --width 120 --stability 0.95]

The clip is scored and steadied once as a whole, and again from the context before its last frame
on, as a unit that begins with that frame would be. The step is the mean change from the last
picture before the cut to the first after it. With 104 frames the unit's context begins where it has
to wait longest for a frame that both optimise alone. Appends to ``benchmarks/results.csv``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.record import record
from benchmarks.seams import Planes, apart, steadied
from benchmarks.stability import frames_of
from framewright.scorers.gatys.scorer import GatysScorer
from framewright.steady.measure import FlickerMeter
from framewright.steady.stabiliser import history_frames


def optimised(options: dict[str, object], frames: Sequence[Planes], first: int) -> list[Planes]:
    """Pictures of a unit that consists of some frames, from number ``first`` on."""
    scorer = GatysScorer(**options)  # type: ignore[arg-type]
    scorer.setup(torch.device("cpu"), 1)
    scorer.begin(first)
    pictures: list[Planes] = []
    for frame in frames:
        scored = scorer.score(torch.from_numpy(frame)[None].float() / 255)[0].clamp(0, 1)
        pictures.append((scored * 255).round().byte().numpy())
    return pictures


def measure(path: Path, arguments: argparse.Namespace) -> None:
    options: dict[str, object] = {"style": arguments.painting, "encoder": arguments.encoder}
    frames = [
        np.ascontiguousarray(frame.transpose(2, 0, 1))
        for frame in frames_of(path, arguments.first, arguments.frames, arguments.width)
    ]
    history = history_frames(arguments.stability)
    context = GatysScorer(**options).context_frames  # type: ignore[arg-type]
    begun = len(frames) - 1 - history - context
    if begun <= 0:
        raise SystemExit(f"give more than {history + context + 1} frames.")
    whole, unit = optimised(options, frames, 0), optimised(options, frames[begun:], begun)
    shown = steadied(frames, whole, 0, arguments.stability)
    ours = steadied(frames[begun:], unit, begun, arguments.stability)
    size = f"{frames[0].shape[2]}x{frames[0].shape[1]}"
    note = f"{context} + {history} frames before the cut, {begun} more in the whole clip"
    meter = FlickerMeter()
    for each in zip(frames, whole, shown, strict=True):
        meter.add(*(np.ascontiguousarray(planes.transpose(1, 2, 0)) for planes in each))
    source, *flickers = meter.flickers
    rows = []
    for name, clip, other, flicker in (
        ("per frame", whole, unit, flickers[0]),
        ("steadied", shown, ours, flickers[1]),
    ):
        own = float(apart(clip[-1], clip[-2]).mean())
        rows += [
            (f"{name}: difference at the cut", float(apart(other[-1], clip[-1]).mean()),
             "levels of 255", note),
            (f"{name}: step over the cut", float(apart(other[-1], clip[-2]).mean()) / own,
             "of the whole clip's", f"which is {own:.2f} of 255"),
            (f"{name}: flicker", flicker / source, "of the source", f"{source:.2f} of 255"),
        ]  # fmt: skip
    record("gatys seams", f"{path.stem} {arguments.first}+{len(frames)}, {size}, "
           f"{Path(arguments.painting).stem}", rows)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description="How much is seen of a cut, with gatys.")
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--painting", required=True)
    parser.add_argument("--encoder", default="small")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--frames", type=int, default=104)
    parser.add_argument("--width", type=int, default=120)
    parser.add_argument("--stability", type=float, default=0.95)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    for path in arguments.clips:
        measure(path, arguments)


if __name__ == "__main__":
    main()
