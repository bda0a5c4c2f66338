"""Seconds to fit the style of an image, and what threads do to them on a quiet and a busy machine.

    python -m benchmarks.fit [--painting FILE ...] [--steps 6]

Whole fits as `fast` does them, then steps of a fit with one thread and with two, alone and beside
another process that computes with torch on all cores. Appends to ``benchmarks/results.csv``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.contact_sheet import tensor_of
from benchmarks.record import record
from framewright.scorers.fast import fit
from framewright.scorers.fast.leaves import dead_leaves
from framewright.scorers.painting import read_painting

VARIANTS = {
    "1 thread": (1, ""),
    "2 threads": (2, ""),
    "2 threads, waiting passively": (2, "passive"),
}
BUSY = """
import torch
a = torch.rand(256, 256)
while True:
    (a @ a).relu()
"""
ROUNDS = 3


def loaded(path: Path) -> Tensor:
    """A painting as `fast` reads it, (1, 3, H, W)."""
    return tensor_of(read_painting(path))


def timed(painting: Tensor) -> tuple[float, float]:
    """Wall and CPU seconds of a whole fit."""
    wall, cpu = time.perf_counter(), time.process_time()
    fit.fit_style(painting, lambda done, total: None)
    return time.perf_counter() - wall, time.process_time() - cpu


def child(threads: int, steps: int) -> None:
    """Print wall and CPU seconds of one step, in a process of its own."""

    @contextmanager
    def given() -> Iterator[None]:
        torch.set_num_threads(threads)
        yield

    fit._one_thread = given
    fit._STEPS, fit._CONTENTS = steps, 4
    times: list[tuple[float, float]] = []
    told: Callable[[int, int], None] = lambda *_: times.append(  # noqa: E731
        (time.perf_counter(), time.process_time())
    )
    fit.fit_style(dead_leaves(1, 520, seed=9), told)
    print(json.dumps([(b - a) / steps for a, b in zip(times[0], times[-1], strict=True)]))


def step_of(threads: int, policy: str, steps: int) -> tuple[float, float]:
    """What ``child`` prints."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
    if policy:
        environment["OMP_WAIT_POLICY"] = policy
    command = [sys.executable, "-m", "benchmarks.fit", "--child", str(threads)]
    answer = subprocess.run(
        [*command, "--steps", str(steps)], env=environment, capture_output=True, check=True
    )
    wall, cpu = json.loads(answer.stdout)
    return wall, cpu


def compared(steps: int) -> None:
    """Threads, taking turns."""
    for others in (0, 1):
        busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(others)]
        try:
            taken = [{n: step_of(*v, steps) for n, v in VARIANTS.items()} for _ in range(ROUNDS)]
        finally:
            for process in busy:
                process.kill()
                process.wait()
        beside = "beside a busy process" if others else "alone"
        rows = []
        for name in VARIANTS:
            wall, cpu = (
                sorted(values)[ROUNDS // 2]
                for values in zip(*(t[name] for t in taken), strict=True)
            )
            note = f"{cpu:.3g} s CPU; median of {ROUNDS} times {steps} steps"
            rows.append((f"step of a fit {beside}, {name}", wall, "s", note))
        record("fit", "made-up painting 520x520", rows)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--painting", type=Path, nargs="*", default=[])
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--child", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.child:
        child(arguments.child, arguments.steps)
        return
    paintings = [loaded(path) for path in arguments.painting] or [dead_leaves(1, 520, seed=9)]
    taken = [timed(painting) for painting in paintings]
    what = "image files" if arguments.painting else "made-up painting 520x520"
    rows = [
        (f"whole fit, {kind}", sorted(seconds)[len(seconds) // 2], "s", note)
        for kind, seconds in zip(("wall", "CPU"), zip(*taken, strict=True), strict=True)
        for note in [f"median of {len(taken)}, longest {max(seconds):.3g}; alone on the machine"]
    ]
    record("fit", what, rows)
    compared(arguments.steps)


if __name__ == "__main__":
    main()
