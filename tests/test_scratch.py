"""Temporary folders, and what is said where there can be none."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from framewright import scratch
from framewright.errors import InputError
from framewright.scratch import scratch_folder
from framewright.settings import Settings


def test_it_is_gone_in_the_end_whatever_happens(tmp_path: Path) -> None:
    def use() -> NoReturn:
        with scratch_folder(Settings(scratch_folder=str(tmp_path))) as folder:
            (folder / "deep").mkdir()
            assert folder.parent == tmp_path
            raise KeyError

    with pytest.raises(KeyError):
        use()
    assert list(tmp_path.iterdir()) == []


def test_it_may_be_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with scratch_folder(Settings(scratch_folder="~")) as folder:
        assert folder.parent == tmp_path


@pytest.mark.parametrize("name", ["nowhere", "file", "x" * 300])
def test_a_place_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="set FRAMEWRIGHT_SCRATCH_FOLDER to a folder that exists"),
        scratch_folder(Settings(scratch_folder=f"{tmp_path}/{name}")),
    ):
        pass


def test_a_full_disk_is_no_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """``InputError`` would end the run; any other is tried again."""

    def full(*_: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(OSError, match="No space left"), scratch_folder(Settings()):
        pass


def left_by_a_killed_process(root: Path) -> Path:
    code = (
        "import os, sys; from framewright.scratch import scratch_folder; "
        "from framewright.settings import Settings\n"
        "with scratch_folder(Settings(scratch_folder=sys.argv[1])) as folder:\n"
        "    (folder / 'deep').mkdir(); (folder / 'deep' / 'file').touch(); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(root)])
    assert done.returncode == -signal.SIGKILL
    [folder] = root.iterdir()
    assert (folder / "deep" / "file").exists()
    return folder


@pytest.fixture
def another_process() -> Callable[[], None]:
    """Lets the next folder be the first that this process makes."""
    return scratch._remove_left.cache_clear


def test_what_killed_processes_left_is_removed_by_the_next(
    tmp_path: Path, another_process: Callable[[], None]
) -> None:
    dead = left_by_a_killed_process(tmp_path)
    for name in ("framewright-of-another-machine", "others"):
        (tmp_path / name).mkdir()
    settings = Settings(scratch_folder=str(tmp_path))
    with scratch_folder(settings) as living:
        assert not dead.exists()
        another_process()
        with scratch_folder(settings) as other:
            assert living.exists(), "its process lives"
            assert other != living
    assert {one.name for one in tmp_path.iterdir()} == {"framewright-of-another-machine", "others"}


def test_what_lies_on_another_mount_of_the_same_disk_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock would not be seen: that of two containers on a machine, each with its own mount."""
    left = left_by_a_killed_process(tmp_path)
    real = os.stat

    def elsewhere(path: Any, **how: Any) -> os.stat_result:
        found = real(path, **how)
        return os.stat_result([*found[:2], found.st_dev + 1, *found[3:]])

    with monkeypatch.context() as context:
        context.setattr(os, "stat", elsewhere)
        with scratch_folder(Settings(scratch_folder=str(tmp_path))):
            assert left.exists()
    scratch._remove_left.cache_clear()
    with scratch_folder(Settings(scratch_folder=str(tmp_path))):
        assert not left.exists()


def test_what_cannot_be_told_from_another_machine_s_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = left_by_a_killed_process(tmp_path)
    monkeypatch.setattr(scratch, "_BOOT", tmp_path / "there-is-no-such-file")
    with scratch_folder(Settings(scratch_folder=str(tmp_path))) as folder:
        assert folder.name.startswith("framewright-")
    assert list(tmp_path.iterdir()) == [dead]


def test_a_folder_that_is_taken_for_a_dead_one_s_before_it_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every point of time there is one who loses, and it is not the folder's user."""
    lock, states = fcntl.flock, ["being removed", "removed"]

    def late(folder: int, how: int) -> None:
        state = states.pop() if states else ""
        path = Path(os.readlink(f"/proc/self/fd/{folder}"))
        if state == "removed":
            path.rmdir()
        if state == "being removed":
            raise BlockingIOError
        lock(folder, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with scratch_folder(Settings(scratch_folder=str(tmp_path))) as folder:
        assert states == []
        assert list(tmp_path.iterdir()) == [folder]


def test_a_disk_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = left_by_a_killed_process(tmp_path)

    def none(*_: object) -> NoReturn:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with scratch_folder(Settings(scratch_folder=str(tmp_path))) as folder:
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == [dead]
