from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from distributed import Client, LocalCluster

from flows import cluster
from flows.cluster import Cluster, choose_runner
from framewright.errors import EnvironmentMismatch, TransientError
from framewright.settings import Settings


def test_a_configured_address_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "gpu_count", lambda: 8)
    chosen = choose_runner(Settings(dask_address="tcp://host:8786"))
    assert chosen.task_runner.address == "tcp://host:8786"
    assert "tcp://host:8786" in chosen.reason


def test_gpus_get_a_process_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "gpu_count", lambda: 4)
    chosen = choose_runner(Settings())
    assert chosen.task_runner.cluster_class == "dask_cuda.LocalCUDACluster"
    assert chosen.task_runner.cluster_kwargs["n_workers"] == 4
    assert "4 of this machine's 4 GPUs" in chosen.reason


def test_fewer_workers_than_gpus_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "gpu_count", lambda: 4)
    chosen = choose_runner(Settings(workers=2))
    assert chosen.task_runner.cluster_kwargs["n_workers"] == 2


def test_without_gpus_the_cores_score(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "gpu_count", lambda: 0)
    chosen = choose_runner(Settings(workers=3))
    assert chosen.task_runner.cluster_class == "distributed.LocalCluster"
    assert chosen.task_runner.cluster_kwargs["n_workers"] == 3
    assert chosen.task_runner.cluster_kwargs["threads_per_worker"] == 1
    assert "CPU" in chosen.reason


@pytest.fixture(scope="module")
def runner() -> Iterator[SimpleNamespace]:
    """What the flow run has: a runner with a client, here of a cluster in this process."""
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0"
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield SimpleNamespace(client=client, address=local.scheduler_address)


def test_a_cluster_with_our_code_is_accepted(runner: SimpleNamespace) -> None:
    assert len(Cluster(runner).workers) == 1


def test_another_release_fails(runner: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CODE_VERSION", "9.9.9")
    with pytest.raises(EnvironmentMismatch, match=r"the Dask scheduler at .* has '0.*9\.9\.9"):
        Cluster(runner)


def test_a_worker_without_our_code_fails(
    runner: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "PROOF", "tasks.not_there.CODE_VERSION")
    monkeypatch.setattr(Cluster, "_prove_scheduler", lambda self: None)
    with pytest.raises(EnvironmentMismatch, match=r"Dask worker .* cannot import it.*PYTHONPATH"):
        Cluster(runner)


def test_a_scheduler_that_does_not_answer_fails() -> None:
    class Unreachable:
        address = "tcp://127.0.0.1:1"

        @property
        def client(self) -> Client:
            raise OSError("Timed out trying to connect")

    with pytest.raises(TransientError, match=r"tcp://127\.0\.0\.1:1 does not answer"):
        Cluster(Unreachable())


def test_a_cluster_without_workers_fails(
    runner: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = Cluster(runner)
    monkeypatch.setattr(Cluster, "workers", [])
    used.watch()  # a while without any is nothing to worry about
    monkeypatch.setattr(cluster, "NO_WORKER_SECONDS", -1.0)
    with pytest.raises(TransientError, match="no worker has been at the Dask scheduler"):
        used.watch()


def test_a_worker_with_several_threads_is_refused(runner: SimpleNamespace) -> None:
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address="127.0.0.1:0"
        ) as local,
        Client(local, set_as_default=False) as client,
        pytest.raises(EnvironmentMismatch, match=r"has 2 threads, .*--nthreads 1.*--nworkers"),
    ):
        Cluster(SimpleNamespace(client=client, address=local.scheduler_address))
