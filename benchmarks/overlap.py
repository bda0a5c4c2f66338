"""Scoring a unit with decode, model and encode overlapped, against one after the other."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar
from unittest import mock

import torch

from benchmarks.record import record
from benchmarks.split import make_clip
from framewright import pipeline
from framewright import score as score_module
from framewright.plan import split, upload
from framewright.score import score_unit
from framewright.scorers.identity import IdentityScorer
from framewright.settings import get_settings
from framewright.storage import LocalStore

T = TypeVar("T")
U = TypeVar("U")

DEVICE_SECONDS = 0.012
ROUNDS = 3
UNIT_SECONDS = 10.0


class WaitingScorer(IdentityScorer):
    """Takes the time of a device that computes beside the CPU: 12 ms a frame, no CPU time."""

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        """Wait, then return the frames."""
        time.sleep(DEVICE_SECONDS * len(frames))
        return frames


def serial(
    source: Iterable[T],
    step: Callable[[T], Iterable[U]],
    sink: Callable[[Iterator[U]], None],
    inbox_items: int,
    outbox_items: int,
) -> None:
    """The same work as ``overlap``, one frame at a time in one thread."""
    sink(result for item in source for result in step(item))


def main() -> None:
    """Measure frames a second of one unit both ways, alternating."""
    with tempfile.TemporaryDirectory(prefix="framewright-") as name:
        folder = Path(name)
        clip = folder / "clip.mp4"
        make_clip(clip)
        ways = {"serial": serial, "overlapped": pipeline.overlap}
        rates: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(ROUNDS):
            for way, function in ways.items():
                rates[way].append(rate(clip, folder / f"{turn}-{way}", function))
        medians = {way: statistics.median(values) for way, values in rates.items()}
        note = f"a device that waits 12 ms a frame; median of {ROUNDS}"
        record(
            "overlap",
            "10 s 1280x720 24 fps H.264",
            [
                *((way, value, "frames/s", note) for way, value in medians.items()),
                ("overlapped / serial", medians["overlapped"] / medians["serial"], "ratio", note),
            ],
        )


def rate(clip: Path, folder: Path, function: Callable[..., None]) -> float:
    store = LocalStore(folder / "store")
    parts = split(
        clip,
        scorer=IdentityScorer.identity,
        scratch=folder / "scratch",
        store=store,
        unit_seconds=UNIT_SECONDS,
    )
    manifest = upload(parts, store)
    score_module._loaded_scorer.cache_clear()
    with (
        mock.patch.object(score_module, "overlap", function),
        mock.patch("framewright.scorers.rebuild", lambda _: WaitingScorer()),
    ):
        record_ = score_unit(store, manifest.job_key, 0, settings=get_settings())
    return record_.frames / record_.seconds


if __name__ == "__main__":
    main()
