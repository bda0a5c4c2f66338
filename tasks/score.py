"""Score: one unit, on a Dask worker."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

import framewright
from framewright.results import ScoredUnit
from framewright.score import score_unit
from framewright.types import Unit
from tasks.login import open_here
from tasks.logs import engine_logs
from tasks.policy import RETRIES, RETRY_DELAYS_SECONDS, worth_retrying

__all__ = ["CODE_VERSION", "score"]

CODE_VERSION = framewright.__version__
"""What the pre-flight reads on every worker; having it there proves that this module imports."""


# Results are neither persisted nor cached by Prefect: the record in the store says what is done,
# across runs and for whoever looks, and a second truth could only contradict it (docs/adr/0004).
@task(
    name="score",
    task_run_name="score unit {unit.index} [{unit.start}, {unit.stop})",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAYS_SECONDS,
    retry_condition_fn=worth_retrying,
    cache_policy=NO_CACHE,
)
def score(unit: Unit, *, store: str, job_key: str) -> ScoredUnit:
    """Score one unit, or return its record where it is scored already."""
    with engine_logs():
        return score_unit(open_here(store), job_key, unit.index)
