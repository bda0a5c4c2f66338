"""A Prefect server of our own to kill and start again, relays beside it, and one that runs runs.

Flow runs are executed in this process, one after the other: a process for each takes seconds, and
what is shown here is which runs there are.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import prefect.flow_engine
import psutil
import yaml
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun
from prefect.events.schemas.deployment_triggers import DeploymentTriggerTypes
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings
from pydantic import TypeAdapter

from flows.on_arrival import on_arrival

__all__ = ["POOL", "World", "world"]

PROJECT = Path(__file__).resolve().parents[2]
POOL = "local"
START_SECONDS = 300.0
CONFIG = yaml.safe_load((PROJECT / "prefect.yaml").read_text())


def triggers() -> Any:
    """The automation of on-arrival, as prefect.yaml declares it."""
    [declared] = [d["triggers"] for d in CONFIG["deployments"] if d["name"] == "on-arrival"]
    return TypeAdapter(list[DeploymentTriggerTypes]).validate_python(declared)


class World:
    """A server, its clients and its runs."""

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self.home = home
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.api = f"http://127.0.0.1:{port}/api"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        self.environment = {
            **inherited,
            "PYTHONPATH": str(PROJECT),
            "PYTHONUNBUFFERED": "1",
            "PREFECT_HOME": str(home / "prefect"),
            "PREFECT_API_URL": self.api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            **environment,
        }
        self.processes: list[subprocess.Popen[bytes]] = []
        self.flows: dict[str, Flow[Any, Any]] = {}
        self.server = self.start_server()

    def _start(self, name: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=self.home,
                env={**self.environment, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def start_server(self) -> subprocess.Popen[bytes]:
        """Start the server, always at the same address and on the same database."""
        port = self.api.rsplit(":", 1)[1].removesuffix("/api")
        command = ("prefect", "server", "start", "--host", "127.0.0.1", "--port", port)
        self.server = self._start("server", *command)
        self.until(self.answers, START_SECONDS)
        return self.server

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.api}/health", timeout=5, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def start_relay(self, **settings: str) -> subprocess.Popen[bytes]:
        """Start a relay with ``FRAMEWRIGHT_RELAY_*`` settings."""
        named = {f"FRAMEWRIGHT_RELAY_{name.upper()}": value for name, value in settings.items()}
        return self._start("relay", "deployments.relay", **named)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End a process as a power cut does, and what it started."""
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                self.kill(process)

    def deploy(self, score_video: Flow[Any, Any], output: str) -> None:
        """Register a flow that scores, on-arrival, and its automation."""
        arrival = {"triggers": triggers(), "parameters": {"output": output}}
        with self.client() as client:
            client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
            for flow, more in ((score_video, {}), (on_arrival, arrival)):
                made: Any = flow.to_deployment(flow.name, work_pool_name=POOL, **more)
                made.apply(work_pool_name=POOL)
                self.flows[str(client.read_flow_by_name(flow.name).id)] = flow

    def client(self) -> SyncPrefectClient:
        return SyncPrefectClient(api=self.api)

    def until(self, true: Callable[[], bool], seconds: float, pause: float = 0.2) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                raise AssertionError(f"not so after {seconds:.0f} s; {self.logs()}")
            time.sleep(pause)

    def logs(self, lines: int = 15) -> str:
        """The ends of the logs."""
        texts = []
        for path in sorted(self.home.glob("*.log")):
            tail = path.read_text(errors="replace").splitlines()[-lines:]
            texts.append(f"{path.name}:\n" + "\n".join(tail))
        return "\n".join(texts)

    def execute(self) -> int:
        """Execute all runs that are scheduled; return how many they were."""
        with self.client() as client:
            waiting = client.request(
                "POST", "/work_pools/{name}/get_scheduled_flow_runs",
                path_params={"name": POOL}, json={},
            )  # fmt: skip
        runs = [FlowRun.model_validate(one["flow_run"]) for one in waiting.json()]
        for run in runs:
            flow = self.flows[str(run.flow_id)]
            prefect.flow_engine.run_flow(
                flow, flow_run=run, parameters=run.parameters, return_type="state"
            )
        return len(runs)

    def runs(self, flow_name: str) -> list[dict[str, Any]]:
        """All runs of a flow."""
        found: list[dict[str, Any]] = []
        with self.client() as client:
            while True:
                query = {"flows": {"name": {"any_": [flow_name]}}, "limit": 200}
                query |= {"offset": len(found), "sort": "EXPECTED_START_TIME_DESC"}
                page = client.request("POST", "/flow_runs/filter", json=query).json()
                found += page
                if len(page) < 200:
                    return found

    def states(self, flow_name: str) -> Counter[str]:
        """How many runs of a flow are in which state."""
        return Counter(run["state_name"] for run in self.runs(flow_name))


@contextmanager
def world(home: Path, environment: Mapping[str, str]) -> Iterator[World]:
    """Start a server; in the end, stop it and all that was started beside it."""
    home.mkdir(parents=True, exist_ok=True)
    made = World(home, environment)
    try:
        with temporary_settings({PREFECT_API_URL: made.api, PREFECT_CLIENT_MAX_RETRIES: 8}):
            yield made
    finally:
        made.stop()
