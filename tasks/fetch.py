"""Fetch: a remote source to the scratch folder of the machine that splits and stitches it."""

from __future__ import annotations

from pathlib import Path

from framewright.sources import Origin, fetch
from tasks.login import settings_here
from tasks.logs import engine_logs
from tasks.policy import step

__all__ = ["fetch_source"]


@step("fetch", "fetch {origin.name}")
def fetch_source(origin: Origin, folder: Path) -> tuple[Path, Origin]:
    """Copy one version of a blob into a folder, verified."""
    with engine_logs():
        folder.mkdir(exist_ok=True)
        return fetch(origin, folder, settings_here())
