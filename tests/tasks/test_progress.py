"""The progress artifact: fed seldom enough, and never a reason to fail."""

import logging
from typing import Any
from uuid import UUID, uuid4

import pytest

from framewright.types import Progress, Unit
from tasks import progress
from tasks.progress import ProgressBoard

UNITS = [Unit(index=i, start=10 * i, stop=10 * i + 10) for i in range(100)]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str]]:
    """Percent and words of every call of the API."""
    calls: list[tuple[float, str]] = []

    def create(percent: float, key: str, description: str) -> UUID:
        calls.append((percent, description))
        return uuid4()

    def update(artifact: UUID, percent: float, description: str) -> None:
        calls.append((percent, description))

    monkeypatch.setattr(progress, "create_progress_artifact", create)
    monkeypatch.setattr(progress, "update_progress_artifact", update)
    return calls


def test_units_that_finish_at_once_are_shown_once(shown: list[tuple[float, str]]) -> None:
    board = ProgressBoard("key")
    for count in range(101):
        board.scored(UNITS[:count], UNITS)
    assert shown == [
        (0.0, "Starting"),
        (0.0, "Scoring: 0 of 100 units, 0 of 1,000 frames"),
        (100.0, "Scoring: 100 of 100 units, 1,000 of 1,000 frames"),
    ]


def test_units_are_shown_as_time_goes_by(
    shown: list[tuple[float, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "UPDATE_SECONDS", 0.0)
    board = ProgressBoard("key")
    for count in range(101):
        board.scored(UNITS[:count], UNITS)
    assert len(shown) == 102


def test_each_stage_is_shown_at_its_start(shown: list[tuple[float, str]]) -> None:
    board = ProgressBoard("key")
    for stage in ("split", "stitch"):
        for done in range(1, 50):
            board(Progress(stage, done, 50))  # type: ignore[arg-type]
    assert [words for _, words in shown[1:]] == [
        "Splitting: 1 of 50 frames read",
        "Stitching: 1 of 50 frames",
    ]


def test_an_api_that_does_not_answer_is_logged_and_work_goes_on(
    shown: list[tuple[float, str]],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    working = progress.create_progress_artifact

    def fail(*_: Any, **__: Any) -> UUID:
        raise OSError("connection refused")

    monkeypatch.setattr(progress, "create_progress_artifact", fail)
    with caplog.at_level(logging.WARNING):
        board = ProgressBoard("key")
    assert "the progress 'Starting' could not be shown: connection refused" in caplog.text
    monkeypatch.setattr(progress, "create_progress_artifact", working)
    board.say("Later")
    monkeypatch.setattr(progress, "update_progress_artifact", fail)
    board.say("Lost")
    assert shown == [(0.0, "Later")]
