"""Score: one unit, on a Dask worker."""

from __future__ import annotations

import framewright
from framewright.results import ScoredUnit
from framewright.score import score_unit
from framewright.types import Unit
from tasks.login import open_here
from tasks.logs import engine_logs
from tasks.policy import step

__all__ = ["CODE_VERSION", "score"]

CODE_VERSION = framewright.__version__
"""What the pre-flight reads on every worker; having it there proves that this module imports."""


@step("score", "score unit {unit.index} [{unit.start}, {unit.stop})")
def score(unit: Unit, *, store: str, job_key: str) -> ScoredUnit:
    """Score one unit, or return its record where it is scored already."""
    with engine_logs():
        return score_unit(open_here(store), job_key, unit.index)
