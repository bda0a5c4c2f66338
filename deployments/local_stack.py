"""Prefect server, Dask cluster and worker on this machine, started and stopped together.

Everything lives in one folder (database, logs, ``stack.json`` with the process ids), so that two
stacks never meet and nothing outside the folder is touched. As a command::

    python -m deployments.local_stack up|status|down --home .demo
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]

from framewright.settings import cpu_cores

__all__ = [
    "DEPLOYMENT",
    "Service",
    "Stack",
    "StackError",
    "alone",
    "attach",
    "deploy",
    "running",
    "start",
    "stop",
]

PROJECT = Path(__file__).resolve().parents[1]
POOL = "local"
DEPLOYMENT = "score-video/score-video"
_children: list[subprocess.Popen[bytes]] = []
"""Kept because a ``Popen`` that is forgotten while its process lives warns about it."""

START_SECONDS = 90.0
"""A first start migrates the database: about 15 s on two busy cores."""
STOP_SECONDS = 3.0
"""The server waits for open connections, which may be ours; its database can bear being killed."""


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


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack and where to reach it."""

    home: str
    api_url: str
    scheduler_address: str
    services: tuple[Service, ...] = ()

    @property
    def ui_url(self) -> str:
        """Address of the Prefect UI."""
        return self.api_url.removesuffix("/api")

    @property
    def work_store(self) -> str:
        """Folder where bundles and scored units live."""
        return str(Path(self.home) / "work")

    def service(self, name: str) -> Service:
        """Return a service by its name."""
        return next(service for service in self.services if service.name == name)

    def environment(self) -> dict[str, str]:
        """Return the variables under which every process of the stack, and its clients, run."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")
        }
        paths = [str(PROJECT), *filter(None, [inherited.get("PYTHONPATH")])]
        return {
            **inherited,
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": ",".join(filter(None, ["127.0.0.1,localhost", inherited.get("NO_PROXY")])),
            "PREFECT_HOME": str(Path(self.home) / "prefect"),
            "PREFECT_API_URL": self.api_url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_CLI_COLORS": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "FRAMEWRIGHT_DASK_ADDRESS": self.scheduler_address,
            "FRAMEWRIGHT_WORK_STORE": self.work_store,
        }

    def check(self) -> None:
        """Raise ``StackError`` where a process of the stack has ended."""
        for service in self.services:
            if service.process() is None:
                raise StackError(f"{service.name} has stopped. {_log_of(service)}")


def start(home: Path, *, workers: int = 0, cwd: Path | None = None) -> Stack:
    """Start a stack, deploy to it, and wait until it can take a run.

    Args:
        home: folder of the stack; made where it is missing.
        workers: single-threaded Dask worker processes; 0 for one per CPU core.
        cwd: working directory of all processes; ``home`` where it is not given.

    Raises:
        StackError: a stack runs there already, or a part did not come up.
    """
    home = home.absolute()
    (home / "logs").mkdir(parents=True, exist_ok=True)
    if attach(home) is not None:
        raise StackError(f"a stack runs in {home} already: stop it with `make down`")
    stop(home)
    count = workers or cpu_cores()
    server_port, dask_port = _free_ports(2)
    stack = Stack(str(home), f"http://127.0.0.1:{server_port}/api", f"tcp://127.0.0.1:{dask_port}")
    try:
        for name, arguments in _commands(stack, count).items():
            stack = _with_service(stack, name, arguments, cwd)
        _wait_for(stack, "prefect server", lambda: _answers(f"{stack.api_url}/health"))
        worker = ("-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process")
        stack = _with_service(stack, "prefect worker", worker, cwd)
        _wait_for(stack, "prefect worker", lambda: _answers(f"{stack.api_url}/work_pools/{POOL}"))
        deploy(stack)  # while Dask's workers import what they will run
        _wait_for(stack, "dask workers", lambda: _dask_workers(stack.scheduler_address) >= count)
    except BaseException:
        stop(home)
        raise
    return stack


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


def attach(home: Path) -> Stack | None:
    """Return the stack that runs in a folder, or None where none does."""
    stack = _read_state(home)
    if stack is None or any(service.process() is None for service in stack.services):
        return None
    return stack if _answers(f"{stack.api_url}/health") else None


def stop(home: Path) -> None:
    """Stop what runs of the stack in a folder, with all processes that it started."""
    stack = _read_state(home)
    if stack is None:
        return
    descendants: list[psutil.Process] = []
    for service in reversed(stack.services):  # clients before what they are connected to
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
    for child in _children:
        with suppress(subprocess.TimeoutExpired):
            child.wait(timeout=0)
    _state_file(home).unlink(missing_ok=True)


@contextmanager
def running(home: Path, *, workers: int = 0, cwd: Path | None = None) -> Iterator[Stack]:
    """Start a stack, and stop it at the end whatever happens."""
    stack = start(home, workers=workers, cwd=cwd)
    try:
        yield stack
    finally:
        stop(home)


def deploy(stack: Stack) -> None:
    """Register the deployments of prefect.yaml that run on the local work pool."""
    command = ["-m", "prefect", "--no-prompt", "deploy", "--name", DEPLOYMENT.rpartition("/")[2]]
    done = subprocess.run(  # noqa: S603 - a fixed command
        [sys.executable, *command],
        cwd=PROJECT,
        env=stack.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )
    if done.returncode:
        raise StackError(f"`prefect deploy` failed:\n{(done.stdout + done.stderr)[-2000:]}")


def _commands(stack: Stack, workers: int) -> dict[str, tuple[str, ...]]:
    """Arguments of the processes that can start at the same time, none waiting for another."""
    server_port = stack.api_url.removesuffix("/api").rpartition(":")[2]
    dask_port = stack.scheduler_address.rpartition(":")[2]
    local = ("--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
    code = ("--preload", "tasks.score")
    return {
        "prefect server": (
            *("-m", "prefect", "server", "start"),
            *("--host", "127.0.0.1", "--port", server_port),
        ),
        "dask scheduler": ("-m", "dask", "scheduler", "--port", dask_port, *local, *code),
        "dask workers": (
            *("-m", "dask", "worker", stack.scheduler_address, *local, *code),
            *("--nworkers", str(workers), "--nthreads", "1", "--memory-limit", "0"),
            *("--preload", "framewright.model"),  # torch, while the server starts
            *("--local-directory", str(Path(stack.home) / "dask")),
        ),
    }


def _with_service(stack: Stack, name: str, arguments: Sequence[str], cwd: Path | None) -> Stack:
    """Start a process in its own session (Ctrl-C is ours to handle) and note it in the state."""
    log = Path(stack.home) / "logs" / f"{name.replace(' ', '-')}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603 - a fixed command
            [sys.executable, *arguments],
            cwd=cwd or stack.home,
            env=stack.environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _children.append(process)
    service = Service(name, process.pid, psutil.Process(process.pid).create_time(), str(log))
    stack = replace(stack, services=(*stack.services, service))
    _state_file(Path(stack.home)).write_text(json.dumps(asdict(stack), indent=2), encoding="utf-8")
    return stack


def _wait_for(stack: Stack, name: str, ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        stack.check()
        if time.monotonic() > deadline:
            service = stack.service(name)
            raise StackError(f"{name} is not ready after {START_SECONDS:.0f} s. {_log_of(service)}")
        time.sleep(0.1)


def _log_of(service: Service) -> str:
    return f"The end of its log, {service.log}:\n{service.log_tail()}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5.0, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _dask_workers(address: str) -> int:
    from distributed import Client

    try:
        with Client(address, timeout=5, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            return len(client.scheduler_info(n_workers=-1)["workers"])
    except OSError:
        return 0


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def _state_file(home: Path) -> Path:
    return home / "stack.json"


def _read_state(home: Path) -> Stack | None:
    try:
        state = json.loads(_state_file(home).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    services = tuple(Service(**service) for service in state.pop("services"))
    return Stack(**state, services=services)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(description="Prefect, Dask and a worker on this machine.")
    parser.add_argument("action", choices=["up", "status", "down"])
    parser.add_argument("--home", type=Path, default=PROJECT / ".demo")
    parser.add_argument("--workers", type=int, default=0, help="0 for one per CPU core")
    options = parser.parse_args(arguments)
    out = sys.stdout.write
    try:
        if options.action == "down":
            stop(options.home)
            return 0
        stack = attach(options.home)
        if stack is None and options.action == "up":
            with alone(options.home):
                stack = start(options.home, workers=options.workers)
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    out(f"UI {stack.ui_url}, Dask {stack.scheduler_address}\n" if stack else "not running\n")
    return 0 if stack else 1


if __name__ == "__main__":
    raise SystemExit(main())
