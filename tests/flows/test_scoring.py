"""Scoring on a cluster that misbehaves, with the cluster and the API played by the test."""

import logging
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from distributed import KilledWorker
from distributed.client import FutureCancelledError
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.states import Completed, Crashed, Running

from flows import scoring
from flows.scoring import score_units
from framewright.errors import SourceRefused, TransientError, WorkerLost
from framewright.types import Unit

UNITS = [Unit(index=i, start=10 * i, stop=10 * i + 10) for i in range(3)]
KILLED = KilledWorker("score", SimpleNamespace(address="tcp://w:1"), 3)  # type: ignore[arg-type]


class Future:
    """A future that is done, or never will be."""

    def __init__(self, outcome: object) -> None:
        self.task_run_id = uuid4()
        self.outcome = outcome
        self.cancelled = False
        self.wrapped_future = SimpleNamespace(cancel=self._cancel)

    def _cancel(self) -> None:
        self.cancelled = True

    def add_done_callback(self, call: Callable[[Any], None]) -> None:
        if self.outcome is not NEVER:
            call(self)

    def result(self) -> object:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


NEVER = object()


class Prefect:
    """Plays ``score.map`` and the API; each submission takes the next outcome of each unit."""

    def __init__(self, outcomes: dict[int, list[object]]) -> None:
        self.outcomes = outcomes
        self.submitted: list[list[int]] = []
        self.futures: list[Future] = []
        self.closed: dict[UUID, str] = {}

    def map(self, units: Iterable[Unit], **_: object) -> list[Future]:
        units = list(units)
        self.submitted.append([unit.index for unit in units])
        made = [Future(self.outcomes[unit.index].pop(0)) for unit in units]
        self.futures += made
        return made

    def close(self, task_run_ids: Iterable[UUID], state: State[Any]) -> None:
        self.closed |= dict.fromkeys(task_run_ids, state.name or "")


def run(monkeypatch: pytest.MonkeyPatch, outcomes: dict[int, list[object]]) -> tuple[Any, ...]:
    prefect = Prefect(outcomes)
    monkeypatch.setattr(scoring, "score", prefect)
    monkeypatch.setattr(scoring, "close_task_runs", prefect.close)
    monkeypatch.setattr(scoring, "get_run_logger", lambda: logging.getLogger("test"))
    scored: list[int] = []
    cluster = SimpleNamespace(watch=lambda: None, address="tcp://s:1")

    def call() -> None:
        score_units(
            UNITS,
            store="s",
            job_key="k",
            cluster=cluster,  # type: ignore[arg-type]
            scored=lambda unit: scored.append(unit.index),
        )

    return prefect, scored, call


def test_each_unit_is_submitted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    prefect, scored, call = run(monkeypatch, {i: [object()] for i in range(3)})
    call()
    assert prefect.submitted == [[0, 1, 2]]
    assert sorted(scored) == [0, 1, 2]
    assert prefect.closed == {}


def test_a_unit_whose_workers_died_is_submitted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = {0: [object()], 1: [KILLED, object()], 2: [object()]}
    prefect, scored, call = run(monkeypatch, outcomes)
    call()
    assert prefect.submitted == [[0, 1, 2], [1]]
    assert sorted(scored) == [0, 1, 2]
    assert prefect.closed == {prefect.futures[1].task_run_id: "Crashed"}


def test_a_unit_that_kills_every_worker_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = {0: [object()], 1: [KILLED, KILLED], 2: [object()]}
    prefect, scored, call = run(monkeypatch, outcomes)
    with pytest.raises(WorkerLost, match=r"unit 1, frames \[10, 20\), killed every worker"):
        call()
    assert prefect.submitted == [[0, 1, 2], [1]]
    assert sorted(scored) == [0, 2]
    assert list(prefect.closed.values()) == ["Crashed", "Crashed"]


def test_an_error_withdraws_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    error = SourceRefused("damaged", "the frame at 1 s")
    prefect, scored, call = run(monkeypatch, {0: [object()], 1: [error], 2: [NEVER]})
    with pytest.raises(SourceRefused, match="the frame at 1 s"):
        call()
    assert scored == [0]
    assert prefect.futures[2].cancelled
    assert prefect.closed[prefect.futures[2].task_run_id] == "Cancelled"
    assert prefect.futures[0].task_run_id not in prefect.closed


def test_a_scheduler_that_goes_away_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = FutureCancelledError("score", "scheduler-connection-lost")
    _, _, call = run(monkeypatch, {0: [gone], 1: [NEVER], 2: [NEVER]})
    with pytest.raises(TransientError, match=r"tcp://s:1 went away .*scheduler-connection-lost"):
        call()


def test_the_cluster_is_watched_while_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    prefect, _, _ = run(monkeypatch, {i: [NEVER] for i in range(3)})
    monkeypatch.setattr(scoring, "WATCH_SECONDS", 0.01)

    def watch() -> None:
        raise WorkerLost("all gone")

    with pytest.raises(WorkerLost, match="all gone"):
        score_units(
            UNITS,
            store="s",
            job_key="k",
            cluster=SimpleNamespace(watch=watch),  # type: ignore[arg-type]
            scored=lambda unit: None,
        )
    assert all(future.cancelled for future in prefect.futures)


def test_task_runs_are_closed_by_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """One connection for all of them, closed at the end; what has ended already stays as it is."""
    ids = [uuid4() for _ in range(3)]
    states = {ids[0]: Running(), ids[1]: Completed()}
    told: list[object] = []

    class Client:
        def __enter__(self) -> "Client":
            told.append("opened")
            return self

        def __exit__(self, *_: object) -> None:
            told.append("closed")

        def read_task_run(self, task_run_id: UUID) -> SimpleNamespace:
            if task_run_id not in states:
                raise ObjectNotFound(Exception("not begun"))
            return SimpleNamespace(state=states[task_run_id])

        def set_task_run_state(self, task_run_id: UUID, *_: object, **__: object) -> None:
            told.append(task_run_id)

    monkeypatch.setattr(scoring, "get_client", lambda sync_client: Client())
    scoring.close_task_runs([*ids], Crashed())
    assert told == ["opened", ids[0], "closed"]
