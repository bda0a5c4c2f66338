"""A sandbox lets its function work, keeps it from the rest, and outlives whatever it does."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from framewright.errors import EngineBug, SourceRefused, TransientError
from framewright.sandbox import Sandbox, enforceable, landlock, parent, seccomp
from framewright.settings import Settings
from framewright.types import Progress, ProgressCallback
from tests.sandbox import acts
from tests.sandbox.acts import Text

Act = Callable[[Text, ProgressCallback], Text]

needs_landlock = pytest.mark.skipif(not landlock.abi_version(), reason="no Landlock here")
needs_scopes = pytest.mark.skipif(landlock.abi_version() < 6, reason="Landlock below 6")
needs_seccomp = pytest.mark.skipif(not seccomp.is_available(), reason="no seccomp here")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "media" / "source.mp4"
    path.parent.mkdir()
    path.write_text("the source")
    return path


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    path = tmp_path / "scratch"
    path.mkdir()
    return path


@pytest.fixture
def sandbox(source: Path, scratch: Path) -> Iterator[Sandbox]:
    with new(source, scratch) as sandbox:
        yield sandbox


def new(source: Path, scratch: Path, **settings: float) -> Sandbox:
    known = Settings.model_validate(settings)
    return Sandbox(source, known, scratch=scratch, modules=(acts.__name__,))


def do(sandbox: Sandbox, act: Act, text: object = "") -> str:
    return sandbox(act, Text(text=str(text)), Text).text


def test_it_works_order_after_order(sandbox: Sandbox, source: Path, scratch: Path) -> None:
    told: list[Progress] = []
    assert sandbox(acts.echo, Text(text="ä\n"), Text, told.append).text == "ä\n"
    assert told == [Progress("split", 1, 1)]
    assert do(sandbox, acts.read, source) == "the source"
    do(sandbox, acts.write, scratch / "here")
    assert (scratch / "here").read_text() == "written"


@needs_landlock
def test_it_reads_no_other_file(sandbox: Sandbox, source: Path) -> None:
    secret = source.with_name("secret.txt")
    secret.write_text("a secret")
    for path in (secret, Path.home() / ".bashrc", Path("/etc/passwd")):
        with pytest.raises(EngineBug, match="PermissionError"):
            do(sandbox, acts.read, path)


@needs_landlock
def test_it_writes_nowhere_else(sandbox: Sandbox, source: Path, tmp_path: Path) -> None:
    for path in (source, source.with_name("new"), tmp_path / "new"):
        with pytest.raises(EngineBug, match="PermissionError"):
            do(sandbox, acts.write, path)
    assert source.read_text() == "the source"
    with pytest.raises(EngineBug, match="PermissionError"):
        do(sandbox, acts.link, "/etc/passwd")


@needs_seccomp
@pytest.mark.parametrize("act", [acts.connect, acts.send_datagram, acts.send_from_a_thread])
def test_it_reaches_no_network(sandbox: Sandbox, act: Act) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(EngineBug, match="PermissionError"):
            do(sandbox, act, address)
        with pytest.raises(TimeoutError):
            server.accept()


@needs_seccomp
def test_programs_that_it_starts_are_kept_from_the_network_too(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        assert "not permitted" in do(sandbox, acts.run_a_program, server.getsockname()[1])
        with pytest.raises(TimeoutError):
            server.accept()


def test_the_same_connection_is_made_outside() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert acts.connect(Text(text=address), lambda _: None).text == "connected"
        server.accept()[0].close()


@needs_scopes
def test_it_sends_its_parent_no_signal(sandbox: Sandbox) -> None:
    with pytest.raises(EngineBug, match="PermissionError"):
        do(sandbox, acts.kill_parent)


def test_it_knows_no_secret(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountKey=hidden")
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:hidden")
    assert "hidden" not in do(sandbox, acts.environment)
    if landlock.abi_version():
        with pytest.raises(EngineBug, match="PermissionError"):
            do(sandbox, acts.parent_environment)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (acts.crash, r"'source\.mp4' crashed the decoder \(SIGSEGV\)"),
        (acts.abort, r"\(SIGABRT\).*It said: .*assertion failed: this cannot be"),
    ],
)
def test_a_crash_refuses_the_file(sandbox: Sandbox, act: Act, words: str) -> None:
    with pytest.raises(SourceRefused, match=words) as refused:
        do(sandbox, act)
    assert refused.value.reason == "crash"
    assert do(sandbox, acts.echo, "again") == "again", "the next order gets a new process"


@needs_seccomp
@pytest.mark.parametrize(
    "act",
    [
        acts.change_mode,
        acts.change_times,
        acts.change_attributes,
        acts.limit_parent,
        acts.slow_parent_down,
        acts.leave_the_session,
    ],
)
def test_it_changes_neither_files_nor_processes(
    sandbox: Sandbox, act: Act, source: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.txt"
    other.write_text("of the user")
    before = other.stat()
    with pytest.raises(EngineBug, match="PermissionError"):
        do(sandbox, act, other)
    after = other.stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert do(sandbox, acts.own_limits) == "256"


def test_a_process_that_stops_listening_is_ended(source: Path, scratch: Path) -> None:
    with new(source, scratch, sandbox_wall_seconds=4) as sandbox:
        do(sandbox, acts.echo)
        do(sandbox, acts.turn_deaf)
        time.sleep(0.5)
        with pytest.raises(SourceRefused, match="FRAMEWRIGHT_SANDBOX_WALL_SECONDS"):
            do(sandbox, acts.echo, "x" * (1 << 20))


def test_a_process_that_stops_talking_is_ended(
    source: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parent, "_END_SECONDS", 0.5)
    with new(source, scratch) as sandbox, pytest.raises(EngineBug, match="ended by itself"):
        do(sandbox, acts.fall_silent)


def test_who_is_told_to_stop_before_it_begins_does_not_begin(source: Path, scratch: Path) -> None:
    with new(source, scratch) as sandbox:
        sandbox.kill()
        with pytest.raises(TransientError, match="was stopped"):
            do(sandbox, acts.echo)


@pytest.mark.parametrize("act", [acts.hang, acts.hang_in_native_code])
def test_a_hang_refuses_the_file(source: Path, scratch: Path, act: Act) -> None:
    with new(source, scratch, max_frame_seconds=1.5) as sandbox:
        do(sandbox, acts.echo)
        began = time.monotonic()
        with pytest.raises(SourceRefused, match="FRAMEWRIGHT_MAX_FRAME_SECONDS") as refused:
            do(sandbox, act)
        assert refused.value.reason == "too_slow"
        assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    ("limits", "variable"),
    [
        ({"sandbox_cpu_seconds": 2}, "FRAMEWRIGHT_SANDBOX_CPU_SECONDS"),
        ({"sandbox_wall_seconds": 3}, "FRAMEWRIGHT_SANDBOX_WALL_SECONDS"),
    ],
)
def test_work_without_end_refuses_the_file(
    source: Path, scratch: Path, limits: dict[str, float], variable: str
) -> None:
    with (
        new(source, scratch, **limits) as sandbox,
        pytest.raises(SourceRefused, match=variable) as refused,
    ):
        do(sandbox, acts.spin)
    assert refused.value.reason == "too_slow"


def test_too_much_memory_refuses_the_file(source: Path, scratch: Path) -> None:
    with (
        new(source, scratch, sandbox_memory_bytes=1 << 29) as sandbox,
        pytest.raises(SourceRefused, match="FRAMEWRIGHT_SANDBOX_MEMORY_BYTES") as refused,
    ):
        do(sandbox, acts.allocate)
    assert refused.value.reason == "too_large"


def test_a_huge_file_refuses_the_source(sandbox: Sandbox) -> None:
    with pytest.raises(SourceRefused, match="much larger than itself") as refused:
        do(sandbox, acts.fill_the_disk)
    assert refused.value.reason == "unsafe"


def test_what_is_raised_on_purpose_arrives_as_it_was(sandbox: Sandbox) -> None:
    with pytest.raises(SourceRefused, match="as asked") as refused:
        do(sandbox, acts.refuse)
    assert (refused.value.reason, refused.value.frame) == ("damaged", 7)


def test_what_is_not_is_a_defect(sandbox: Sandbox) -> None:
    with pytest.raises(EngineBug, match=r"reading 'source\.mp4' failed: KeyError: .*nobody"):
        do(sandbox, acts.stumble)
    with pytest.raises(EngineBug, match="ended by itself, with status 0"):
        do(sandbox, acts.leave)


def test_an_answer_is_validated(sandbox: Sandbox) -> None:
    with pytest.raises(EngineBug):
        do(sandbox, acts.lie)


@pytest.mark.parametrize(
    "line",
    [
        b"no JSON",
        b'{"answer": {"text": 1}}',
        b'{"progress": ["elsewhere", 1, 2]}',
        b'{"error": ["SystemExit", [1]]}',
        b'{"error": ["SourceRefused", []]}',
        b'{"error": ["SourceRefused", [{"a": 1}, ["x"], "f"]]}',
        b'{"error": ["WorkerLost", ["again"]]}',
        b'{"failure": []}',
        b'{"unheard": 1}',
    ],
)
def test_what_a_taken_over_process_says_is_not_believed(sandbox: Sandbox, line: bytes) -> None:
    with pytest.raises(EngineBug, match="a sandboxed process"):
        do(sandbox, acts.say, line.decode())


def test_what_is_printed_is_no_answer(sandbox: Sandbox) -> None:
    assert do(sandbox, acts.print_much) == "real"


def test_nothing_is_left_running(source: Path, scratch: Path) -> None:
    with new(source, scratch) as sandbox:
        do(sandbox, acts.echo)
        process = sandbox._process
        assert process is not None
        timer = threading.Timer(0.3, sandbox.kill)
        timer.start()
        with pytest.raises(TransientError, match="ended from outside"):
            do(sandbox, acts.hang)
        timer.join()
    assert process.returncode is not None
    assert not Path(f"/proc/{process.pid}").exists()


def test_it_says_what_it_is_kept_from(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "framewright.sandbox"):
        do(sandbox, acts.echo)
    assert all(words in caplog.text for words in enforceable())
    assert os.uname().sysname != "Linux" or "too much memory" in caplog.text


@needs_landlock
def test_a_platform_that_refuses_is_told_once(
    source: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As under a container's filter that knows no Landlock: the work goes on, with a warning."""
    parent._warn_once.cache_clear()
    monkeypatch.setattr(parent, "_MODULE", "tests.sandbox.without_landlock")
    for _ in range(2):
        with new(source, scratch) as sandbox:
            assert do(sandbox, acts.echo, "works") == "works"
    assert caplog.text.count("cannot keep what reads a video from other files") == 1
