import pkgutil
from importlib import import_module
from typing import Any

import pytest
from prefect import Task
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed

import tasks
from framewright.errors import (
    EnvironmentMismatch,
    FrameCountError,
    ScorerOptionError,
    SourceRefused,
    StoreUnavailable,
    WorkerLost,
)
from tasks.policy import worth_retrying
from tasks.score import score


@pytest.mark.parametrize(
    ("error", "retried"),
    [
        (SourceRefused("empty", "nothing in it"), False),
        (ScorerOptionError("no such style"), False),
        (EnvironmentMismatch("another release"), False),
        (FrameCountError(3, 2, "unit 0"), False),
        (StoreUnavailable("no answer"), True),
        (WorkerLost("gone"), True),
        (RuntimeError("nobody foresaw this"), True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_the_class_of_the_error_decides(error: Exception, retried: bool) -> None:
    assert worth_retrying(score, None, Failed(data=error)) is retried  # type: ignore[arg-type]


def every_task() -> list[Task[..., Any]]:
    modules = [import_module(f"tasks.{one.name}") for one in pkgutil.iter_modules(tasks.__path__)]
    return [one for module in modules for one in vars(module).values() if isinstance(one, Task)]


@pytest.mark.parametrize("task", every_task(), ids=lambda task: task.fn.__name__)
def test_every_task_asks_the_policy(task: Task[..., Any]) -> None:
    assert task.retry_condition_fn is worth_retrying
    assert task.retries == 2
    assert task.cache_policy == NO_CACHE
