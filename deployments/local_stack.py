"""Prefect server, Dask cluster and worker on this machine, started and stopped together.

Everything lives in one folder (database, logs, ``stack.json`` with the process ids), so that two
stacks never meet and nothing outside the folder is touched. As a command::

    python -m deployments.local_stack up|status|down --home .demo
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import httpx

from deployments.deploying import PROJECT, PublishError, prefect_deploy
from deployments.private import read_private
from deployments.processes import Service, StackError, alone, free_ports, launch, stop_all
from framewright.settings import cpu_cores

__all__ = [
    "DEPLOYMENT",
    "Service",
    "Stack",
    "StackError",
    "add",
    "alone",
    "attach",
    "deploy",
    "running",
    "start",
    "stop",
    "wait_for",
]

POOL = "framewright"
DEPLOYMENT = "score-video/score-video"

LEASES = "prefect.server.concurrency.lease_storage.filesystem"
"""Who holds which slot outlives the server: one that has forgotten it cancels runs that begin."""
START_SECONDS = 180.0
"""A first start migrates the database: about 15 s on two busy cores, minutes on overloaded ones."""
ANSWER_SECONDS = 30.0
"""Longest wait for one answer of the server, which may still be starting."""


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

    def environment(self, name: str = "") -> dict[str, str]:
        """Return the variables under which the processes of the stack, and its clients, run.

        Args:
            name: of a service, which may be told more than others; empty for none.
        """
        private = read_private(Path(self.home))
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
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": LEASES,
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_CLI_COLORS": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "FRAMEWRIGHT_DASK_ADDRESS": self.scheduler_address,
            "FRAMEWRIGHT_WORK_STORE": self.work_store,
            **private.get("all", {}),
            **private.get(name, {}),
        }

    def ask(self, path: str, **query: object) -> httpx.Response:
        """Ask the server's API: by GET, or with a query by POST, as its filters want."""
        user, _, password = self.environment().get("PREFECT_API_AUTH_STRING", "").partition(":")
        return httpx.request(
            "POST" if query else "GET",
            f"{self.api_url}{path}",
            json=query or None,
            auth=(user, password) if user else None,
            timeout=ANSWER_SECONDS,
            trust_env=False,
        )

    def check(self) -> None:
        """Raise ``StackError`` where a process of the stack has ended."""
        for service in self.services:
            if service.process() is None:
                raise StackError(f"{service.name} has stopped. {_log_of(service)}")


def start(
    home: Path,
    *,
    workers: int = 0,
    cwd: Path | None = None,
    before: Callable[[Stack], Stack] = lambda stack: stack,
    publish: Callable[[Stack], None] | None = None,
) -> Stack:
    """Start a stack, deploy to it, and wait until it can take a run.

    Args:
        home: folder of the stack; made where it is missing.
        workers: single-threaded Dask worker processes; 0 for one per CPU core.
        cwd: working directory of all processes; ``home`` where it is not given.
        before: starts what must be there before Prefect.
        publish: deploys; ``deploy`` where it is not given.

    Raises:
        StackError: a stack runs there already, or a part did not come up.
    """
    home = home.absolute()
    (home / "logs").mkdir(parents=True, exist_ok=True)
    if attach(home) is not None:
        raise StackError(f"a stack runs in {home} already: stop it with `make down`")
    stop(home)
    count = workers or cpu_cores()
    server_port, dask_port = free_ports(2)
    stack = Stack(str(home), f"http://127.0.0.1:{server_port}/api", f"tcp://127.0.0.1:{dask_port}")
    try:
        stack = before(stack)
        for name, arguments in _commands(stack, count).items():
            stack = add(stack, name, arguments, cwd=cwd)
        wait_for(stack, "prefect server", lambda: _answers(stack, "/health"))
        _make_pool(stack)
        worker = ("-m", "prefect", "worker", "start", "--pool", POOL, "--type", "process")
        stack = add(stack, "prefect worker", worker, cwd=cwd)
        (publish or deploy)(stack)  # while Dask's workers import what they will run
        wait_for(stack, "prefect worker", lambda: _worker_is_online(stack))
        wait_for(stack, "dask workers", lambda: _dask_workers(stack.scheduler_address) >= count)
    except BaseException:
        stop(home)
        raise
    return stack


def attach(home: Path) -> Stack | None:
    """Return the stack that runs in a folder, or None where none does."""
    stack = _read_state(home)
    if stack is None or any(service.process() is None for service in stack.services):
        return None
    return stack if _answers(stack, "/health") else None


def stop(home: Path) -> None:
    """Stop what runs of the stack in a folder, with all processes that it started."""
    stack = _read_state(home)
    if stack is None:
        return
    stop_all(stack.services)
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
    name = DEPLOYMENT.rpartition("/")[2]
    try:
        prefect_deploy("--name", name, environment=stack.environment())
    except PublishError as error:
        raise StackError(str(error)) from error


def _commands(stack: Stack, workers: int) -> dict[str, tuple[str, ...]]:
    """Arguments of the processes that can start at the same time, none waiting for another."""
    server_port = stack.api_url.removesuffix("/api").rpartition(":")[2]
    dask_port = stack.scheduler_address.rpartition(":")[2]
    local = ("--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
    code = ("--preload", "tasks.score")
    return {
        "prefect server": (
            *("-m", "deployments.server", "server", "start"),
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


def add(
    stack: Stack,
    name: str,
    arguments: Sequence[str],
    *,
    cwd: Path | None = None,
    program: str = sys.executable,
) -> Stack:
    """Start one more process of a stack, and note it before anything else can go wrong."""
    home = Path(stack.home)
    log = home / "logs" / f"{name.replace(' ', '-')}.log"
    environment = stack.environment(name)
    service = launch(name, [program, *arguments], log, cwd=cwd or home, environment=environment)
    stack = replace(stack, services=(*stack.services, service))
    _state_file(home).write_text(json.dumps(asdict(stack), indent=2), encoding="utf-8")
    return stack


def wait_for(stack: Stack, name: str, ready: Callable[[], bool]) -> None:
    """Wait until a service is ready.

    Raises:
        StackError: a process of the stack has ended, or it takes too long.
    """
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        stack.check()
        if time.monotonic() > deadline:
            service = stack.service(name)
            raise StackError(f"{name} is not ready after {START_SECONDS:.0f} s. {_log_of(service)}")
        time.sleep(0.1)


def _log_of(service: Service) -> str:
    return f"The end of its log, {service.log}:\n{service.log_tail()}"


def _answers(stack: Stack, path: str) -> bool:
    try:
        return stack.ask(path).is_success
    except httpx.TransportError:
        return False


def _make_pool(stack: Stack) -> None:
    """Make the pool with our template, as ``python -m deployments.pools create process`` does."""
    template = json.loads((PROJECT / "deployments/pools/process.json").read_text(encoding="utf-8"))
    made = stack.ask("/work_pools/", name=POOL, type="process", base_job_template=template)
    if made.status_code not in (201, 409):  # 409: it is there from an earlier start
        raise StackError(f"the server refused the work pool: {made.status_code} {made.text[:500]}")


def _worker_is_online(stack: Stack) -> bool:
    workers = stack.ask(f"/work_pools/{POOL}/workers/filter", limit=200)
    return workers.is_success and any(one["status"] == "ONLINE" for one in workers.json())


def _dask_workers(address: str) -> int:
    from distributed import Client

    try:
        with Client(address, timeout=5, set_as_default=False) as client:  # type: ignore[no-untyped-call]
            return len(client.scheduler_info(n_workers=-1)["workers"])
    except OSError:
        return 0


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
    parser = argparse.ArgumentParser(
        prog="python -m deployments.local_stack",
        description="Prefect, Dask and a worker on this machine.",
    )
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
