"""Azurite, the emulator of Azure storage, as a process of the tests' own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.storage.blob import ContainerClient, generate_container_sas
from azure.storage.queue import QueueClient

__all__ = [
    "ACCOUNT",
    "Azurite",
    "Media",
    "Queues",
    "queues",
    "running",
    "why_not",
]

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of Azurite's only account; public, the same everywhere."""
ROOT = Path(__file__).parents[1]
SERVICE = ROOT / ".azurite/node_modules/azurite/dist/src/blob/main.js"
QUEUE_SERVICE = SERVICE.parents[1] / "queue/main.js"
START_SECONDS = 60.0


def node() -> str | None:
    """The program that runs JavaScript: this machine's, or that of a Python package."""
    beside = Path(sys.executable).with_name("node")
    return shutil.which("node") or (str(beside) if beside.exists() else None)


def why_not() -> str:
    """Why Azurite cannot be started here; empty where it can."""
    if not SERVICE.exists():
        return "Azurite is not installed: make azurite"
    return "" if node() else "there is no node: make azurite"


class Media:
    """Names of two accounts: where users write, and where they do not."""

    MEDIA = "media"
    OPS = "ops"


@dataclass
class Azurite:
    """A running Azurite."""

    process: subprocess.Popen[bytes]
    port: int
    scheme: str = "http"

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol={self.scheme};AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={self.endpoint};"
        )

    def container(self, account: str = ACCOUNT) -> ContainerClient:
        """Make a new, empty container."""
        container = self.container_named(f"t-{uuid.uuid4().hex}", account)
        container.create_container()
        return container

    def container_named(self, name: str, account: str = ACCOUNT) -> ContainerClient:
        """A client that may do anything with a container."""
        text = self.connection_string.replace(ACCOUNT, account)
        return ContainerClient.from_connection_string(text, name)

    def sas(self, container: str, rights: str, minutes: int = 60, account: str = ACCOUNT) -> str:
        """A token with rights such as ``rl`` on one container."""
        return generate_container_sas(
            account,
            container,
            account_key=KEY,
            permission=rights,
            start=datetime.now(UTC) - timedelta(minutes=90),
            expiry=datetime.now(UTC) + timedelta(minutes=minutes),
        )


@dataclass
class Queues:
    """A running Azurite that holds queues."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/{ACCOUNT}"

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"QueueEndpoint={self.endpoint};"
        )

    def queue(self, name: str = "") -> QueueClient:
        """A client that may do anything with a queue; of a new, empty one where none is named."""
        made = QueueClient.from_connection_string(
            self.connection_string, name or f"q-{uuid.uuid4().hex}"
        )
        if not name:
            made.create_queue()
        return made


@contextmanager
def queues(folder: Path) -> Iterator[Queues]:
    """Start Azurite's queues on a free port; stop them in the end, by their own process id."""
    command = [str(QUEUE_SERVICE), "--queuePort", "0", "--inMemoryPersistence"]
    with _service(folder, command) as (process, log):
        yield Queues(process, _port(process, log))


@contextmanager
def running(
    folder: Path,
    *,
    in_memory: bool = True,
    certificate: tuple[Path, Path] | None = None,
    accounts: bool = False,
) -> Iterator[Azurite]:
    """Start Azurite on a free port; stop it in the end, by its own process id.

    With a certificate and its key it speaks https, and takes tokens of Entra. With ``accounts`` it
    has those of ``Media``, not its own.
    """
    command = [str(SERVICE), "--blobPort", "0"]
    command += ["--inMemoryPersistence"] if in_memory else ["--location", str(folder)]
    if certificate is not None:
        command += ["--cert", str(certificate[0]), "--key", str(certificate[1])]
        command += ["--oauth", "basic"]
    own = {"AZURITE_ACCOUNTS": f"{Media.MEDIA}:{KEY};{Media.OPS}:{KEY}"} if accounts else {}
    with _service(folder, command, **own) as (process, log):
        yield Azurite(process, _port(process, log), "https" if certificate else "http")


@contextmanager
def _service(
    folder: Path, arguments: list[str], **environment: str
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    program = node()
    assert program, why_not()
    command = [program, *arguments, "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={"PATH": os.defpath, **environment},
        )
    try:
        yield process, log
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        text = log.read_text(errors="replace")
        if found := re.search(
            r"successfully listen(?:s|ing) (?:at|on) https?://[\d.]+:(\d+)", text
        ):
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError(f"Azurite did not start:\n{log.read_text(errors='replace')[-2000:]}")
