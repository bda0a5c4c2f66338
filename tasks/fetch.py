"""Fetch: a remote source to the scratch folder of the machine that splits and stitches it."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from framewright.sources import Origin, fetch
from tasks.login import settings_here
from tasks.logs import engine_logs
from tasks.policy import RETRIES, RETRY_DELAYS_SECONDS, worth_retrying

__all__ = ["fetch_source"]


@task(
    name="fetch",
    task_run_name="fetch {origin.name}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS_SECONDS,
    retry_condition_fn=worth_retrying,
    cache_policy=NO_CACHE,
)
def fetch_source(origin: Origin, folder: Path) -> tuple[Path, Origin]:
    """Copy one version of a blob into a folder, verified."""
    with engine_logs():
        folder.mkdir(exist_ok=True)
        return fetch(origin, folder, settings_here())
