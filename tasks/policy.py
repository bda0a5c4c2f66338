"""What Prefect does when a task fails, decided by the class of the error."""

from __future__ import annotations

from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun

from framewright.errors import EngineBug, InputError

__all__ = ["RETRIES", "RETRY_DELAYS_SECONDS", "worth_retrying"]

RETRIES = 2
RETRY_DELAYS_SECONDS: list[float] = [2.0, 10.0]
"""Short, because a task that waits to be retried keeps its Dask worker."""


def worth_retrying(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Say whether a failed task may succeed when it is tried again.

    Bad input and defects fail the same way again. Everything else is tried again: what framewright
    calls transient, and errors that nobody foresaw.
    """
    return not isinstance(state.data, (InputError, EngineBug))
