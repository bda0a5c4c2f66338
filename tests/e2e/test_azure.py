"""The flow with its work store in Azure storage; workers sign in by their own environment."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from prefect.client.schemas.objects import FlowRun

from framewright.settings import Settings
from framewright.storage import ObjectInfo, open_store
from tests.azurite import ACCOUNT, why_not
from tests.e2e.conftest import Runs, WorkContainer
from tests.torture.expect import observe
from tests.torture.make import Clip

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "it is there"),
]


def test_a_run_in_azure_storage_and_the_same_run_again(
    runs: Runs, work_container: WorkContainer, cfr25: Clip, tmp_path: Path
) -> None:
    signature = work_container.sas.rpartition("sig=")[2]
    for number, scored in enumerate((3, 0)):
        run = runs(
            video=str(cfr25.path),
            output=f"{tmp_path}/{number}.mp4",
            scorer="identity",
            unit_seconds=1.0,
            work_store=work_container.address,
        )
        assert run.state is not None
        assert run.state.name == "Completed", run.state.message
        assert len(runs.scored(run)) == scored
        assert list(observe(tmp_path / f"{number}.mp4").codes) == cfr25.codes
        nothing_shows(signature, runs, run)


def test_a_video_and_its_result_in_azure_storage_and_the_same_run_again(
    runs: Runs, work_container: WorkContainer, cfr25: Clip, tmp_path: Path
) -> None:
    place = f"az://{ACCOUNT}/{work_container.name}"
    settings = Settings(azure_sas=work_container.sas, azure_endpoint=work_container.endpoint)
    media = open_store(place, settings)
    media.put("in/a clip.mp4", cfr25.path)
    for scored in (3, 0):
        run = runs(
            video=f"{place}/in/a clip.mp4",
            output=f"{place}/out/",
            scorer="identity",
            unit_seconds=1.0,
            work_store=f"{place}/another work",
            comparison=True,
        )
        assert run.state is not None
        assert run.state.name == "Completed", run.state.message
        assert run.name == "a clip.mp4 as identity"
        assert len(runs.scored(run)) == scored
        names = {task.name for task in runs.task_runs(run)}
        assert ("fetch a clip.mp4" in names) == bool(scored), "fetched once"
        nothing_shows(work_container.sas.rpartition("sig=")[2], runs, run)
    media.download("out/a clip.identity.mp4", tmp_path / "x.mp4")
    assert list(observe(tmp_path / "x.mp4").codes) == cfr25.codes
    assert media.stat("out/a clip.identity.side-by-side.mp4") is not None


def test_records_become_a_table_in_azure_storage_and_are_journaled(
    runs: Runs, work_container: WorkContainer, cfr25: Clip, tmp_path: Path
) -> None:
    place = f"az://{ACCOUNT}/{work_container.name}"
    settings = Settings(azure_sas=work_container.sas, azure_endpoint=work_container.endpoint)
    media = open_store(place, settings)
    media.put("in/b.mp4", cfr25.path)
    for scored in (3, 0):
        run = runs(
            video=f"{place}/in/b.mp4",
            output=f"{place}/tables/",
            scorer="brightness",
            unit_seconds=1.0,
            work_store=work_container.address,
        )
        assert run.state is not None
        assert run.state.name == "Completed", run.state.message
        assert len(runs.scored(run)) == scored
        page = str(runs.artifacts(run)["markdown"].data)
        assert "| records | 75 |" in page
        nothing_shows(work_container.sas.rpartition("sig=")[2], runs, run)
    media.download("tables/b.brightness.parquet", tmp_path / "b.parquet")
    assert pq.read_table(tmp_path / "b.parquet")["frame"].to_pylist() == list(range(75))
    [logs] = {line.split("`")[1] for line in page.splitlines() if line.startswith("| logs |")}
    names = {Path(info.key).name.partition("-")[0] for info in listing(work_container, logs)}
    assert names >= {"split", "upload", "unit", "stitch", "deliver"}


def listing(work_container: WorkContainer, address: str) -> list[ObjectInfo]:
    """What is below an address; the token of the stack may not list."""
    key = {"azure_connection_string": work_container.connection_string}
    settings = Settings(azure_endpoint=work_container.endpoint, azure_sas="", **key)
    return list(open_store(address, settings).list())


def nothing_shows(signature: str, runs: Runs, run: FlowRun) -> None:
    shown = [run.model_dump_json(), *(log.message for log in runs.logs(run))]
    shown += [artifact.model_dump_json() for artifact in runs.artifacts(run).values()]
    shown += [task.model_dump_json() for task in runs.task_runs(run)]
    assert not any(signature in text or "sig=" in text for text in shown)
