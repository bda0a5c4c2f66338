"""What `make demo` understands, and what it says; the run itself is tested in tests/e2e."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Cancelling

from demo import run as demo
from demo.run import DemoError, Wish
from deployments import local_stack

PROJECT = Path(__file__).resolve().parents[2]
HOSTILE = "-we $b $(x) 'x' \"y\" 100%d #.mp4"


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("VIDEO", "STYLE", "SCORER", "KEEP", "FRESH"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "harbour 01.mp4"
    path.touch()
    monkeypatch.setenv("VIDEO", str(path))
    return path


def test_a_video_is_painted_like_the_starry_night(video: Path) -> None:
    wish = Wish.from_environment()
    assert (wish.video, wish.scorer, wish.look) == (video, "fast", "starry_night")
    assert not wish.keep
    assert not wish.fresh
    assert wish.folder == PROJECT / "output" / "harbour-01-starry_night"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("VIDEO", "/not/there.mp4", "there is no file '/not/there.mp4'"),
        ("STYLE", "oil", "unknown STYLE 'oil'. Known: .*starry_night"),
        ("SCORER", "magic", "unknown SCORER 'magic'. Known: .*identity"),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused(
    video: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(DemoError, match=message):
        Wish.from_environment()


def test_a_painting_may_be_an_image(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (video.parent / "my sunset.jpg").touch()
    monkeypatch.chdir(video.parent)
    monkeypatch.setenv("STYLE", "my sunset.jpg")
    wish = Wish.from_environment()
    assert (wish.style, wish.look) == (f"{video.parent}/my sunset.jpg", "my sunset.jpg")
    assert wish.folder == PROJECT / "output" / "harbour-01-my-sunset.jpg"


@pytest.mark.parametrize("stem", ["..", "-", "夜", "x" * 200, HOSTILE])
def test_every_name_gives_a_folder_inside_output(
    video: Path, monkeypatch: pytest.MonkeyPatch, stem: str
) -> None:
    path = video.with_name(f"{stem}.mp4")
    path.touch()
    monkeypatch.setenv("VIDEO", str(path))
    folder = Wish.from_environment().folder
    assert folder.parent == PROJECT / "output"
    assert len(folder.name) < 100


def test_a_refusal_is_one_line_and_no_success(
    video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VIDEO", "/not/there.mp4")
    assert demo.main() == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == "demo: there is no file '/not/there.mp4': give one as VIDEO=PATH.\n"


def test_make_passes_a_name_on_letter_for_letter(tmp_path: Path) -> None:
    show = tmp_path / "show.mk"
    show.write_text(
        f"include {PROJECT}/Makefile\n"
        f"show:\n\t@{sys.executable} -c 'import os; print(os.environ[\"VIDEO\"])'\n"
    )
    done = subprocess.run(
        ["/usr/bin/env", "make", "--no-print-directory", "-f", show, "show", f"VIDEO={HOSTILE}"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == HOSTILE + "\n"


class Server:
    """A server whose worker ends a run that is to be cancelled, after so many looks at it."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        self.states: list[tuple[str, bool]] = []

    def set_flow_run_state(self, run_id: UUID, state: State[Any], force: bool = False) -> None:
        self.states.append((state.name or "", force))

    def read_flow_run(self, run_id: UUID) -> SimpleNamespace:
        self.looks -= 1
        return SimpleNamespace(state=Cancelled() if self.looks < 0 else Cancelling())


@pytest.mark.parametrize(
    ("patience", "looks", "states"),
    [
        (0.0, 0, [("Cancelled", True)]),
        (20.0, 2, [("Cancelling", False)]),
        (0.1, 1000, [("Cancelling", False), ("Cancelled", True)]),
    ],
    ids=["the worker goes anyway", "the worker stops it", "the worker does not"],
)
def test_a_run_that_is_given_up_is_stopped_first(
    patience: float, looks: int, states: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "POLL_SECONDS", 0.02)
    server = Server(looks)
    demo.give_up(server, uuid4(), patience)  # type: ignore[arg-type]
    assert server.states == states


def test_a_second_demo_leaves_the_first_alone(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would take a stack that is still starting for a dead one, and stop it."""
    monkeypatch.setattr(demo, "HOME", tmp_path / "home")
    monkeypatch.setattr(demo, "probe", lambda *_: None)
    monkeypatch.setattr(demo, "stack_for", lambda *_: pytest.fail("it must not get here"))
    holder = (
        "import sys, time; from pathlib import Path; from deployments import local_stack as s\n"
    )
    holder += "with s.alone(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", holder, str(tmp_path / "home")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE) as first:
        try:
            assert first.stdout is not None
            assert first.stdout.readline() == b"held\n"
            assert demo.main() == 1
        finally:
            first.kill()
    assert f"demo: process {first.pid} is using {tmp_path}/home already" in capsys.readouterr().err
    with local_stack.alone(tmp_path / "home"):
        pass  # the dead one's lock is free
