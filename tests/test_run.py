"""Whole runs with real processes: killed, repeated, watched."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from framewright import run as run_package
from framewright.errors import OutputRefused, ScorerFailed, SourceRefused, WorkerLost
from framewright.run import run
from framewright.scorers import create
from framewright.settings import Settings
from framewright.storage import open_store
from framewright.types import Progress
from tests.support import SLOW, install_scorer
from tests.torture.expect import observe
from tests.torture.make import Clip, make_bad

IDENTITY = create("identity", {}).identity


class Watcher:
    """Looks into a folder all the time and notes each state of each visible file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.seen: set[tuple[str, int]] = set()

    def _watch(self) -> None:
        while not self._stop.wait(0.002):
            self.look()

    def look(self) -> None:
        self.seen |= {
            (entry.name, entry.stat().st_size)
            for entry in os.scandir(self._folder)
            if not entry.name.startswith(".")
        }

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.look()


def test_a_run_and_the_same_run_again(cfr25: Clip, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    told: list[Progress] = []
    with Watcher(out) as watcher:
        report = run(
            cfr25.path, f"{out}/", IDENTITY, unit_seconds=1.0, workers=1, progress=told.append
        )
    result = out / "cfr25.identity.mp4"
    assert report.output == str(result)
    assert watcher.seen == {(result.name, result.stat().st_size)}, "never anything half-written"
    assert list(out.iterdir()) == [result]
    seen = observe(result)
    assert seen.codes == cfr25.codes
    assert seen.times == cfr25.seen.times
    assert [track.sha256 for track in seen.audio] == [track.sha256 for track in cfr25.audio]
    assert (report.frames_in, report.frames_out, report.units_scored) == (75, 75, 3)
    assert set(report.stages) == {"split", "upload", "score", "stitch", "total"}
    assert {p.stage for p in told} >= {"split", "score", "stitch"}
    scored = [p.done for p in told if p.stage == "score"]
    assert scored == sorted(scored)
    assert scored[-1] == 75

    again = run(cfr25.path, f"{out}/again.mp4", IDENTITY, unit_seconds=1.0, workers=1)
    assert again.units_scored == 0
    assert (out / "again.mp4").read_bytes() == result.read_bytes()
    assert multiprocessing.active_children() == []
    # Starting a process and loading the model are in the stage, but are not scoring.
    assert 0 < report.scoring_seconds < report.stages["score"]
    assert report.overhead_share > 1 - report.stages["score"] / report.stages["total"]
    assert again.scoring_seconds == 0
    assert again.overhead_share == 1


def test_a_killed_process_is_replaced(
    cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_scorer(tmp_path, "slow", SLOW)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SLOW_SECONDS", "0.02")
    killed: list[int] = []

    def kill_once(progress: Progress) -> None:
        children = multiprocessing.active_children()
        if progress.stage == "score" and progress.done >= 20 and children and not killed:
            killed.append(children[0].pid or 0)
            os.kill(killed[0], signal.SIGKILL)

    report = run(
        cfr25.path,
        f"{tmp_path}/out.mp4",
        create("slow", {}).identity,
        unit_seconds=0.2,
        workers=1,
        progress=kill_once,
    )
    assert len(killed) == 1
    assert observe(tmp_path / "out.mp4").codes == cfr25.codes
    assert len({unit.worker for unit in report.units}) == 2, "a second process took over"
    assert multiprocessing.active_children() == []


KILLER = """
import os, signal
from framewright.types import ScorerIdentity

class Plugin:
    identity = ScorerIdentity(name="killer", version="1", flickers=False)
    context_frames = 0
    def setup(self, device, threads):
        os.kill(os.getpid(), signal.SIGKILL)
    def score(self, frames):
        return frames
"""


def test_processes_that_always_die(
    cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_scorer(tmp_path, "killer", KILLER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(run_package, "_MAX_DEAD_POOLS", 1)
    identity = create("killer", {}).identity
    with pytest.raises(WorkerLost, match=r"units \[0\] open; is memory short\? Use fewer"):
        run(cfr25.path, f"{tmp_path}/out.mp4", identity, workers=1)
    assert not (tmp_path / "out.mp4").exists()
    assert multiprocessing.active_children() == []


UNPICKLABLE = """
from framewright.types import ScorerIdentity

class OwnError(Exception):
    def __init__(self, code, text):
        super().__init__(f"{text} ({code})")

class Plugin:
    identity = ScorerIdentity(name="odd", version="1", flickers=False)
    context_frames = 0
    def setup(self, device, threads):
        pass
    def score(self, frames):
        raise OwnError(7, "upside down")
"""


def test_an_error_of_a_scorers_own_is_told_as_that(
    cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading it back in this process would fail, and look like the death of the other."""
    install_scorer(tmp_path, "odd", UNPICKLABLE)
    monkeypatch.syspath_prepend(str(tmp_path))
    identity = create("odd", {}).identity
    with pytest.raises(
        ScorerFailed, match=r"scorer 'odd' raised OwnError: upside down \(7\), in unit 0\. This is"
    ) as caught:
        run(cfr25.path, f"{tmp_path}/out.mp4", identity, workers=1)
    assert "plugin_odd.py" in caught.value.traceback
    assert 'raise OwnError(7, "upside down")' in caught.value.traceback
    assert not (tmp_path / "out.mp4").exists()
    assert multiprocessing.active_children() == []


def test_every_process_gets_a_gpu_of_its_own() -> None:
    shared = run_package._Shared(
        frames=run_package._SPAWN.Value("q", 0),
        processes=run_package._SPAWN.Value("q", 0),
        gpus=("1", "GPU-5ebe"),
        log_level=30,
    )
    seen: list[str | None] = []
    for _ in range(3):
        with ProcessPoolExecutor(
            1,
            mp_context=run_package._SPAWN,
            initializer=run_package._begin_process,
            initargs=(shared,),
        ) as pool:
            seen.append(pool.submit(os.getenv, "CUDA_VISIBLE_DEVICES").result())
    assert seen == ["1", "GPU-5ebe", "1"]


@pytest.mark.parametrize(("asked", "gpus", "started"), [(0, 2, 2), (1, 2, 1), (3, 2, 3), (0, 0, 5)])
def test_one_process_per_gpu_or_core(
    asked: int,
    gpus: int,
    started: int,
    cfr25: Clip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Enough(Exception):
        pass

    def score_all(store, manifest, workers, settings, progress):  # type: ignore[no-untyped-def]
        raise Enough(workers)

    monkeypatch.setattr(run_package, "visible_gpus", lambda: tuple("0123"[:gpus]))
    monkeypatch.setattr("framewright.settings.cpu_cores", lambda: 5)
    monkeypatch.setattr(run_package, "_score_all", score_all)
    with pytest.raises(Enough) as caught:
        run(cfr25.path, f"{tmp_path}/out.mp4", IDENTITY, workers=asked)
    assert caught.value.args == (started,)


def test_a_damaged_source_gives_no_output(clip_folder: Path, tmp_path: Path) -> None:
    """Unless all was decoded before, the refusal comes from a scoring process, as what it is."""
    path = make_bad("corrupt_mp4", clip_folder)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "there.mp4").write_bytes(b"from before")
    with pytest.raises(SourceRefused, match=r"'corrupt\.mp4' in unit 0, frames .* re-export") as e:
        unchecked = Settings(check_decoding=False)
        run(path, f"{tmp_path}/out/there.mp4", IDENTITY, workers=1, settings=unchecked)
    assert e.value.reason == "damaged"
    assert (tmp_path / "out" / "there.mp4").read_bytes() == b"from before"
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert multiprocessing.active_children() == []


def test_a_place_that_cannot_be_written_to_costs_no_scoring(cfr25: Clip, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputRefused, match="cannot write to the folder"):
        run(cfr25.path, f"{tmp_path}/file/out.mp4", IDENTITY)
    assert multiprocessing.active_children() == []
    kept = open_store(Settings().work_store).list("jobs/")
    assert [info.key for info in kept if "/logs/" not in info.key] == []


def test_scratch_is_cleaned_up(cfr25: Clip, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    settings = Settings(scratch_folder=str(scratch))
    with pytest.raises(OutputRefused, match="is the source itself"):
        run(cfr25.path, str(cfr25.path), IDENTITY, settings=settings)
    assert list(scratch.iterdir()) == []
