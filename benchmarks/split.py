"""Splitting into packet bundles against exploding into JPEG files, on one clip, in one run."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg

from benchmarks.record import record
from framewright.media.split import split_video
from framewright.settings import get_settings

SAMPLE = Path(__file__).parent.parent / "demo" / "sample.mp4"
SECONDS = 60
ROUNDS = 3


def main() -> None:
    """Measure wall seconds and bytes of both, alternating."""
    with tempfile.TemporaryDirectory(prefix="framewright-") as name:
        folder = Path(name)
        clip = folder / "clip.mp4"
        make_clip(clip)
        bundles: list[Cost] = []
        jpegs: list[Cost] = []
        for turn in range(ROUNDS):
            jpegs.append(timed_jpegs(clip, folder / f"jpeg{turn}"))
            bundles.append(timed_bundles(clip, folder / f"bundles{turn}"))
        frames = len(list((folder / "jpeg0").glob("*.jpg")))
        rows = []
        for kind, label in (("wall", "wall"), ("cpu", "CPU")):
            jpeg, bundle = (median(costs, kind) for costs in (jpegs, bundles))
            rows += [
                (f"ffmpeg to JPEG -q:v 2, {label}", jpeg, "s", f"{frames} files"),
                (f"packet bundles, {label}", bundle, "s", "probe and hashes included"),
                (f"JPEG / bundles, {label}", jpeg / bundle, "ratio", f"medians of {ROUNDS}"),
            ]
        rows += [
            ("JPEG bytes", size_bytes(folder / "jpeg0") / 1e6, "MB", ""),
            ("bundle bytes", size_bytes(folder / "bundles0") / 1e6, "MB", ""),
        ]
        record("split", f"{SECONDS} s 1280x720 24 fps H.264", rows)


class Cost(NamedTuple):
    """Seconds that something took: on the clock, and of all processors."""

    wall: float
    cpu: float


def median(costs: list[Cost], kind: str) -> float:
    return float(statistics.median(getattr(cost, kind) for cost in costs))


def make_clip(path: Path) -> None:
    """Loop the demo's clip at 1280x720."""
    run("-stream_loop", "-1", "-i", SAMPLE, "-t", SECONDS, "-vf", "scale=1280:720", "-an",
        "-c:v", "libx264", "-preset", "veryfast", "-crf", 20, "-g", 96, path)  # fmt: skip


def timed_jpegs(clip: Path, folder: Path) -> Cost:
    folder.mkdir()
    return cost(lambda: run("-i", clip, "-q:v", 2, folder / "%05d.jpg"))


def timed_bundles(clip: Path, folder: Path) -> Cost:
    folder.mkdir()
    return cost(lambda: split_video(clip, folder, 10.0, get_settings()))


def cost(work: Callable[[], object]) -> Cost:
    started, before = time.perf_counter(), os.times()
    work()
    after = os.times()
    cpu = sum(after[:4]) - sum(before[:4])
    return Cost(time.perf_counter() - started, cpu)


def size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def run(*arguments: object) -> None:
    subprocess.run(
        [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)], check=True
    )


if __name__ == "__main__":
    main()
