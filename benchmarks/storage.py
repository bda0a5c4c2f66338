"""Uploads and downloads through AzureStore, against the plain SDK call, on the same Azurite."""

from __future__ import annotations

import gc
import hashlib
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from azure.storage.blob import ContainerClient

from benchmarks.record import record
from framewright.settings import Settings
from framewright.storage.azure import AzureStore
from framewright.storage.blocks import in_order
from tests.azurite import ACCOUNT, running

REPEATS = 15
BUNDLES = 16
BUNDLE_BYTES = 6 << 20
SIZES_BYTES = {"bundle of 6 MiB": BUNDLE_BYTES, "bundle of 96 MiB": 96 << 20}
Rows = list[tuple[str, float, str, str]]


class Bench:
    """Bundles in a container, to be sent and fetched in two ways."""

    def __init__(self, container: ContainerClient, store: AzureStore, folder: Path) -> None:
        self.container, self.store, self.folder = container, store, folder
        self.source = folder / "source"
        self.sha256 = ""
        self.threads = Settings().azure_concurrency

    def fill(self, size_bytes: int) -> None:
        """Make another bundle."""
        data = secrets.token_bytes(size_bytes)
        self.source.write_bytes(data)
        self.sha256 = hashlib.sha256(data).hexdigest()  # by which workers know a bundle

    def clear(self) -> None:
        """Remove what was fetched: no download of a job has a file to replace."""
        for target in self.folder.glob("target-*"):
            target.unlink()

    def plain_upload(self, count: int = 1, **more: Any) -> None:
        """Send so many bundles, one after the other, by the SDK's own call."""
        for n in range(count):
            with self.source.open("rb") as stream:
                self.container.upload_blob(
                    f"plain/{n}", stream, overwrite=True, max_concurrency=self.threads, **more
                )

    def plain_download(self, count: int = 1, **more: Any) -> None:
        """Fetch so many bundles, one after the other, by the SDK's own call."""
        for n in range(count):
            with (self.folder / f"target-{n}").open("wb") as stream:
                self.container.download_blob(
                    f"plain/{n}", max_concurrency=self.threads, **more
                ).readinto(stream)

    def hashed_download(self) -> None:
        """Fetch a bundle by the SDK's own call, compare its sha256, write it: the least that is."""
        data = self.container.download_blob("plain/0", max_concurrency=self.threads).readall()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise ValueError("the bundle came changed")
        (self.folder / "target-0").write_bytes(data)

    def upload(self, number: int = 0) -> None:
        """Send a bundle as a job does."""
        self.store.put(f"ours/{number}", self.source)

    def download(self, number: int = 0) -> None:
        """Fetch a bundle into a file, as clips are fetched."""
        self.store.download(f"ours/{number}", self.folder / f"target-{number}", sha256=self.sha256)

    def read(self, number: int = 0) -> None:
        """Read a bundle as a worker's decoder does."""
        with self.store.open(f"ours/{number}", sha256=self.sha256) as stream:
            while stream.read(1 << 16):
                pass


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "azurite") as azurite:
        container = azurite.container()
        settings = Settings(azure_connection_string=azurite.connection_string)
        store = AzureStore(f"az://{ACCOUNT}/{container.container_name}", settings)
        bench = Bench(container, store, Path(folder))
        for clip, size_bytes in SIZES_BYTES.items():
            bench.fill(size_bytes)
            _one(bench, clip, size_bytes)
        bench.fill(BUNDLE_BYTES)
        _job(bench)


def _one(bench: Bench, clip: str, size_bytes: int) -> None:
    """A bundle: up, into a file, into a decoder; and where the plain call verifies too."""
    note = f"{bench.threads} at a time; median of {REPEATS}, alternating"
    verified_up = partial(bench.plain_upload, validate_content=True)
    verified = partial(bench.plain_download, validate_content=True)
    rows: Rows = []
    for what, ours, plain in (
        ("upload", bench.upload, bench.plain_upload),
        ("upload, both verified", bench.upload, verified_up),
        ("download", bench.download, bench.plain_download),
        ("download, both verified", bench.download, verified),
        ("download, both with sha256", bench.download, bench.hashed_download),
        ("reading by a worker", bench.read, bench.plain_download),
    ):
        rates = _alternating(ours, plain, bench.clear, size_bytes)
        rows += [
            (f"{what} by AzureStore", rates[0], "MiB/s", f"{note}; MD5 in, sha256 out"),
            (f"{what} by the plain SDK call", rates[1], "MiB/s", note),
            (f"{what}: ratio", rates[2], "", "median of the ratios of pairs"),
        ]
    record("storage", clip, rows)


def _job(bench: Bench) -> None:
    """A job's bundles, several at a time, against the plain call for one after the other."""

    def together(one: Callable[[int], None]) -> None:
        for _ in in_order(one, range(BUNDLES), 4):
            pass

    note = f"median of {REPEATS}, alternating"
    rows: Rows = []
    for what, ours, plain, how in (
        ("upload", bench.upload, bench.plain_upload, "MD5"),
        ("download", bench.download, bench.plain_download, "sha256"),
        ("reading by workers", bench.read, bench.plain_download, "sha256; into memory only"),
    ):
        rates = _alternating(
            partial(together, ours), partial(plain, BUNDLES), bench.clear, BUNDLES * BUNDLE_BYTES
        )
        rows += [
            (f"{what} by AzureStore, 4 bundles at a time", rates[0], "MiB/s", f"{note}; {how}"),
            (
                f"{what}: the plain SDK call",
                rates[1],
                "MiB/s",
                f"{note}; {bench.threads} connections",
            ),
            (f"{what}: ratio", rates[2], "", "median of the ratios of pairs"),
        ]
    record("storage", f"{BUNDLES} bundles of 6 MiB", rows)


def _alternating(
    ours: Callable[[], object],
    plain: Callable[[], object],
    before: Callable[[], object],
    size_bytes: int,
) -> tuple[float, float, float]:
    """MiB/s of both, and the ratio; each pair in turns, the first of a pair changing."""
    pairs: list[tuple[float, float]] = []
    for number in range(-1, REPEATS):
        order = (ours, plain) if number % 2 else (plain, ours)
        seconds = {call: _seconds(call, before) for call in order}
        if number >= 0:  # the first pair warms up
            pairs.append((seconds[ours], seconds[plain]))
    mib = size_bytes / (1 << 20)
    return (
        mib / statistics.median(a for a, _ in pairs),
        mib / statistics.median(b for _, b in pairs),
        statistics.median(b / a for a, b in pairs),
    )


def _seconds(call: Callable[[], object], before: Callable[[], object]) -> float:
    before()
    gc.collect()
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
