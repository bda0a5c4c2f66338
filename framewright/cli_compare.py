"""``framewright compare``: flicker and detail of an output, in words or as JSON."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from framewright.compare import Comparison

__all__ = ["add_compare"]

_TEXT = "measure how much an output flickers, and the detail it has kept"
_STILL_LEVELS = 0.1
"""Flicker of a source, of 255, below which even a picture that never changes has several times as
much, because optical flow is that inexact."""


def add_compare(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parsers of ``framewright``."""
    parser = commands.add_parser("compare", parents=[common], help=_TEXT, description=_TEXT)
    parser.add_argument("source", type=Path, metavar="SOURCE", help="video that was scored")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="what was made of it")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="PER_FRAME_OUTPUT",
        help="the same, made with --stability 0; detail is then relative to it, not to SOURCE",
    )
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    parser.set_defaults(run=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    from framewright.compare import compare
    from framewright.settings import get_settings

    found = compare(arguments.source, arguments.output, get_settings(), arguments.against)
    if arguments.json:
        print(found.model_dump_json(indent=2))
    else:
        for name, value in _rows(found, arguments.against):
            print(f"{name:22s} {value}")
    return 0


def _rows(found: Comparison, against: Path | None) -> list[tuple[str, str]]:
    ratio = "" if found.ratio is None else f", {found.ratio:.2f} times the source's"
    rows = [
        ("frames", f"{found.frames}, {found.pairs} pairs compared, {found.cuts} scene cuts"),
        ("flicker of SOURCE", f"{found.source_flicker:.3f} of 255"),
        ("flicker of OUTPUT", f"{found.output_flicker:.3f} of 255{ratio}"),
    ]
    if found.against_flicker is not None:
        rows.append(("without stabilising", f"{found.against_flicker:.3f} of 255"))
    reference = "PER_FRAME_OUTPUT" if against else "SOURCE"
    rows.append(("detail", f"{found.detail:.2f} of that of {reference}"))
    if found.pairs and found.source_flicker < _STILL_LEVELS:
        rows.append(("note", "SOURCE hardly changes: judge by the levels, not by how many times."))
    return rows
