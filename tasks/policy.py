"""What Prefect does when a task fails, decided by the class of the error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from framewright.errors import EngineBug, InputError

__all__ = ["step", "worth_retrying"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

RETRIES = 2
RETRY_DELAYS_SECONDS: list[float] = [2.0, 10.0]
"""Short, because a task that waits to be retried keeps its Dask worker."""


def step(
    name: str, run_name: str
) -> Callable[[Callable[Arguments, Result]], Task[Arguments, Result]]:
    """Make a function a task of a run, tried again where that may help.

    Its result is neither kept nor cached by Prefect: what lies in the store says what is done,
    across runs and for whoever looks, and a second truth could only contradict it (docs/adr/0004).

    Args:
        name: of the task.
        run_name: of each of its runs; may name the function's arguments in braces.
    """
    return task(
        name=name,
        task_run_name=run_name,
        retries=RETRIES,
        retry_delay_seconds=RETRY_DELAYS_SECONDS,
        retry_condition_fn=worth_retrying,
        cache_policy=NO_CACHE,
    )


def worth_retrying(tried: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Say whether a failed task may succeed when it is tried again.

    Bad input and defects fail the same way again. Everything else is tried again: what framewright
    calls transient, and errors that nobody foresaw.
    """
    return not isinstance(state.data, (InputError, EngineBug))
