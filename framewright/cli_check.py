"""``framewright check-scorer``: what a scorer promises, tried out, a line for each promise."""

from __future__ import annotations

import argparse
from typing import Any

from framewright.cli_options import add_scorer_choice, made_scorer

__all__ = ["add_check"]

_TEXT = "try out what a scorer must keep to, for those who write one"


def add_check(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parsers of ``framewright``."""
    parser = commands.add_parser(
        "check-scorer",
        parents=[common],
        help=_TEXT,
        description=f"{_TEXT[0].upper()}{_TEXT[1:]}. Exit status 1 if a promise is broken.",
    )
    parser.add_argument("scorer", metavar="NAME", help="what `framewright scorers` calls it")
    add_scorer_choice(parser)
    parser.set_defaults(run=_check)


def _check(arguments: argparse.Namespace) -> int:
    from framewright.scorers.check import examine
    from framewright.scratch import scratch_folder
    from framewright.settings import get_settings

    settings, broken = get_settings(), 0
    with scratch_folder(settings) as folder:
        for one in examine(made_scorer(arguments, folder, settings)):
            mark = {"kept": "ok  ", "note": "note", "broken": "BAD "}[one.verdict]
            print(f"{mark} {one.promise}: {one.found}", flush=True)
            broken += one.verdict == "broken"
    print("all promises are kept" if not broken else f"{broken} promises are broken")
    return 1 if broken else 0
