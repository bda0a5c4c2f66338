"""Upload: the bundles, and last the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from framewright.journal import recording
from framewright.plan import Split, upload
from framewright.sources import Origin, remember
from framewright.types import ProgressCallback
from tasks.login import open_here
from tasks.logs import engine_logs
from tasks.policy import step

__all__ = ["upload_bundles"]


@step("upload", "upload {split.bundles} bundles")
def upload_bundles(
    split: Split,
    *,
    assets: Mapping[str, Path],
    store: str,
    origin: Origin,
    progress: ProgressCallback,
) -> None:
    """Put bundles, assets and the manifest into the store; what is there already stays."""
    opened = open_here(store)
    with engine_logs(), recording(opened, "upload", split.job_key, bundles=split.bundles):
        upload(split, opened, progress=progress, assets=assets)
        remember(opened, origin, split)
