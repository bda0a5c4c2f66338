"""What is not a file that can be read is refused at once, whatever a path leads to."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from framewright.errors import SourceRefused
from framewright.media.source import open_source
from framewright.plan import split
from framewright.scorers.identity import IdentityScorer
from framewright.settings import Settings
from framewright.storage import LocalStore
from tests.torture.kinds import sample_mp4

AT_ONCE_SECONDS = 2.0


def _link(to: str | Path) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(to)


def _link_to_pipe(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


SOURCES: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "pipe": (os.mkfifo, "unreadable", "is not a file"),
    "link to a pipe": (_link_to_pipe, "unreadable", "is not a file"),
    "link to zeros": (_link("/dev/zero"), "unreadable", "is not a file"),
    "link to noise": (_link("/dev/urandom"), "unreadable", "is not a file"),
    "link to a terminal": (_link("/dev/tty"), "unreadable", "is not a file"),
    "link to standard input": (_link("/dev/stdin"), "unreadable", ""),
    "folder": (lambda path: path.mkdir(), "unreadable", "is not a file"),
    "link to a folder": (_link("."), "unreadable", "is not a file"),
    "link to itself": (_link("video.mp4"), "unreadable", "cannot be read"),
    "link to nothing": (_link("nothing"), "not_found", "check the path"),
    "socket": (_socket, "unreadable", "is not a file"),
    "the kernel's table": (_link("/proc/self/maps"), "empty", "is empty"),
    "own memory": (_link("/proc/self/mem"), "empty", "is empty"),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_what_is_no_file_is_refused_at_once(
    kind: str, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, reason, words = SOURCES[kind]
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    path = Path("video.mp4")
    build(path)
    caught: list[BaseException] = []

    def try_it() -> None:
        try:
            split(
                path,
                scorer=IdentityScorer.identity,
                scratch=tmp_path / "scratch",
                store=LocalStore(tmp_path / "store"),
                settings=settings,
            )
        except SourceRefused as error:
            caught.append(error)

    began = time.monotonic()
    thread = threading.Thread(target=try_it, daemon=True)
    thread.start()
    thread.join(10 * AT_ONCE_SECONDS)
    assert not thread.is_alive(), "it hangs"
    assert time.monotonic() - began < AT_ONCE_SECONDS
    [error] = caught
    assert isinstance(error, SourceRefused)
    if kind == "link to standard input":  # which pytest has made whatever it likes
        assert error.reason in ("unreadable", "empty", "not_found")
    else:
        assert error.reason == reason
    assert words in error.message


@pytest.mark.parametrize("name", ["x" * 300, "nul\0byte", "video.mp4/below"])
def test_a_path_that_cannot_be(name: str, tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "video.mp4").write_bytes(sample_mp4())
    with (
        pytest.raises(SourceRefused, match="check the path") as caught,
        open_source(tmp_path / name, settings),
    ):
        pass
    assert caught.value.reason in ("not_found", "unreadable")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(sample_mp4())
    path.chmod(0)
    with (
        pytest.raises(SourceRefused, match="check the path and permissions") as caught,
        open_source(path, settings),
    ):
        pass
    assert caught.value.reason == "unreadable"


def test_a_link_to_a_video_is_a_video(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "real.mp4").write_bytes(sample_mp4())
    (tmp_path / "link.mp4").symlink_to("real.mp4")
    with open_source(tmp_path / "link.mp4", settings) as container:
        assert len(container.streams.video) == 1
