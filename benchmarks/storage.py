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

from azure.storage.blob import ContainerClient

from benchmarks.record import record
from framewright.settings import Settings
from framewright.storage.azure import AzureStore
from framewright.storage.blocks import in_order
from tests.azurite import ACCOUNT, running

REPEATS = 15
BUNDLES = 16
SIZES_BYTES = {"bundle of 6 MiB": 6 << 20, "bundle of 96 MiB": 96 << 20}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "azurite") as azurite:
        container = azurite.container()
        settings = Settings(azure_connection_string=azurite.connection_string)
        store = AzureStore(f"az://{ACCOUNT}/{container.container_name}", settings)
        threads = settings.azure_concurrency
        source, target = Path(folder) / "source", Path(folder) / "target"

        def plain_upload() -> None:
            with source.open("rb") as stream:
                container.upload_blob("plain", stream, overwrite=True, max_concurrency=threads)

        def plain_download() -> None:
            with target.open("wb") as stream:
                container.download_blob("plain", max_concurrency=threads).readinto(stream)

        for clip, size_bytes in SIZES_BYTES.items():
            data = secrets.token_bytes(size_bytes)
            source.write_bytes(data)
            sha256 = hashlib.sha256(data).hexdigest()  # by which workers know a bundle
            fetch = partial(store.download, "ours", target, sha256=sha256)
            rows: list[tuple[str, float, str, str]] = []
            for what, ours, plain in (
                ("upload", lambda: store.put("ours", source), plain_upload),
                ("download", fetch, plain_download),
            ):
                rates = _alternating(ours, plain, size_bytes)
                note = f"{threads} at a time; median of {REPEATS}, alternating"
                rows += [
                    (f"{what} by AzureStore", rates[0], "MiB/s", f"{note}; MD5 in, sha256 out"),
                    (f"{what} by the plain SDK call", rates[1], "MiB/s", note),
                    (f"{what}: ratio", rates[2], "", "median of the ratios of pairs"),
                ]
            record("storage", clip, rows)
        _job(container, store, source, threads)


def _job(container: ContainerClient, store: AzureStore, source: Path, threads: int) -> None:
    """A job's upload, several bundles at a time, against the plain call for one after the other."""
    source.write_bytes(secrets.token_bytes(6 << 20))

    def ours() -> None:
        for _ in in_order(lambda n: store.put(f"ours/{n}", source), range(BUNDLES), 4):
            pass

    def plain() -> None:
        for number in range(BUNDLES):
            with source.open("rb") as stream:
                container.upload_blob(
                    f"plain/{number}", stream, overwrite=True, max_concurrency=threads
                )

    rates = _alternating(ours, plain, BUNDLES * (6 << 20))
    note = f"median of {REPEATS}, alternating"
    rows = [
        ("upload by AzureStore, 4 bundles at a time", rates[0], "MiB/s", f"{note}; MD5"),
        ("upload by the plain SDK call", rates[1], "MiB/s", f"{note}; {threads} connections"),
        ("upload: ratio", rates[2], "", "median of the ratios of pairs"),
    ]
    record("storage", f"{BUNDLES} bundles of 6 MiB", rows)


def _alternating(
    ours: Callable[[], object], plain: Callable[[], object], size_bytes: int
) -> tuple[float, float, float]:
    """MiB/s of both, and the ratio; each pair in turns, the first of a pair changing."""
    pairs: list[tuple[float, float]] = []
    for number in range(-1, REPEATS):
        order = (ours, plain) if number % 2 else (plain, ours)
        seconds = {call: _seconds(call) for call in order}
        if number >= 0:  # the first pair warms up
            pairs.append((seconds[ours], seconds[plain]))
    mib = size_bytes / (1 << 20)
    return (
        mib / statistics.median(a for a, _ in pairs),
        mib / statistics.median(b for _, b in pairs),
        statistics.median(b / a for a, b in pairs),
    )


def _seconds(call: Callable[[], object]) -> float:
    gc.collect()
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
