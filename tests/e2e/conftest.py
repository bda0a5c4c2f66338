"""A real Prefect server, Dask scheduler, Dask workers and process worker, once for all tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import Artifact, FlowRun, Log, TaskRun
from prefect.states import Scheduled

from deployments import local_stack
from framewright.types import Manifest, job_prefix
from tests.azurite import ACCOUNT, Azurite, why_not

PLUGIN = Path(__file__).parent / "plugin"
RUN_SECONDS = 120.0


@dataclass(frozen=True)
class WorkContainer:
    """A container of Azurite, and the token with which the stack writes there."""

    name: str
    endpoint: str
    sas: str
    connection_string: str
    """Of whoever may do everything there."""

    @property
    def address(self) -> str:
        return f"az://{ACCOUNT}/{self.name}/work"


@pytest.fixture(scope="session")
def work_container(request: pytest.FixtureRequest) -> WorkContainer | None:
    """None where there is no Azurite: all other tests of the stack run without it."""
    if why_not():
        return None
    azurite: Azurite = request.getfixturevalue("azurite")
    with azurite.container() as container:
        name = container.container_name
    return WorkContainer(
        name, azurite.endpoint, azurite.sas(name, "rcwd"), azurite.connection_string
    )


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory, work_container: WorkContainer | None
) -> Iterator[local_stack.Stack]:
    """The stack, all of its processes working in a folder that has nothing to do with the project.

    Dask gives a task whose worker died to one more worker, not to three: restarts take seconds.
    """
    home, foreign = tmp_path_factory.mktemp("stack"), tmp_path_factory.mktemp("foreign cwd")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(PLUGIN))
        patch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "1")
        if work_container is not None:
            patch.setenv("FRAMEWRIGHT_AZURE_ENDPOINT", work_container.endpoint)
            patch.setenv("FRAMEWRIGHT_AZURE_SAS", work_container.sas)
        with local_stack.running(home, workers=2, cwd=foreign) as running:
            yield running


@pytest.fixture(scope="session")
def client(stack: local_stack.Stack) -> Iterator[SyncPrefectClient]:
    """A client of the stack's server."""
    with SyncPrefectClient(api=stack.api_url) as made:
        yield made


class Runs:
    """Starts runs of the deployment and looks at what they left."""

    def __init__(self, stack: local_stack.Stack, client: SyncPrefectClient) -> None:
        self.stack = stack
        self.client = client
        self.deployment = client.read_deployment_by_name(local_stack.DEPLOYMENT)

    def begin(self, **parameters: Any) -> UUID:
        """Start a run and return its id."""
        run = self.client.create_flow_run_from_deployment(self.deployment.id, parameters=parameters)
        return run.id

    def wait(self, run_id: UUID, until: Callable[[], bool] | None = None) -> FlowRun:
        """Wait for the end of a run, or until something is so."""
        deadline = time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            run = self.client.read_flow_run(run_id)
            self.stack.check()
            if (run.state and run.state.is_final()) or (until and until()):
                return run
            time.sleep(0.2)
        log = self.stack.service("prefect worker").log_tail(60)
        raise AssertionError(f"the run is not over after {RUN_SECONDS:.0f} s:\n{log}")

    def __call__(self, **parameters: Any) -> FlowRun:
        """Run to the end."""
        return self.wait(self.begin(**parameters))

    def retry(self, run: FlowRun) -> FlowRun:
        """Do what the button in the UI does, and wait for the end."""
        again = Scheduled(name="AwaitingRetry", message="Retry from the UI")
        self.client.set_flow_run_state(run.id, again)
        return self.wait(run.id)

    def task_runs(self, run: FlowRun) -> list[TaskRun]:
        """All task runs of a run."""
        mine = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        return list(self.client.read_task_runs(flow_run_filter=mine, limit=200))

    def scored(self, run: FlowRun) -> list[str]:
        """Names of a run's scoring tasks."""
        names = [task.name for task in self.task_runs(run)]
        return sorted(name for name in names if name.startswith("score unit"))

    def artifacts(self, run: FlowRun) -> dict[str, Artifact]:
        """A run's artifacts, by their kind."""
        mine = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
        return {str(a.type): a for a in self.client.read_artifacts(artifact_filter=mine)}

    def logs(self, run: FlowRun) -> list[Log]:
        """A run's log lines."""
        mine = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
        return list(self.client.read_logs(log_filter=mine, limit=200))

    def manifests(self) -> list[Manifest]:
        """All jobs in the store, the newest first."""
        paths = sorted(
            (Path(self.stack.work_store) / "jobs").glob("*/manifest.json"),
            key=lambda path: path.stat().st_mtime,
            reverse=True,
        )
        return [Manifest.model_validate_json(path.read_bytes()) for path in paths]

    def unit_files(self, manifest: Manifest) -> list[Path]:
        """The records of a job's scored units."""
        folder = Path(self.stack.work_store) / job_prefix(manifest.job_key) / "units"
        return sorted(folder.glob("*.json"))


@pytest.fixture(scope="session")
def runs(stack: local_stack.Stack, client: SyncPrefectClient) -> Runs:
    """Runs of the deployment on the stack."""
    return Runs(stack, client)
