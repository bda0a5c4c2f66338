"""Upload: the bundles, and last the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from framewright.plan import Split, upload
from framewright.storage import open_store
from framewright.types import ProgressCallback
from tasks.logs import engine_logs
from tasks.policy import RETRIES, RETRY_DELAYS_SECONDS, worth_retrying

__all__ = ["upload_bundles"]


@task(
    name="upload",
    task_run_name="upload {split.bundles} bundles",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS_SECONDS,
    retry_condition_fn=worth_retrying,
    cache_policy=NO_CACHE,
)
def upload_bundles(
    split: Split, *, assets: Mapping[str, Path], store: str, progress: ProgressCallback
) -> None:
    """Put bundles, assets and the manifest into the store; what is there already stays."""
    with engine_logs():
        upload(split, open_store(store), progress=progress, assets=assets)
