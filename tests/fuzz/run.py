"""Break good files in thousands of ways and see that none gets past: ``make fuzz``.

Case ``n`` of a seed is always the same file, so that a finding is known by two numbers. What was
judged is remembered in the folder, and not judged again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from pathlib import Path
from random import Random

import framewright.model  # noqa: F401 - loads torch once, not in every child
from framewright.types import Treatment
from tests.fuzz.box import BROKEN, Run, boxed
from tests.fuzz.direct import read_directly
from tests.fuzz.judge import Verdict, judged
from tests.fuzz.mutate import Case, mutated
from tests.fuzz.seeds import Seed, seeds

__all__ = ["judge_case", "main"]

_FOLDER = Path(".fuzz")
_BATCH = 10
_SANDBOXED_EVERY = 10
"""Of so many cases one is read in the engine's own sandbox, which takes a second to start; and so
is each that breaks the process where it is read without."""


@lru_cache(maxsize=1)
def _seeds(folder: str) -> list[Seed]:
    return seeds(Path(folder))


def judge_case(case: Case, seed: int, treatment: Treatment | None = None) -> Run:
    """Judge a case in a process of its own; how it is treated depends on its number alone."""
    rng = Random(f"treatment {seed}:{case.number}")  # noqa: S311 - not for secrets
    held = rng.random() < 0.3
    treatment = treatment or Treatment(on_damage="hold" if held else "refuse")
    suffix = rng.choice((".mp4", ".mp4", ".mov", ".mkv"))

    def judge(folder: Path) -> Verdict:
        path = folder / f"case{case.suffix}"
        path.write_bytes(case.data)
        return judged(path, folder, treatment, suffix)

    def judge_quickly(folder: Path) -> Verdict:
        with read_directly():
            return judge(folder)

    if case.number % _SANDBOXED_EVERY:
        run = boxed(judge_quickly)
        if not run.verdict.detail.startswith(BROKEN):
            return run
    return boxed(judge)


def _judge_batch(folder: str, seed: int, numbers: Sequence[int]) -> list[dict[str, object]]:
    rows = []
    for number in numbers:
        case = mutated(seed, number, _seeds(folder))
        run = judge_case(case, seed)
        row = {
            "number": number,
            "origin": case.origin,
            "changes": case.changes,
            "outcome": run.verdict.outcome,
            "detail": run.verdict.detail,
            "seconds": round(run.seconds, 3),
            "peak_mib": run.peak_mib,
        }
        if run.verdict.is_finding:
            keep = Path(folder) / "findings" / f"{seed}-{number}{case.suffix}"
            keep.parent.mkdir(exist_ok=True)
            keep.write_bytes(case.data)
        rows.append(row)
    return rows


def _batches(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[at : at + _BATCH] for at in range(0, len(numbers), _BATCH))


def _known(journal: Path) -> dict[int, dict[str, object]]:
    if not journal.exists():
        return {}
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    return {row["number"]: row for row in rows}


def _judge_all(arguments: argparse.Namespace) -> list[dict[str, object]]:
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    journal = folder / f"seed-{arguments.seed}.jsonl"
    if arguments.fresh:
        journal.unlink(missing_ok=True)
    _seeds(str(folder))
    wanted = range(arguments.start, arguments.start + arguments.count)
    known = _known(journal)
    if arguments.again:
        known = {n: row for n, row in known.items() if row["outcome"] != "finding"}
    todo = [number for number in wanted if number not in known]
    began = time.monotonic()
    spawn = multiprocessing.get_context("spawn")
    with (
        journal.open("a") as out,
        ProcessPoolExecutor(arguments.workers, mp_context=spawn) as pool,
    ):
        jobs = [
            pool.submit(_judge_batch, str(folder), arguments.seed, batch)
            for batch in _batches(todo)
        ]
        done = 0
        for job in as_completed(jobs):
            for row in job.result():
                known[int(str(row["number"]))] = row
                out.write(json.dumps(row) + "\n")
                done += 1
                if row["outcome"] == "finding":
                    print(f"finding {_named(arguments.seed, row)}: {row['detail']}", flush=True)
            out.flush()
            if done % (10 * _BATCH) == 0:
                print(f"{done} of {len(todo)} in {time.monotonic() - began:.0f} s", flush=True)
    return [known[number] for number in wanted]


def _named(seed: int, row: dict[str, object]) -> str:
    return f"{seed}-{row['number']} ({row['origin']}: {row['changes']})"


def _table(rows: Sequence[dict[str, object]]) -> None:
    counts = Counter(str(row["outcome"]) for row in rows)
    for outcome, count in sorted(counts.items(), key=lambda item: -item[1]):
        print(f"  {outcome:32s} {count:6d}")
    slowest = max(rows, key=lambda row: float(str(row["seconds"])))
    largest = max(rows, key=lambda row: int(str(row["peak_mib"])))
    print(f"  slowest {slowest['seconds']} s (case {slowest['number']})", end=", ")
    print(f"most memory {largest['peak_mib']} MiB (case {largest['number']})")


def main(argv: Sequence[str] | None = None) -> int:
    """Judge the cases that are asked for; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0, help="number of the first case")
    parser.add_argument("--count", type=int, default=2000, help="how many cases")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--folder", type=Path, default=_FOLDER, help="good files, journal, findings"
    )
    parser.add_argument("--fresh", action="store_true", help="forget what was judged before")
    parser.add_argument("--again", action="store_true", help="judge the findings again")
    arguments = parser.parse_args(argv)
    rows = _judge_all(arguments)
    _table(rows)
    findings = sum(row["outcome"] == "finding" for row in rows)
    exact = sum(row["outcome"] == "exact" for row in rows)
    rest = len(rows) - exact - findings
    print(f"{len(rows)} broken files: {exact} exact, {rest} refused or held, {findings} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
