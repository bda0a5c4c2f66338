"""Processes that are started here and stopped by their own ids, later and by anybody."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

__all__ = ["Service", "StackError", "alone", "free_ports", "launch", "stop_all"]

STOP_SECONDS = 3.0
"""The server waits for open connections, which may be ours; its database can bear being killed."""
children: list[subprocess.Popen[bytes]] = []
"""Kept because a ``Popen`` that is forgotten while its process lives warns about it."""


class StackError(Exception):
    """A part of the stack did not come up or went away; the message ends with its log."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process of the stack.

    Attributes:
        name: what it is, in words.
        pid: its process id.
        born: when it started, in seconds since the epoch; tells it from a later process that was
            given the same id.
        log: file with everything it printed.
    """

    name: str
    pid: int
    born: float
    log: str

    def process(self) -> psutil.Process | None:
        """Return the live process, or None where it has ended."""
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and abs(process.create_time() - self.born) < 1.0:
                return process
        return None

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines that the process printed."""
        with suppress(OSError):
            text = Path(self.log).read_text(encoding="utf-8", errors="replace")
            return "\n".join(text.splitlines()[-lines:])
        return ""


def launch(
    name: str, command: Sequence[str], log: Path, *, cwd: Path, environment: Mapping[str, str]
) -> Service:
    """Start a process in a session of its own (Ctrl-C is ours to handle), which prints to a log."""
    with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        process = subprocess.Popen(  # noqa: S603 - a fixed command
            list(command),
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    children.append(process)
    return Service(name, process.pid, psutil.Process(process.pid).create_time(), str(log))


def stop_all(services: Sequence[Service]) -> None:
    """Stop processes and all that they started, the last one first."""
    descendants: list[psutil.Process] = []
    for service in reversed(services):  # clients before what they are connected to
        if (process := service.process()) is None:
            continue
        with suppress(psutil.NoSuchProcess):
            descendants += process.children(recursive=True)
            if not service.name.startswith("dask"):  # which has nothing to save, and takes its time
                process.terminate()
                with suppress(psutil.TimeoutExpired):
                    process.wait(STOP_SECONDS)
            process.kill()
    for process in descendants:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    for child in children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=0)


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Keep others from starting a stack in a folder, or stopping the one that we start.

    The system gives the lock back when the process ends, however it ends.

    Raises:
        StackError: another process holds the lock.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            raise StackError(
                f"process {lock.read().strip() or '(unknown)'} is using {home} already, as "
                "`make demo` or `make up` does: wait until it is done, or stop it, then try again."
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def free_ports(count: int) -> list[int]:
    """Return ports of 127.0.0.1 that nobody listens on; they may be taken at any time."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()
