"""Compare: a clip with source and result side by side."""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from framewright.media.compare import comparison_path, side_by_side
from framewright.sources import Origin, check_newest
from tasks.logs import engine_logs
from tasks.policy import RETRIES, RETRY_DELAYS_SECONDS, worth_retrying

__all__ = ["compare_videos"]


@task(
    name="compare",
    task_run_name="compare with {source.name}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS_SECONDS,
    retry_condition_fn=worth_retrying,
    cache_policy=NO_CACHE,
)
def compare_videos(source: Path, output: Path, *, origin: Origin) -> str:
    """Put the clip beside the output and return its path."""
    clip = comparison_path(output)
    with engine_logs():
        check_newest(origin)
        side_by_side(source, output, clip)
    return str(clip)
