"""What freed memory costs the stabiliser, as a process is started.

    python -m benchmarks.allocation [--rounds 3]

Frames of 640x360 that move are steadied in processes that start as Dask's nannies start workers,
and as a shell does; each without and with what a scoring process asks of the C library. They take
turns. Appends to ``benchmarks/results.csv``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from statistics import median

from benchmarks.record import record

_STARTS = {"as a shell": {}, "as Dask's nanny": {"MALLOC_TRIM_THRESHOLD_": "65536"}}
_FRAMES, _GROWING = 60, 10


def _steady_frames(keep: bool) -> None:
    """Print the CPU milliseconds and the page faults of one frame."""
    import numpy as np
    import torch

    from benchmarks.fast_runtimes import test_frame
    from framewright.allocation import keep_freed_memory
    from framewright.steady.stabiliser import Stabiliser

    if keep and not keep_freed_memory():
        raise SystemExit("this C library cannot keep freed memory.")
    still = (test_frame(360, 640)[0] * 255).to(torch.uint8).numpy()
    stabiliser = Stabiliser(0.95)
    seconds, faults = [], []
    for number in range(_FRAMES):
        frame = np.ascontiguousarray(np.roll(still, number, axis=2))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        started = time.thread_time()
        stabiliser(frame, 255 - frame)
        seconds.append(time.thread_time() - started)
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    print(json.dumps([1000 * median(seconds[_GROWING:]), median(faults[_GROWING:])]))


def _measured(environment: dict[str, str], keep: bool) -> tuple[float, float]:
    how = "keep" if keep else "as is"
    command = [sys.executable, "-m", "benchmarks.allocation", "--child", how]
    started = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    answer = subprocess.run(command, env=started | environment, check=True, capture_output=True)
    milliseconds, faults = json.loads(answer.stdout)
    return milliseconds, faults


def main(argv: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=["keep", "as is"], help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.child:
        return _steady_frames(arguments.child == "keep")
    cases = [(start, keep) for start in _STARTS for keep in (False, True)]
    found: dict[tuple[str, bool], list[tuple[float, float]]] = {case: [] for case in cases}
    for _ in range(arguments.rounds):
        for start, keep in cases:
            found[start, keep].append(_measured(_STARTS[start], keep))
    rows = []
    for (start, keep), values in found.items():
        milliseconds, faults = (median(column) for column in zip(*values, strict=True))
        kept = "freed memory kept" if keep else "as it is"
        note = f"CPU, median of {len(values)}; {faults:.0f} page faults a frame"
        rows.append((f"stabiliser, started {start}, {kept}", milliseconds, "ms/frame", note))
    record("allocation", "640x360", rows)
    return None


if __name__ == "__main__":
    main()
