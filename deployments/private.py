"""What only the user of this machine may read: passwords and tokens of a local stack."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

__all__ = ["new_password", "read_private", "write_private", "write_secret"]

FILE = "private.json"


def new_password() -> str:
    """Return a password with 192 random bits, of letters, digits, - and _."""
    return secrets.token_urlsafe(24)


def write_secret(path: Path, text: str) -> None:
    """Replace a file by one that nobody else may read, not even while it is written."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    beside.replace(path)


def write_private(home: Path, environment: Mapping[str, Mapping[str, str]]) -> None:
    """Keep variables of the environment for the services of a stack, by their names or ``all``."""
    write_secret(home / FILE, json.dumps(environment, indent=2))


def read_private(home: Path) -> dict[str, dict[str, str]]:
    """Return what ``write_private`` has kept for a stack; nothing where it has not."""
    try:
        kept: dict[str, dict[str, str]] = json.loads((home / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return kept
