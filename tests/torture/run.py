"""``make torture``: every good and every bad file through the whole path, one row each.

    python -m tests.torture.run [--only KIND …] [--units N …] [--jobs N] [--folder FOLDER]
        [--json FILE]

Good files are checked against what they were made with and against their source by two judges
(``checks``, ``judge``), at three unit sizes; bad files must be refused with a reason that is right.
Exit status 0 only if all of that holds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path
from queue import SimpleQueue
from typing import TypeAlias

from framewright.errors import FramewrightError, SourceRefused
from framewright.settings import get_settings
from framewright.stitch import Stitched
from tests.torture.checks import Note, verdict
from tests.torture.expect import observe
from tests.torture.judge import disagreements, ffprobe_times, look
from tests.torture.make import BAD_KINDS, DAMAGED_KINDS, KINDS, Clip, make, make_bad
from tests.torture.path import UNIT_FRAMES, score

__all__ = ["Row", "bad_row", "good_row", "main", "notes_of"]

Job: TypeAlias = "tuple[str, str, Path, tuple[int, ...]]"
"""Kind, what is expected, folder of the clips, and frames per unit."""


@dataclass
class Row:
    """One file: what was expected of it and what came out."""

    kind: str
    expectation: str
    """``exact``, or the reasons of which one must be given."""
    outcome: str = ""
    """``exact``, ``refused (reason) at stage``, or what is wrong."""
    holds: bool = False
    silent: list[str] = field(default_factory=list)
    """Differences that the report does not name."""
    named: list[str] = field(default_factory=list)
    """Differences that it names."""
    message: str = ""
    """The text of a refusal."""
    container: str = ""
    codec: str = ""
    pix_fmt: str = ""
    output: str = ""
    seconds: float = 0.0


def notes_of(stitched: Stitched) -> list[Note]:
    """The lines of a report."""
    lines = [Note(s.stream, f"{s.action}: {s.detail}") for s in stitched.streams]
    return lines + [Note(None, warning) for warning in stitched.warnings]


def good_row(kind: str, folder: Path, units: tuple[int, ...] = UNIT_FRAMES) -> Row:
    """Send a good file through the whole path at several unit sizes."""
    row = Row(kind, "exact")
    started = time.perf_counter()
    try:
        clip = make(kind, folder)
        seen = clip.seen
        row.container, row.codec, row.pix_fmt = seen.container, seen.codec, seen.pix_fmt
        for unit_frames in units:
            _check_once(row, clip, unit_frames)
    except FramewrightError as error:
        row.message = str(error)
        row.silent.append(f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a row of the table
        row.silent.append(f"{type(error).__name__}: {error}")
    row.silent = list(dict.fromkeys(row.silent))
    row.named = list(dict.fromkeys(row.named))
    row.holds = not row.silent
    row.outcome = "exact" if row.holds else "WRONG"
    row.seconds = round(time.perf_counter() - started, 2)
    return row


def _check_once(row: Row, clip: Clip, unit_frames: int) -> None:
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        output, stitched = score(clip.path, Path(name), unit_frames, get_settings())
        result = observe(output, long=clip.kind.long)
        row.output = output.suffix
        named, silent = verdict(clip, result, notes_of(stitched), stitched.frames)
        row.named += named
        row.silent += silent
        opinion = look(output, result.video_index, long=clip.kind.long)
        row.silent += disagreements(result, opinion)
        probed = ffprobe_times(output, result.video_index)
        if probed is not None and probed != result.times:
            row.silent.append("judges disagree on times: PyAV and ffprobe")


def bad_row(kind: str, folder: Path) -> Row:
    """Send a bad file through the path, which must refuse it."""
    words = (BAD_KINDS | DAMAGED_KINDS)[kind].words
    row = Row(kind, f"refused ({' or '.join(words)})")
    started = time.perf_counter()
    stage = [""]
    path = make_bad(kind, folder)
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        try:
            score(path, Path(name), 10, get_settings(), lambda entered: stage.append(entered))
            row.outcome = "ACCEPTED"
        except SourceRefused as error:
            row.message = str(error)
            row.outcome = f"refused ({error.reason}) at {stage[-1]}"
            row.holds = error.reason in words
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a row of the table
            row.outcome = f"{type(error).__name__}: {error}"
        left = [p for p in Path(name).rglob("out/*") if p.is_file()]
        if left and row.holds:
            row.holds, row.outcome = False, f"{row.outcome}, but left {left[0].name}"
    if not row.holds:
        row.silent.append(row.outcome)
    row.seconds = round(time.perf_counter() - started, 2)
    return row


def _row(job: Job) -> Row:
    kind, sort, folder, units = job
    return good_row(kind, folder, units) if sort == "exact" else bad_row(kind, folder)


def _prepare(scratch: str) -> None:
    """In a worker: no settings of the user, one thread, nothing on the terminal."""
    for name in [name for name in os.environ if name.startswith("FRAMEWRIGHT_")]:
        del os.environ[name]
    os.environ["FRAMEWRIGHT_WORK_STORE"] = f"{scratch}/work"
    import av
    import torch

    torch.set_num_threads(1)
    av.logging.set_level(None)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)  # codecs write there, past everything


def _print(row: Row) -> None:
    mark = "ok" if row.holds else "!!"
    outcome = row.outcome
    if row.named:
        outcome += "; " + "; ".join(row.named)
    print(f"{mark} {row.kind:28} {row.expectation:24} {row.seconds:6.1f} s  {_one_line(outcome)}")
    for line in row.silent if row.expectation == "exact" else []:
        print(f"   {'':28} {_one_line(line)}")
    sys.stdout.flush()


def _one_line(text: str) -> str:
    return " ".join(text.split())[:600]


class _Worker:
    """One process, replaced when a codec takes it down."""

    def __init__(self, scratch: str) -> None:
        self._scratch = scratch
        self._pool = self._new()

    def _new(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            1, mp_context=get_context("spawn"), initializer=_prepare, initargs=(self._scratch,)
        )

    def __call__(self, job: Job) -> Row:
        try:
            return self._pool.submit(_row, job).result()
        except BrokenProcessPool:
            self._pool.shutdown()
            self._pool = self._new()
            return Row(job[0], job[1], "CRASHED", silent=["the process died"])

    def close(self) -> None:
        self._pool.shutdown()


def _rows(jobs: list[Job], count: int, scratch: str) -> Iterator[Row]:
    idle: SimpleQueue[_Worker] = SimpleQueue()
    workers = [_Worker(scratch) for _ in range(count)]
    for worker in workers:
        idle.put(worker)

    def run(job: Job) -> Row:
        worker = idle.get()
        try:
            return worker(job)
        finally:
            idle.put(worker)

    with ThreadPoolExecutor(count) as threads:
        yield from threads.map(run, jobs)
    for worker in workers:
        worker.close()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.run")
    parser.add_argument("--only", nargs="+", default=[], help="kinds whose name has one of these")
    parser.add_argument("--jobs", type=int, default=min(8, os.cpu_count() or 1))
    parser.add_argument("--folder", help="keep the clips there, and use those that are there")
    parser.add_argument("--json", default="output/torture.json", help="where to write the rows")
    parser.add_argument("--units", nargs="+", type=int, default=UNIT_FRAMES, help="in frames")
    chosen = parser.parse_args(arguments)
    units = tuple(chosen.units)
    with tempfile.TemporaryDirectory(prefix="torture-") as scratch:
        folder = Path(chosen.folder or f"{scratch}/clips")
        folder.mkdir(parents=True, exist_ok=True)
        jobs = [(kind, "exact", folder, units) for kind in KINDS]
        jobs += [(kind, "refused", folder, units) for kind in BAD_KINDS | DAMAGED_KINDS]
        if chosen.only:
            jobs = [job for job in jobs if any(part in job[0] for part in chosen.only)]
        rows = []
        for row in _rows(jobs, chosen.jobs, scratch):
            _print(row)
            rows.append(row)
    target = Path(chosen.json)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False))
    return _summary(rows)


def _summary(rows: list[Row]) -> int:
    good = [row for row in rows if row.expectation == "exact"]
    bad = [row for row in rows if row.expectation != "exact"]
    errors = sum(len(row.silent) for row in rows)
    exact, refused = sum(row.holds for row in good), sum(row.holds for row in bad)
    print(f"{exact} of {len(good)} exact, {refused} of {len(bad)} refused, {errors} silent errors")
    return 0 if (exact, refused, errors) == (len(good), len(bad), 0) else 1


if __name__ == "__main__":
    sys.exit(main())
