"""``prefect deploy``, for prefect.yaml."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

__all__ = ["PROJECT", "PublishError", "prefect_deploy"]

PROJECT = Path(__file__).resolve().parents[1]
_LONGEST_SECONDS = 180.0
_TOLD_LETTERS = 2000


class PublishError(Exception):
    """Nothing was deployed, or not all of it; the message says why."""


def prefect_deploy(*which: str, environment: Mapping[str, str] | None = None) -> None:
    """Deploy from prefect.yaml.

    Args:
        which: ``--all``, or ``--name`` and a name.
        environment: variables, which name the server; those of this process if None.

    Raises:
        PublishError: Prefect refused something, or the server took too long.
    """
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            [sys.executable, "-m", "prefect", "--no-prompt", "deploy", *which],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_LONGEST_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise PublishError(
            f"`prefect deploy` did not end within {_LONGEST_SECONDS:.0f} s: is the server well?"
        ) from error
    if done.returncode:
        said = (done.stdout + done.stderr)[-_TOLD_LETTERS:]
        raise PublishError(f"`prefect deploy` failed:\n{said}")
