"""Run a judgement in a process of its own, under limits; a crash or a hang is a finding."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.judge import Verdict

__all__ = ["BROKEN", "MOST_MIB", "MOST_SECONDS", "Run", "boxed"]

MOST_SECONDS = 60.0
"""Wall time for one file, of at most 75 small frames, through everything: far more than it needs
on a busy machine."""
MOST_MIB = 1024
"""Resident memory that one file may add to a process, in MiB."""
BROKEN = ("hang:", "crash:", "memory:")
"""How the details of findings begin that a process caused by its end or its size."""
_MOST_ADDRESSES = 4 << 30


@dataclass(frozen=True)
class Run:
    """A verdict, and what it took."""

    verdict: Verdict
    seconds: float
    peak_mib: int
    """Resident memory at the most, less what the process had before; 0 where it came to its end."""


def boxed(judge: Callable[[Path], Verdict]) -> Run:
    """Call ``judge`` with an empty folder in a forked process; the folder is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    began = time.monotonic()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _child(judge, folder, writing)
    os.close(writing)
    try:
        said = _read_all(reading, began + MOST_SECONDS)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        shutil.rmtree(folder, ignore_errors=True)
    seconds, peak_mib = time.monotonic() - began, 0
    if seconds >= MOST_SECONDS:
        verdict = Verdict("finding", f"hang: not done after {MOST_SECONDS:.0f} s")
    elif not said:
        verdict = Verdict("finding", f"crash: {_ending(status)}")
    else:
        outcome, detail, peak_mib = json.loads(said)
        verdict = Verdict(outcome, detail)
    if peak_mib > MOST_MIB and not verdict.is_finding:
        verdict = Verdict("finding", f"memory: {peak_mib} MiB, then {verdict.outcome}")
    return Run(verdict, seconds, peak_mib)


def _child(judge: Callable[[Path], Verdict], folder: Path, writing: int) -> None:
    os.setpgid(0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = _pages(0) + _MOST_ADDRESSES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    if os.environ.get("FUZZ_LOUD") != "1":
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
    status, before_kib = 1, _pages(1) >> 10
    try:
        verdict = judge(folder)
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
        answer = [verdict.outcome, verdict.detail[:2000], max(0, peak_kib) >> 10]
        os.write(writing, json.dumps(answer).encode())
        status = 0
    except BaseException as error:  # noqa: BLE001 - the process ends here
        text = f"judge: {type(error).__name__}: {error}"
        os.write(writing, json.dumps(["finding", text[:2000], 0]).encode())
    finally:
        sys.stdout.flush()
        os._exit(status)


def _read_all(reading: int, deadline: float) -> bytes:
    pieces = []
    while (left := deadline - time.monotonic()) > 0:
        if select.select([reading], [], [], left)[0]:
            piece = os.read(reading, 1 << 16)
            if not piece:
                break
            pieces.append(piece)
    return b"".join(pieces)


def _ending(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def _pages(column: int) -> int:
    """Bytes of this process: 0 for its address space, 1 for what is resident."""
    pages = int(Path("/proc/self/statm").read_text().split()[column])
    return pages * resource.getpagesize()
