"""The deployed flow on real parts, in the order in which a user would meet it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest
from prefect.client.schemas.objects import FlowRun

from demo.run import give_up
from tests.e2e.conftest import Runs
from tests.torture.expect import observe
from tests.torture.make import Clip, make_bad

pytestmark = pytest.mark.e2e

UNITS = ["score unit 0 [0, 25)", "score unit 1 [25, 50)", "score unit 2 [50, 75)"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def first(runs: Runs, cfr25: Clip, results: Path) -> FlowRun:
    """A run that has everything to do."""
    return runs(
        video=str(cfr25.path),
        output=f"{results}/",
        scorer="identity",
        unit_seconds=1.0,
        comparison=True,
    )


def state_of(run: FlowRun) -> tuple[str, str]:
    assert run.state is not None
    return run.state.name or "", run.state.message or ""


def test_every_frame_comes_out_in_order_with_the_sound(
    first: FlowRun, cfr25: Clip, results: Path
) -> None:
    assert state_of(first)[0] == "Completed", state_of(first)
    made = observe(results / "cfr25.identity.mp4")
    assert list(made.codes) == cfr25.codes
    assert [track.sha256 for track in made.audio] == [track.sha256 for track in cfr25.audio]
    assert sorted(path.name for path in results.iterdir()) == [
        "cfr25.identity.mp4",
        "cfr25.identity.side-by-side.mp4",
    ]


def test_names_read_well(first: FlowRun, runs: Runs) -> None:
    assert first.name == "cfr25.mp4 as identity"
    assert sorted(task.name for task in runs.task_runs(first)) == [
        "compare with cfr25.mp4",
        "report",
        *UNITS,
        "split cfr25.mp4",
        "stitch cfr25.identity.mp4",
        "upload 3 bundles",
    ]


def test_progress_and_report_are_shown(first: FlowRun, runs: Runs) -> None:
    artifacts = runs.artifacts(first)
    assert sorted(artifacts) == ["markdown", "progress"]
    assert artifacts["progress"].key == "progress-cfr25-identity"
    assert artifacts["progress"].data == 100
    assert artifacts["progress"].description == "Done: 75 of 75 frames, 3 units scored in this run"
    assert artifacts["markdown"].key == "report-cfr25-identity"
    page = str(artifacts["markdown"].data)
    assert page.count("data:image/jpeg;base64,") == 6
    assert "| 2 | [50, 75) |" in page
    assert len(page) < 100_000


def test_what_the_engine_logs_on_dask_workers_arrives(first: FlowRun, runs: Runs) -> None:
    scoring = {task.id for task in runs.task_runs(first) if task.name in UNITS}
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:  # workers send their lines every few seconds
        lines = [log.message for log in runs.logs(first) if log.task_run_id in scoring]
        engine = [line for line in lines if re.match(r"unit \d \[\d+, \d+\): 25 frames", line)]
        if len(engine) == 3:
            return
        time.sleep(0.5)
    pytest.fail(f"only these lines came from the scoring tasks: {lines}")


def test_the_choice_of_cluster_is_told(first: FlowRun, runs: Runs) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:  # lines are sent in batches
        lines = [log.message for log in runs.logs(first)]
        if "2 workers have the same release as this run" in lines:
            assert any("scoring on the Dask cluster at tcp://" in line for line in lines)
            return
        time.sleep(0.5)
    pytest.fail(f"only these lines came: {lines}")


def test_records_become_a_table(runs: Runs, cfr25: Clip, tmp_path: Path) -> None:
    run = runs(video=str(cfr25.path), output=f"{tmp_path}/", scorer="brightness", unit_seconds=1.0)
    assert state_of(run)[0] == "Completed", state_of(run)
    table = pq.read_table(tmp_path / "cfr25.brightness.parquet")
    assert table["frame"].to_pylist() == list(range(75))
    assert all(0 < mean < 1 for mean in table["mean"].to_pylist())
    assert runs.scored(run) == UNITS
    page = str(runs.artifacts(run)["markdown"].data)
    assert "| records | 75 |" in page
    assert "data:image" not in page


def test_a_comparison_of_records_is_refused(runs: Runs, cfr25: Clip, tmp_path: Path) -> None:
    run = runs(video=str(cfr25.path), output=f"{tmp_path}/", scorer="brightness", comparison=True)
    name, message = state_of(run)
    assert name == "Failed"
    assert "'brightness' makes records, of which there is no clip to compare" in message


def test_a_second_run_scores_nothing(
    first: FlowRun, runs: Runs, cfr25: Clip, tmp_path: Path
) -> None:
    again = runs(
        video=str(cfr25.path), output=f"{tmp_path}/out.mp4", scorer="identity", unit_seconds=1.0
    )
    assert state_of(again)[0] == "Completed", state_of(again)
    assert runs.scored(again) == []
    assert list(observe(tmp_path / "out.mp4").codes) == cfr25.codes


def test_a_retry_from_the_ui_scores_only_what_is_missing(
    first: FlowRun, runs: Runs, cfr25: Clip, results: Path
) -> None:
    manifest = next(one for one in runs.manifests() if one.scorer.name == "identity")
    record = runs.unit_files(manifest)[1]
    record.unlink()
    [clip] = record.parent.glob(f"{record.stem}-*.mp4")
    clip.unlink()
    again = runs.retry(first)
    assert state_of(again)[0] == "Completed", state_of(again)
    assert runs.scored(again) == sorted([*UNITS, UNITS[1]])
    assert list(observe(results / "cfr25.identity.mp4").codes) == cfr25.codes


def test_a_video_that_cannot_be_read_is_refused(runs: Runs, tmp_path: Path) -> None:
    source = tmp_path / "notes.mp4"
    source.write_text("not a video\n" * 1000)
    run = runs(video=str(source), output=f"{tmp_path}/out/", scorer="identity")
    name, message = state_of(run)
    assert name == "Failed"
    assert message.startswith("refused (unreadable): 'notes.mp4' is not a video file")
    assert not (tmp_path / "out").exists()
    assert [task.name for task in runs.task_runs(run)] == ["split notes.mp4"]


def test_damage_is_refused_before_scoring_and_held_on_request(
    runs: Runs, clip_folder: Path, tmp_path: Path
) -> None:
    source = make_bad("corrupt_mp4", clip_folder)
    parameters = {"video": str(source), "output": f"{tmp_path}/out.mp4", "scorer": "identity"}
    refused = runs(**parameters)
    name, message = state_of(refused)
    assert name == "Failed"
    assert message.startswith("refused (damaged): 'corrupt.mp4': frame ")
    assert runs.scored(refused) == []
    held = runs(**parameters, on_damage="hold")
    assert state_of(held)[0] == "Completed", state_of(held)
    assert "the frame before is held" in str(runs.artifacts(held)["markdown"].data)
    assert len(observe(tmp_path / "out.mp4").codes) == 75


def test_the_death_of_a_worker_does_not_matter(runs: Runs, cfr25: Clip, tmp_path: Path) -> None:
    run_id = runs.begin(
        video=str(cfr25.path),
        output=f"{tmp_path}/out.mp4",
        scorer="trouble",
        scorer_options={"seconds_per_frame": 0.15},
        unit_seconds=1.0,
    )

    def first_unit_done() -> bool:
        newest = runs.manifests()[0]
        return newest.scorer.name == "trouble" and bool(runs.unit_files(newest))

    runs.wait(run_id, first_unit_done)
    victim = scoring_processes(runs)[0]
    os.kill(victim, signal.SIGKILL)
    run = runs.wait(run_id)
    assert state_of(run)[0] == "Completed", state_of(run)
    assert not psutil.pid_exists(victim)
    assert list(observe(tmp_path / "out.mp4").codes) == cfr25.codes
    assert runs.scored(run) == UNITS
    assert all(task.state and task.state.is_completed() for task in runs.task_runs(run))


def test_a_run_that_is_given_up_is_stopped_by_its_worker(
    runs: Runs, cfr25: Clip, tmp_path: Path
) -> None:
    """What Ctrl-C in `make demo` does on a stack that stays."""
    run_id = runs.begin(
        video=str(cfr25.path),
        output=f"{tmp_path}/out.mp4",
        scorer="trouble",
        scorer_options={"seconds_per_frame": 0.2},
        unit_seconds=1.0,
    )
    runs.wait(run_id, lambda: bool(runs.scored(runs.client.read_flow_run(run_id))))
    assert flow_processes(runs)
    give_up(runs.client, run_id, 60.0)
    run = runs.client.read_flow_run(run_id)
    assert run.state is not None
    assert run.state.is_cancelled()
    deadline = time.monotonic() + 10
    while flow_processes(runs) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert flow_processes(runs) == []
    assert not (tmp_path / "out.mp4").exists()


def test_a_unit_that_kills_every_worker_fails_the_run(
    runs: Runs, cfr25: Clip, tmp_path: Path
) -> None:
    run = runs(
        video=str(cfr25.path),
        output=f"{tmp_path}/out.mp4",
        scorer="trouble",
        scorer_options={"deadly": True},
        unit_seconds=10.0,
    )
    name, message = state_of(run)
    assert name == "Failed"
    assert "unit 0, frames [0, 75), killed every worker that tried it" in message
    assert not (tmp_path / "out.mp4").exists()
    states = [(task.name, task.state.name) for task in runs.task_runs(run) if task.state]
    # A process may die before Prefect has heard from it: then there is no task run to close.
    assert {state for name, state in states if name.startswith("score")} <= {"Crashed"}
    assert "Running" not in [state for _, state in states]


def test_a_worker_without_our_code_fails_the_run_by_name(
    runs: Runs, cfr25: Clip, tmp_path: Path
) -> None:
    environment = runs.stack.environment()
    del environment["PYTHONPATH"]
    address = runs.stack.scheduler_address
    command = [sys.executable, "-m", "dask", "worker", address, "--no-nanny", "--no-dashboard"]
    with (tmp_path / "bare.log").open("wb") as log:
        bare = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            run = runs(
                video=str(cfr25.path),
                output=f"{tmp_path}/out.mp4",
                scorer="trouble",
                scorer_options={"seconds_per_frame": 0.01},
                unit_seconds=1.0,
            )
        finally:
            bare.kill()
            bare.wait()
    name, message = state_of(run)
    assert name == "Failed"
    assert message.startswith("Dask worker tcp://")
    assert "cannot import it, but this run needs framewright" in message
    assert runs.scored(run) == []


def flow_processes(runs: Runs) -> list[int]:
    """The processes below the Prefect worker, in which flows run."""
    worker = runs.stack.service("prefect worker").process()
    assert worker is not None
    return [process.pid for process in worker.children(recursive=True)]


def scoring_processes(runs: Runs) -> list[int]:
    """The processes below the nannies in which units are scored."""
    parent = runs.stack.service("dask workers").process()
    assert parent is not None
    return [p.pid for p in parent.children() if "spawn_main" in " ".join(p.cmdline())]
