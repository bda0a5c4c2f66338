import pytest
from prefect.states import Failed

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


def test_score_asks_the_policy() -> None:
    assert score.retry_condition_fn is worth_retrying
    assert score.retries == 2
