"""Whole jobs whose work store is in Azure storage, through the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from framewright.settings import get_settings
from framewright.storage import open_store
from tests.azurite import ACCOUNT, Azurite
from tests.support import SLOW, install_scorer
from tests.torture.expect import observe
from tests.torture.make import Clip

PROJECT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "import sys; from framewright.cli import main; sys.exit(main())"]
PATIENCE_SECONDS = 60.0


def framewright(*words: object, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        env={**os.environ, **more},
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )


def test_a_job_with_a_token_in_the_address_which_nobody_sees(
    cfr25: Clip,
    azure: str,
    azurite: Azurite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The token may read and write, not list: a job needs no more."""
    container = azure.split("/")[3]
    sas = azurite.sas(container, "rcw")
    monkeypatch.delenv("FRAMEWRIGHT_AZURE_SAS")
    host = f"{ACCOUNT}.blob.core.windows.net"
    monkeypatch.setenv("FRAMEWRIGHT_WORK_STORE", f"https://{host}/{container}/work%20area?{sas}")
    command = ("score", "-v", cfr25.path, tmp_path / "x.mp4", "--scorer", "identity")
    command += ("--unit-seconds", "1", "--report", tmp_path / "report.json", "--workers", "1")
    first, second, settings = framewright(*command), framewright(*command), framewright("settings")
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    assert "3 of 3 units scored in this run" in first.stdout
    assert "0 of 3 units scored in this run" in second.stdout
    assert observe(tmp_path / "x.mp4").codes == cfr25.codes
    assert f"FRAMEWRIGHT_WORK_STORE=https://{host}/{container}/work%20area\n" in settings.stdout

    signature = sas.rpartition("sig=")[2]
    shown = [
        *(done.stdout + done.stderr for done in (first, second, settings)),
        (tmp_path / "report.json").read_text(),
    ]
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_SAS", azurite.sas(container, "rl"))
    monkeypatch.setenv("FRAMEWRIGHT_WORK_STORE", azure)
    get_settings.cache_clear()
    store = open_store(azure)
    blobs = {info.key: store.read(info.key) for info in store.list()}
    assert any(key.endswith("manifest.json") for key in blobs)
    shown += [data.decode("latin-1") for data in blobs.values()]
    for text in shown:
        assert signature not in text
        assert unquote(signature) not in text
        assert "sig=" not in text.replace("sig=...", "")


def test_a_killed_job_goes_on_where_it_was(
    cfr25: Clip, azure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_scorer(tmp_path, "slow", SLOW)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{PROJECT}")
    monkeypatch.setenv("FRAMEWRIGHT_WORK_STORE", azure)
    store = open_store(azure)
    words = ("score", cfr25.path, tmp_path / "x.mp4", "--scorer", "slow")
    words += ("--unit-seconds", "0.2", "--workers", "1")

    def finished() -> int:
        return sum("/units/" in i.key and i.key.endswith(".json") for i in store.list("jobs/"))

    with subprocess.Popen(
        [*COMMAND, *map(str, words)], env={**os.environ, "SLOW_SECONDS": "0.2"}, cwd=PROJECT
    ) as process:
        wait_for(lambda: finished() > 0)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "x.mp4").exists()
    before = settled(finished)
    assert 0 < before < 15
    done = framewright(*words)
    assert f"{15 - before} of 15 units scored in this run" in done.stdout, done.stderr
    assert observe(tmp_path / "x.mp4").codes == cfr25.codes


def test_storage_that_is_not_there_fails_with_a_sentence(
    cfr25: Clip, azure: str, tmp_path: Path
) -> None:
    done = framewright(
        *("score", cfr25.path, tmp_path / "x.mp4", "--scorer", "identity"),
        FRAMEWRIGHT_WORK_STORE=azure,
        FRAMEWRIGHT_AZURE_ENDPOINT=f"http://127.0.0.1:1/{ACCOUNT}",
        FRAMEWRIGHT_AZURE_RETRY_SECONDS="0.5",
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("framewright: cannot read 'jobs/")
    assert "run the same again: what is stored is kept." in line
    assert not (tmp_path / "x.mp4").exists()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)


def settled(count: Callable[[], int]) -> int:
    """A count, once the processes that followed the killed one have ended what they began."""
    before = count()
    while True:
        time.sleep(2)
        if (now := count()) == before:
            return now
        before = now
