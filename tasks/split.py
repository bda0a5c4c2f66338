"""Split: one pass over the source, into bundles on the local disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from framewright.journal import recording
from framewright.plan import Split, split
from framewright.types import ProgressCallback, ScorerIdentity, Treatment
from tasks.login import open_here
from tasks.logs import engine_logs
from tasks.policy import step

__all__ = ["split_video"]


@step("split", "split {source.name}")
def split_video(
    source: Path,
    *,
    scorer: ScorerIdentity,
    scratch: Path,
    store: str,
    unit_seconds: float | None,
    suffix: str,
    treatment: Treatment | None,
    assets: Mapping[str, Path],
    progress: ProgressCallback,
) -> Split:
    """Refuse a source that cannot be scored, or cut it into bundles and plan its units."""
    opened = open_here(store)
    with engine_logs(), recording(opened, "split", source=source.name) as journal:
        parts = split(
            source,
            scorer=scorer,
            scratch=scratch,
            store=opened,
            unit_seconds=unit_seconds,
            suffix=suffix,
            treatment=treatment,
            assets=assets,
            progress=progress,
        )
        journal.job_key = parts.job_key
        return parts
