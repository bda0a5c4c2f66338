"""`fast` on all cores: the model alone, and whole videos with it, in one run.

    python -m benchmarks.fast_video [--rounds 3 --seconds 120]

The model alone runs in one process per core with one thread each, as scoring does. A whole video is
split, scored by as many processes and stitched; the figure is for the time in which units are
scored, decoding and encoding included, loading of the model not. The two take turns. Appends to
``benchmarks/results.csv``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median

from benchmarks.flow import make_clip
from benchmarks.record import record
from framewright import scorers
from framewright.run import run
from framewright.settings import Settings
from framewright.types import Treatment

_ALONE_SECONDS = 15.0
_SIZE = (360, 640)


def _paint(barrier: Barrier, seconds: float, results: multiprocessing.SimpleQueue[float]) -> None:
    """Paint one frame again and again; put the frames per second into ``results``."""
    import torch

    from benchmarks.fast_runtimes import test_frame
    from framewright.scorers.fast.scorer import FastScorer

    scorer = FastScorer("starry_night")
    scorer.setup(torch.device("cpu"), threads=1)
    frame = test_frame(*_SIZE)
    with torch.inference_mode():
        scorer.score(frame)
        barrier.wait()
        started, done = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            scorer.score(frame)
            done += 1
    results.put(done / (time.perf_counter() - started))


def alone(processes: int, seconds: float = _ALONE_SECONDS) -> float:
    """Frames per second of the model in all processes together."""
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(processes), spawn.SimpleQueue()
    workers = [
        spawn.Process(target=_paint, args=(barrier, seconds, results)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return float(sum(results.get() for _ in workers))


def whole(clip: Path, folder: Path, processes: int, stability: float | None) -> float:
    """Frames per second while units are scored, of a clip of its own work store."""
    settings = Settings(work_store=str(folder / "work"), cache_folder=str(folder / "cache"))
    scorer = scorers.create("fast", {"style": "starry_night"}).identity
    report = run(
        clip, str(folder / "out.mp4"), scorer, workers=processes, settings=settings,
        treatment=Treatment(stability=stability),
    )  # fmt: skip
    return report.frames_out / report.scoring_seconds


def main(argv: Sequence[str] | None = None) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=120)
    arguments = parser.parse_args(argv)
    cores = len(os.sched_getaffinity(0))
    rates: dict[str, list[float]] = {"model alone": [], "video": [], "video, stabilised": []}
    with tempfile.TemporaryDirectory(prefix="framewright-") as folder:
        clip = Path(folder) / "clip.mp4"
        make_clip(clip, arguments.seconds)
        for number in range(arguments.rounds):
            rates["model alone"].append(alone(cores))
            for name, stability in (("video", 0.0), ("video, stabilised", None)):
                place = Path(folder) / f"{name}-{number}"
                place.mkdir()
                rates[name].append(whole(clip, place, cores, stability))
    note = f"{cores} processes of one thread, median of {arguments.rounds}"
    rows = [(name, median(found), "frames/s", note) for name, found in rates.items()]
    record("fast video", f"{arguments.seconds} s 640x360 24 fps H.264 with sound", rows)


if __name__ == "__main__":
    main()
