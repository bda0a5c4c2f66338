"""Split: one pass over the source, into bundles on the local disk."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from framewright.plan import Split, split
from framewright.storage import open_store
from framewright.types import ProgressCallback, ScorerIdentity, Treatment
from tasks.logs import engine_logs
from tasks.policy import RETRIES, RETRY_DELAYS_SECONDS, worth_retrying

__all__ = ["split_video"]


@task(
    name="split",
    task_run_name="split {source.name}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS_SECONDS,
    retry_condition_fn=worth_retrying,
    cache_policy=NO_CACHE,
)
def split_video(
    source: Path,
    *,
    scorer: ScorerIdentity,
    scratch: Path,
    store: str,
    unit_seconds: float,
    suffix: str,
    treatment: Treatment,
    progress: ProgressCallback,
) -> Split:
    """Refuse a source that cannot be scored, or cut it into bundles and plan its units."""
    with engine_logs():
        return split(
            source,
            scorer=scorer,
            scratch=scratch,
            store=open_store(store),
            unit_seconds=unit_seconds,
            suffix=suffix,
            treatment=treatment,
            progress=progress,
        )
