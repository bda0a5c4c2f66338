"""Scoring all units of a job on the cluster, and surviving the death of workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any
from uuid import UUID

from distributed import KilledWorker
from prefect import get_client, unmapped
from prefect.client.schemas.objects import State
from prefect.exceptions import ObjectNotFound
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Crashed

from flows.cluster import Cluster
from framewright.errors import TransientError, WorkerLost
from framewright.results import ScoredUnit
from framewright.types import Unit
from tasks.score import score

__all__ = ["score_units"]

MAX_SUBMISSIONS = 2
"""Dask itself gives a task to 4 workers before it gives up (``allowed-failures`` 3)."""
WATCH_SECONDS = 5.0

Future = PrefectFuture[ScoredUnit]


def score_units(
    units: Sequence[Unit],
    *,
    store: str,
    job_key: str,
    cluster: Cluster,
    scored: Callable[[Unit], None],
) -> None:
    """Score units on the cluster; ``scored`` is called as each is in the store.

    A unit whose workers all died is submitted again, because it may only have waited beside the
    one that killed them. On any other error the units not yet begun are withdrawn.

    Raises:
        WorkerLost: a unit has killed every worker that tried it.
        FramewrightError: what a unit failed with, after its retries.
    """
    for submission in range(1, MAX_SUBMISSIONS + 1):
        futures = score.map(list(units), store=unmapped(store), job_key=unmapped(job_key))
        lost = _collect(dict(zip(futures, units, strict=True)), cluster, scored)
        if not lost:
            return
        names = ", ".join(str(unit.index) for unit in lost)
        get_run_logger().warning(
            "all workers that tried units %s died (submission %d of %d)",
            names,
            submission,
            MAX_SUBMISSIONS,
        )
        units = lost
    worst = units[0]
    raise WorkerLost(
        f"unit {worst.index}, frames [{worst.start}, {worst.stop}), killed every worker that tried "
        "it. Most often memory ran out: lower FRAMEWRIGHT_BATCH_FRAMES or give the workers more, "
        "and read the log of the last worker. What was scored is kept; a retry of this run goes on "
        "from there."
    )


def _collect(
    pending: dict[Future, Unit], cluster: Cluster, scored: Callable[[Unit], None]
) -> list[Unit]:
    """Wait for all futures; return the units whose workers died."""
    lost: list[Unit] = []
    try:
        for future in _as_they_finish(list(pending), cluster):
            unit = pending[future]
            try:
                future.result()
            except KilledWorker as error:
                close_task_runs([future.task_run_id], Crashed(message=str(error)))
                lost.append(unit)
            except CancelledError as error:
                raise TransientError(
                    f"the Dask scheduler at {cluster.address} went away ({error}). What was scored "
                    "is kept; when it is back, a retry of this run goes on from there."
                ) from error
            else:
                scored(unit)
            del pending[future]
    except BaseException:
        _withdraw(list(pending))
        raise
    return lost


def _as_they_finish(futures: Sequence[Future], cluster: Cluster) -> Iterator[Future]:
    """Yield each future when it is done, looking at the cluster in between."""
    finished: SimpleQueue[Future] = SimpleQueue()
    for future in futures:
        future.add_done_callback(finished.put)
    left, looked = len(futures), time.monotonic()
    while left:
        with suppress(Empty):
            yield finished.get(timeout=WATCH_SECONDS)
            left -= 1
        if time.monotonic() - looked > WATCH_SECONDS:
            cluster.watch()
            looked = time.monotonic()


def _withdraw(futures: Sequence[Future]) -> None:
    """Take back what has not begun; end the task runs of what nobody waits for any more."""
    for future in futures:
        wrapped: Any = getattr(future, "wrapped_future", None)
        if wrapped is not None:
            wrapped.cancel()
    ended: State[Any] = Cancelled(message="the run ended before this unit was scored")
    close_task_runs([future.task_run_id for future in futures], ended)


def close_task_runs(task_run_ids: Sequence[UUID], state: State[Any]) -> None:
    """End task runs that Prefect would show as running for ever, their processes being dead."""
    with get_client(sync_client=True) as client:
        for task_run_id in task_run_ids:
            with suppress(ObjectNotFound):  # it had not begun
                recorded = client.read_task_run(task_run_id)
                if recorded.state is None or not recorded.state.is_final():
                    client.set_task_run_state(task_run_id, state, force=True)
