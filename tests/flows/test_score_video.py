"""The flow's own decisions after the result is in its place; the run itself is in tests/e2e."""

import logging
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prefect.client.schemas.objects import State

from flows import run as running
from flows import score_video as module
from framewright.delivery import JobOrder
from framewright.errors import EngineBug
from framewright.scorers.identity import IdentityScorer
from framewright.settings import Settings
from framewright.sources import Origin
from framewright.storage import RemoteFile


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A run in which all stages up to the report work; returns the stores they were given."""
    seen: list[str] = []

    def plan(*args: Any) -> tuple[Any, Path]:
        seen.append(args[-2])
        return SimpleNamespace(job_key="k", seconds=0.0), Path("/out/a.mp4")

    def score(job_key: str, store: str, board: object) -> tuple[set[int], float]:
        seen.append(store)
        return set(), 0.0

    def stitch(*_: object, store: str, **__: object) -> SimpleNamespace:
        seen.append(store)
        return SimpleNamespace(output="/out/a.mp4")

    def report(*_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(
            output="/out/a.mp4",
            frames_in=1,
            frames_out=1,
            units=[1],
            units_scored=1,
            frames_per_second=1.0,
            overhead_share=0.0,
        )

    monkeypatch.setattr(
        module, "ProgressBoard", lambda key: SimpleNamespace(say=lambda words: None)
    )
    monkeypatch.setattr(module, "find", lambda place, _: Origin(place))
    monkeypatch.setattr(module, "check_writable", lambda _: None)
    identity = IdentityScorer.identity
    monkeypatch.setattr(module, "create", lambda *_: SimpleNamespace(identity=identity))
    monkeypatch.setattr(running, "get_run_logger", lambda: logging.getLogger("test"))
    monkeypatch.setattr(module, "engine_logs", nullcontext)
    monkeypatch.setattr(running, "_plan", plan)
    monkeypatch.setattr(running, "_score", score)
    monkeypatch.setattr(running, "stitch_video", stitch)
    monkeypatch.setattr(running, "publish_report", report)
    monkeypatch.setattr(running, "compare_videos", lambda *_, **__: "/out/a.side-by-side.mp4")
    return seen


def fail(*_: object, **__: object) -> None:
    raise EngineBug("no space left")


def run(**parameters: Any) -> Any:
    return module.score_video.fn("/in/a.mp4", "/out/", scorer="identity", **parameters)


def test_a_run_tells_what_it_made(stores: list[str]) -> None:
    made = run(comparison=True)
    assert (made["output"], made["comparison"]) == ("/out/a.mp4", "/out/a.side-by-side.mp4")


@pytest.mark.parametrize("remote", [False, True])
def test_who_publishes_a_result_looks_whether_its_source_is_still_there(
    remote: bool, stores: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stitch, where it writes to the result's place; else the delivery."""
    target = RemoteFile(None, "a.mp4", "az://media/out/a.mp4") if remote else Path("/out/a.mp4")  # type: ignore[arg-type]
    asked: dict[str, object] = {}

    def stitch(source: Path, file: Path, *, origin: object, **_: object) -> SimpleNamespace:
        asked["stitch"] = origin
        return SimpleNamespace(output="/out/a.mp4")

    def deliver(*_: object, origin: object, **__: object) -> SimpleNamespace:
        asked["deliver"] = origin
        return SimpleNamespace(output="/out/a.mp4")

    planned = SimpleNamespace(job_key="k", seconds=0.0)
    monkeypatch.setattr(running, "_plan", lambda *_: (planned, target))
    monkeypatch.setattr(running, "stitch_video", stitch)
    monkeypatch.setattr(running, "deliver_video", deliver)
    run()
    source = Origin(Path("/in/a.mp4"))
    assert asked == ({"stitch": None, "deliver": source} if remote else {"stitch": source})


def test_tasks_get_an_absolute_store(
    stores: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "settings_here", lambda: Settings(work_store="work"))
    run()
    assert stores == [str(tmp_path / "work")] * 3


@pytest.mark.parametrize(
    ("video", "output", "words"),
    [("gone.mp4", "out/", "there is no file"), ("a.mp4", "a.mp4/out/", "cannot write to")],
)
def test_no_painting_is_fitted_for_what_cannot_be_read_or_written(
    video: str, output: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said: list[str] = []
    monkeypatch.setattr(module, "ProgressBoard", lambda key: SimpleNamespace(say=said.append))
    monkeypatch.setattr(module, "engine_logs", nullcontext)
    monkeypatch.setattr(module, "create", fail)
    (tmp_path / "a.mp4").write_bytes(b"video")
    state = module.score_video.fn(f"{tmp_path}/{video}", f"{tmp_path}/{output}")
    assert isinstance(state, State)
    assert words in str(state.message)
    assert said == ["Refused"]


def test_the_mask_reaches_what_plans(
    stores: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    orders: list[JobOrder] = []

    def plan(source: Path, origin: object, order: JobOrder, *_: object) -> tuple[Any, Path]:
        orders.append(order)
        return SimpleNamespace(job_key="k", seconds=0.0), Path("/out/a.mp4")

    monkeypatch.setattr(running, "_plan", plan)
    (tmp_path / "mask.mp4").write_bytes(b"pictures")
    run(mask=str(tmp_path / "mask.mp4"))
    run()
    [masked, plain] = orders
    assert masked.treatment
    assert masked.assets == {masked.treatment.mask: tmp_path / "mask.mp4"}
    assert plain.assets == {}
    gone = run(mask=str(tmp_path / "gone.mp4"))
    assert isinstance(gone, State)
    assert "gone.mp4" in str(gone.message)


def test_a_comparison_that_fails_is_only_logged(
    stores: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(running, "compare_videos", fail)
    made = run(comparison=True)
    assert (made["output"], made["comparison"]) == ("/out/a.mp4", "")
    [line] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "there is no comparison clip of a.mp4: no space left" in line.getMessage()


def test_a_report_that_fails_says_that_the_output_is_there(
    stores: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "publish_report", fail)
    state = run()
    assert isinstance(state, State)
    assert state.is_failed()
    assert state.message is not None
    assert state.message.startswith("/out/a.mp4 is finished, verified and in its place; only the")
    assert "no space left" in state.message
