"""What reading a source in a sandbox costs, and decoding it once before it is scored."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.record import record
from benchmarks.split import SECONDS, Cost, cost, make_clip
from framewright.media.sandboxed import SplitRequest, split_source
from framewright.plan import split, upload
from framewright.reading import SourceReader
from framewright.score import score_unit
from framewright.scorers import create
from framewright.settings import Settings, get_settings
from framewright.storage import LocalStore

ROUNDS = 5
UNIT_SECONDS = 10.0
SCORED_SECONDS = 2.0
"""Length of the units by which scoring is measured: it is the slowest part by far."""


def main() -> None:
    """Measure each way of reading one clip, taking turns."""
    with tempfile.TemporaryDirectory(prefix="framewright-") as name:
        folder = Path(name)
        clip = folder / "clip.mp4"
        make_clip(clip)
        ways: dict[str, Callable[[Path], object]] = {
            "probe and split in this process": lambda place: in_process(clip, place),
            "probe and split in a sandbox": lambda place: sandboxed(clip, place),
            "probe, split and check in sandboxes": lambda place: checked(clip, place),
        }
        costs: dict[str, list[Cost]] = {way: [] for way in ways}
        for turn in range(ROUNDS):
            for number, (way, work) in enumerate(ways.items()):
                place = folder / f"{turn}-{number}"
                place.mkdir()
                costs[way].append(cost(lambda work=work, place=place: work(place)))  # type: ignore[misc]
        unit = scoring(clip, folder / "scored")
    record("isolation", f"{SECONDS} s 1280x720 24 fps H.264", rows(costs, unit))


def rows(costs: dict[str, list[Cost]], unit: Cost) -> list[tuple[str, float, str, str]]:
    wall = [statistics.median(c.wall for c in way) for way in costs.values()]
    cpu = [statistics.median(c.cpu for c in way) for way in costs.values()]
    note = f"median of {ROUNDS}"
    whole = unit.cpu * SECONDS / SCORED_SECONDS
    return [
        *((f"{way}, wall", seconds, "s", note) for way, seconds in zip(costs, wall, strict=True)),
        *((f"{way}, CPU", seconds, "s", note) for way, seconds in zip(costs, cpu, strict=True)),
        ("sandbox, added wall", wall[1] - wall[0], "s", "once a run, whatever its length"),
        ("check / scoring with fast, CPU", 100 * (cpu[2] - cpu[1]) / whole, "%", "one unit scored"),
    ]


def in_process(clip: Path, folder: Path) -> object:
    request = SplitRequest(
        path=str(clip),
        settings=get_settings(),
        folder=str(folder),
        unit_seconds=UNIT_SECONDS,
        tolerant=False,
    )
    return split_source(request, lambda _: None)


def sandboxed(clip: Path, folder: Path) -> object:
    with SourceReader(clip, folder, get_settings()) as reader:
        return reader.split(UNIT_SECONDS, tolerant=False)


def checked(clip: Path, folder: Path) -> object:
    with SourceReader(clip, folder, get_settings()) as reader:
        return reader.check(reader.split(UNIT_SECONDS, tolerant=False), tolerant=False)


def scoring(clip: Path, folder: Path) -> Cost:
    """Score one unit with the network, loaded before."""
    store = LocalStore(folder / "store")
    parts = split(
        clip,
        scorer=create("fast", {}).identity,
        scratch=folder / "scratch",
        store=store,
        unit_seconds=SCORED_SECONDS,
        settings=Settings(check_decoding=False),
    )
    manifest = upload(parts, store)
    score_unit(store, manifest.job_key, 1)
    return cost(lambda: score_unit(store, manifest.job_key, 0))


if __name__ == "__main__":
    main()
