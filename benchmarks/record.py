"""Append measurements to results.csv: the one place where speed claims come from."""

from __future__ import annotations

import csv
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["COLUMNS", "RESULTS", "record"]

COLUMNS = ("date", "commit", "machine", "benchmark", "clip", "setting", "value", "unit", "note")
RESULTS = Path(__file__).with_name("results.csv")


def record(benchmark: str, clip: str, rows: list[tuple[str, float, str, str]]) -> None:
    """Append and print rows of ``(setting, value, unit, note)``."""
    new = not RESULTS.exists()
    with RESULTS.open("a", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        for setting, value, unit, note in rows:
            writer.writerow(
                (
                    f"{datetime.now(UTC):%Y-%m-%d}",
                    _commit(),
                    _machine(),
                    benchmark,
                    clip,
                    setting,
                    f"{value:.4g}",
                    unit,
                    note,
                )
            )
            print(f"{benchmark:12s} {setting:42s} {value:10.4g} {unit:12s} {note}")


def _commit() -> str:
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or "unknown"


def _machine() -> str:
    """Number of cores, processor, and the extensions that decide how fast a model runs."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    fields = {key.strip(): value.strip() for key, _, value in (ln.partition(":") for ln in lines)}
    flags = fields.get("flags", "").split()
    extras = [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags]
    model = fields.get("model name", platform.machine())
    return " ".join([f"{os.cpu_count()} x {model}", *extras])
