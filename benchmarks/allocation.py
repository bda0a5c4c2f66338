"""What freed memory costs the stabiliser, as a process is started.

    python -m benchmarks.allocation [--rounds 3]

Frames of 640x360 that move are steadied in processes that start as Dask's nannies start workers,
and as a shell does; each without and with what a scoring process asks of the C library. They take
turns. Then a unit of the demo's clip is scored by a worker of Dask, both ways. Appends to
``benchmarks/results.csv``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.record import record
from benchmarks.split import SAMPLE

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


def _score(folder: str, job_key: str, keep: bool) -> tuple[float, int]:
    """Score two units on a worker of Dask; return the CPU seconds of the second, and its frames."""
    from framewright import score
    from framewright.storage import LocalStore

    if not keep:
        score.keep_freed_memory = lambda: False  # type: ignore[assignment,attr-defined]
    store = LocalStore(Path(folder))
    score.score_unit(store, job_key, 0)  # which loads the model
    before = time.process_time()
    frames = score.score_unit(store, job_key, 1).frames
    return time.process_time() - before, frames


def _on_dask(keep: bool) -> tuple[float, int]:
    """Plan a job of its own, and have a worker score two units of it."""
    from distributed import Client, LocalCluster

    from framewright import scorers
    from framewright.plan import split, upload
    from framewright.storage import LocalStore

    scorer = scorers.create("fast", {"style": "starry_night"}).identity
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder, "work"))
        parts = split(SAMPLE, scorer=scorer, scratch=Path(folder), store=store, unit_seconds=2.0)
        key = upload(parts, store).job_key
        with (
            LocalCluster(  # type: ignore[no-untyped-call]
                n_workers=1, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            Client(cluster) as client,  # type: ignore[no-untyped-call]
        ):
            found: tuple[float, int] = client.submit(_score, store.url, key, keep).result()
    return found


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
    units: dict[bool, list[tuple[float, int]]] = {False: [], True: []}
    for _ in range(arguments.rounds):
        for keep, answers in units.items():
            answers.append(_on_dask(keep))
    rows = []
    for keep, answers in units.items():
        kept = "freed memory kept" if keep else "as it is"
        note = f"{answers[0][1]} frames and those before them, stabilised; median of {len(answers)}"
        seconds = median(seconds for seconds, _ in answers)
        rows.append((f"a unit on a worker of Dask, {kept}", seconds, "s, CPU", note))
    record("allocation", SAMPLE.name, rows)
    return None


if __name__ == "__main__":
    main()
