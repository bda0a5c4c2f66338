"""A gibibyte goes to Azure storage and back in constant memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from framewright.storage import open_store
from tests import azurite
from tests.azurite import ACCOUNT

PROJECT = Path(__file__).parents[2]
MIB = 1 << 20
CODE = """
import re, sys
from pathlib import Path
from framewright.storage import open_store

def peak_mib():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

store, source, target = open_store(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
store.put("warm", b"x" * (20 << 20))
assert len(store.read("warm")) == 20 << 20
print(peak_mib())
store.put("large", source)
print(peak_mib())
store.download("large", target)
print(peak_mib())
with store.open("large") as stream:
    while stream.read(1 << 20):
        pass
print(peak_mib())
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if reason := azurite.why_not():
        pytest.skip(reason)
    source, target = tmp_path / "source", tmp_path / "target"
    block = os.urandom(MIB)
    with source.open("wb") as stream:
        for number in range(1024):
            stream.write(number.to_bytes(4, "big") + block[4:])
    with azurite.running(tmp_path / "azurite", in_memory=False) as running:
        name = running.container().container_name
        monkeypatch.setenv("FRAMEWRIGHT_AZURE_ENDPOINT", running.endpoint)
        monkeypatch.setenv("FRAMEWRIGHT_AZURE_SAS", running.sas(name, "rcwd"))
        address = f"az://{ACCOUNT}/{name}"
        done = subprocess.run(
            [sys.executable, "-c", CODE, address, str(source), str(target)],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        open_store(address).delete("large")
    start, *peaks = map(int, done.stdout.split())
    print(f"peak memory in MiB: {start} at first, then {peaks}")
    assert max(peaks) < 300, "the object has 1024"
    with source.open("rb") as one, target.open("rb") as other:
        while piece := one.read(MIB):
            assert piece == other.read(MIB)
        assert other.read(1) == b""
