"""Fuzz the readers of stored data, guided by the code that each input reaches: ``make fuzz``.

Without a target, all of them run one after the other, each in a process of its own.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random

__all__ = ["main"]

_NAMES = ("bundle", "decode", "manifest", "record")
_FOLDER = Path(".fuzz")
_MOST_INPUT_BYTES = 1 << 16
_MOST_MIB = 2048
_MOST_SECONDS_PER_INPUT = 10
_PROGRESS = re.compile(rb"#(\d+)\s+(?:INITED|NEW|REDUCE|DONE|pulse|RELOAD).*?cov: (\d+) ft: (\d+)")


def _fuzz(name: str, arguments: argparse.Namespace) -> None:
    """Become a fuzzer of one target; does not return."""
    import atheris

    with atheris.instrument_imports(include=["framewright"]):
        from tests.fuzz.documents import changed_document
        from tests.fuzz.targets import TARGETS, corpus

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        changed = changed_document(Random(seed), data) if seed % 4 else None  # noqa: S311
        if changed is None or len(changed) > most:
            return bytes(atheris.Mutate(data, most))
        return changed

    folder: Path = arguments.folder
    inputs, found = folder / "corpus" / name, folder / "findings"
    for path in (inputs, found):
        path.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(corpus(name)):
        (inputs / f"good-{number}").write_bytes(data)
    options = {
        "runs": arguments.runs,
        "max_total_time": arguments.seconds,
        "max_len": _MOST_INPUT_BYTES,
        "rss_limit_mb": _MOST_MIB,
        "timeout": _MOST_SECONDS_PER_INPUT,
        "seed": arguments.seed,
        "artifact_prefix": f"{found}/{name}-",
    }
    text = [f"-{key}={value}" for key, value in options.items()]
    with tempfile.TemporaryDirectory() as scratch:
        fuzzing = {"custom_mutator": mutate} if name in ("manifest", "record") else {}
        tempfile.tempdir = scratch
        atheris.Setup([sys.argv[0], *text, str(inputs)], TARGETS[name], **fuzzing)
        atheris.Fuzz()


def _run(name: str, arguments: argparse.Namespace) -> bool:
    """Fuzz one target in a process of its own and say how it went; True if it found nothing."""
    command = [sys.executable, "-m", "tests.fuzz.guided", "--target", name]
    command += ["--runs", str(arguments.runs), "--seconds", str(arguments.seconds)]
    command += ["--seed", str(arguments.seed), "--folder", str(arguments.folder)]
    done = subprocess.run(command, capture_output=True, check=False)
    steps = [tuple(map(int, step)) for step in _PROGRESS.findall(done.stderr)]
    first, last = (steps[0], steps[-1]) if steps else ((0, 0, 0), (0, 0, 0))
    outcome = "FOUND" if done.returncode else "nothing found"
    print(
        f"  {name:9s} {last[0]:9d} executions, branches {first[1]:5d} -> {last[1]:5d}, "
        f"features {first[2]:5d} -> {last[2]:5d}, {outcome}",
        flush=True,
    )
    if done.returncode:
        print((done.stdout + done.stderr).decode(errors="replace")[-3000:])
    return not done.returncode and last[0] > 0


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz one target, or all; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=__doc__)
    parser.add_argument("--target", choices=_NAMES)
    parser.add_argument("--runs", type=int, default=200_000, help="executions of each target")
    parser.add_argument("--seconds", type=int, default=120, help="at most, for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="inputs, findings")
    arguments = parser.parse_args(argv)
    if arguments.target:
        _fuzz(arguments.target, arguments)
    results = [_run(name, arguments) for name in _NAMES]
    print(f"{len(results)} readers fuzzed, {results.count(False)} with findings")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
