"""``framewright doctor``: an installation, or addresses, with a line for each thing looked at."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from framewright.errors import InputError

if TYPE_CHECKING:
    from framewright.doctor import Finding

__all__ = ["add_doctor"]

_TEXT = "check this installation, or addresses, and say what to do"


def add_doctor(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parsers of ``framewright``."""
    parser = commands.add_parser(
        "doctor",
        parents=[common],
        help=_TEXT,
        description="Without addresses: look at versions, codecs, settings, models, GPU, work "
        "store and server. With addresses: only what each is, who signs in there, until when, and "
        "whether it can be reached, listed, read and written. Tokens are not shown. Exit status 1 "
        "if something is wrong.",
    )
    parser.add_argument(
        "addresses",
        metavar="ADDRESS",
        nargs="*",
        help="file or folder, az://ACCOUNT/CONTAINER[/PATH], or the https address of a container "
        "or blob, with or without a SAS token",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="also write something small at each ADDRESS, and delete it",
    )
    parser.set_defaults(run=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    if not arguments.addresses:
        if arguments.write:
            raise InputError("--write says what to do with addresses, and none is given: name one.")
        from framewright.doctor import examine

        return _shown(examine())
    from framewright.access import examine_address, shown_address

    status = 0
    for address in arguments.addresses:
        print(shown_address(address))
        status |= _shown(examine_address(address, write=arguments.write))
    return status


def _shown(findings: list[Finding]) -> int:
    """Print findings; return 1 if one of them is a problem."""
    for finding in findings:
        mark = {"ok": "ok  ", "note": "note", "problem": "BAD "}[finding.verdict]
        print(f"{mark} {finding.what}: {finding.found}", flush=True)
        if finding.advice:
            print(f"     -> {finding.advice}")
    return int(any(finding.verdict == "problem" for finding in findings))
