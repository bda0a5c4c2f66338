"""CPU milliseconds per frame of ``fast`` with its knobs, and at sizes up to 4K, side by side.

    python -m benchmarks.fast_knobs [--rounds 7]

All variants of a size take turns, and the smallest time of each is reported: CPU time of one
thread, which other processes on the machine change least. Appends to ``benchmarks/results.csv``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from benchmarks.fast_runtimes import test_frame
from benchmarks.record import record
from framewright.scorers.fast.scorer import FastScorer

STYLE = "starry_night"
SIZES = ((360, 640), (720, 1280), (1080, 1920), (2160, 3840))
LARGEST_NATIVE = 1080


def made(**options: float) -> FastScorer:
    scorer = FastScorer(STYLE, **options)  # type: ignore[arg-type]
    scorer.setup(torch.device("cpu"), 1)
    return scorer


def variants(height: int) -> dict[str, Callable[[Tensor], Tensor]]:
    plain = made()
    calls: dict[str, Callable[[Tensor], Tensor]] = {}
    if height <= LARGEST_NATIVE:
        calls["the network on the whole frame"] = plain._run
    calls["default"] = plain.score
    if height != 360:
        return calls
    knobs: dict[str, dict[str, float]] = {
        "strength 0.5": {"strength": 0.5},
        "keep_colors 1": {"keep_colors": 1},
        "stroke_scale 2": {"stroke_scale": 2},
    }
    for name, options in knobs.items():
        scorer = made(**options)
        if "stroke_scale" not in options:
            scorer._run = plain._run  # one compiled model: the difference is the knob alone
        calls[name] = scorer.score
    return calls


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    for height, width in SIZES:
        calls = variants(height)
        frame = test_frame(height, width)
        times: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(1 + arguments.rounds):
            for name, call in calls.items():
                start = time.process_time()
                call(frame)
                times[name].append(1000 * (time.process_time() - start))
        base = min(next(iter(times.values()))[1:])
        rows = []
        for name, taken in times.items():
            least = min(taken[1:])
            rows.append(
                (f"{name}, 1 thread", least, "CPU ms/frame", f"{least / base:.3f} of first")
            )
        record("fast_knobs", f"synthetic {width}x{height}", rows)


if __name__ == "__main__":
    main()
