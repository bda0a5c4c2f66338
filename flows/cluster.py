"""Where scoring runs: the choice of a Dask cluster, and the proof that it can run our code."""

from __future__ import annotations

import importlib
import pydoc
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prefect.context import FlowRunContext
from prefect_dask.task_runners import DaskTaskRunner

from framewright.errors import EnvironmentMismatch, TransientError
from framewright.gpus import gpu_count
from framewright.settings import Settings
from tasks.score import CODE_VERSION

__all__ = ["Cluster", "Runner", "choose_runner"]

PROOF = "tasks.score.CODE_VERSION"
"""What scheduler and workers are asked for: to read it they import what they will run."""
FIRST_WORKER_SECONDS = 120.0
"""Workers on machines that are started on demand take a while."""
NO_WORKER_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Runner:
    """A Prefect task runner, and in words where it scores and why."""

    task_runner: DaskTaskRunner
    reason: str


def choose_runner(settings: Settings) -> Runner:
    """Choose where scoring runs: a configured cluster, else this machine's GPUs, else its cores."""
    if settings.dask_address:
        return Runner(
            DaskTaskRunner(address=settings.dask_address),
            f"on the Dask cluster at {settings.dask_address}, as FRAMEWRIGHT_DASK_ADDRESS says",
        )
    gpus = gpu_count()
    count = settings.worker_count(gpus)
    local = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": "127.0.0.1:0"}
    if gpus:
        return Runner(
            DaskTaskRunner(
                cluster_class="dask_cuda.LocalCUDACluster",
                cluster_kwargs={"n_workers": min(count, gpus), **local},
            ),
            f"on {min(count, gpus)} of this machine's {gpus} GPUs, one process each",
        )
    return Runner(
        DaskTaskRunner(
            cluster_class="distributed.LocalCluster",
            cluster_kwargs={"n_workers": count, "host": "127.0.0.1", **local},
        ),
        f"on this machine's CPU, in {count} processes: no Dask address is configured and "
        "there is no GPU to use",
    )


class Cluster:
    """A Dask cluster that is being used, watched for what would make a run hang."""

    def __init__(self, runner: Any) -> None:
        """Connect to the cluster of a ``DaskTaskRunner``, starting it where it is ours to start.

        Raises:
            TransientError: the scheduler does not answer, or no worker comes.
            EnvironmentMismatch: scheduler or a worker lacks our code or has another version, or a
                worker runs more than one task at a time.
        """
        try:
            self._client: Any = runner.client
            self.address = str(self._client.scheduler_info()["address"])
        except OSError as error:
            raise TransientError(
                f"the Dask scheduler at {runner.address} does not answer ({error}). Check "
                "FRAMEWRIGHT_DASK_ADDRESS, and that `dask scheduler` runs there."
            ) from error
        self._proven: set[str] = set()
        self._last_seen = time.monotonic()
        self._prove_scheduler()
        try:
            self._client.wait_for_workers(1, timeout=FIRST_WORKER_SECONDS)
        except TimeoutError as error:
            raise TransientError(self._no_worker(FIRST_WORKER_SECONDS)) from error
        self.watch()

    @classmethod
    def of_run(cls) -> Cluster:
        """Connect to the cluster of the flow run that this is called in."""
        return cls(getattr(FlowRunContext.get(), "task_runner", None))

    @property
    def workers(self) -> list[str]:
        """Addresses of the workers that are there now."""
        return list(self._client.scheduler_info(n_workers=-1)["workers"])

    def watch(self) -> None:
        """Check workers that came since the last look; notice when all are gone.

        A worker without our code does not fail its tasks: it drops them, and the run waits for
        ever. So each is asked to import what it will run.

        Raises:
            EnvironmentMismatch: a new worker lacks our code, has another version, or runs more
                than one task at a time.
            TransientError: there has been no worker for too long.
        """
        present = self.workers
        if present:
            self._last_seen = time.monotonic()
        elif (gone := time.monotonic() - self._last_seen) > NO_WORKER_SECONDS:
            raise TransientError(self._no_worker(gone))
        new = [address for address in present if address not in self._proven]
        if not new:
            return
        # Only importable built-ins may be sent: our own functions could not be unpickled there.
        found: Mapping[str, Any] = self._client.run(
            pydoc.locate, PROOF, workers=new, on_error="return"
        )
        for address, version in found.items():
            if isinstance(version, OSError):
                continue  # it went away; the next look finds its successor
            _require_same(f"Dask worker {address}", version)
            self._require_one_thread(address)
            self._proven.add(address)

    def _require_one_thread(self, address: str) -> None:
        """Refuse a worker that would score two units in one process, with one model and one log."""
        known = self._client.scheduler_info(n_workers=-1)["workers"]
        threads = int(known[address]["nthreads"]) if address in known else 1
        if threads != 1:
            raise EnvironmentMismatch(
                f"Dask worker {address} has {threads} threads, but a unit needs a process of its "
                f"own: start it with `dask worker {self.address} --nthreads 1`, and with "
                "--nworkers for more of them on one machine."
            )

    def _prove_scheduler(self) -> None:
        try:
            self._client.run_on_scheduler(importlib.import_module, "tasks.score")
            version = self._client.run_on_scheduler(pydoc.locate, PROOF)
        except ImportError as error:
            version = error
        _require_same(f"the Dask scheduler at {self.address}", version)

    def _no_worker(self, seconds: float) -> str:
        return (
            f"no worker has been at the Dask scheduler {self.address} for {seconds:.0f} s: start "
            f"one with `dask worker {self.address} --nthreads 1 --preload tasks.score`."
        )


def _require_same(where: str, version: object) -> None:
    if version == CODE_VERSION:
        return
    got = "cannot import it" if version is None else f"has {version!r}"
    raise EnvironmentMismatch(
        f"{where} {got}, but this run needs framewright {CODE_VERSION} with its flows and tasks. "
        "Install the same release there, put the folder that holds tasks/ on PYTHONPATH, and "
        "restart it."
    )
