"""Print the newest row of every setting in results.csv, as the table in the README."""

from __future__ import annotations

import csv
import sys

from benchmarks.record import COLUMNS, RESULTS

SHOWN = ("benchmark", "clip", "setting", "value", "unit", "note")


def main() -> None:
    """Write Markdown to standard output."""
    newest: dict[tuple[str, ...], dict[str, str]] = {}
    with RESULTS.open(newline="") as stream:
        for row in csv.DictReader(stream, COLUMNS):
            if row["date"] != "date":
                newest[row["benchmark"], row["clip"], row["setting"], row["unit"]] = row
    lines = [
        SHOWN,
        ("---",) * len(SHOWN),
        *(tuple(row[k] for k in SHOWN) for row in newest.values()),
    ]
    for cells in lines:
        sys.stdout.write("| " + " | ".join(cells) + " |\n")


if __name__ == "__main__":
    main()
