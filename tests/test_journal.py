"""Journals: what they hold, where they go, and what they never change."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from framewright import journal
from framewright.errors import SourceRefused, StoreUnavailable
from framewright.journal import recording
from framewright.storage import LocalStore

engine = logging.getLogger("framewright.score")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def lines(store: LocalStore, prefix: str = "") -> list[dict[str, Any]]:
    [info] = list(store.list(prefix))
    return [json.loads(line) for line in store.read(info.key).splitlines()]


def test_what_was_done_lies_with_the_job(store: LocalStore) -> None:
    with recording(store, "split", source="a.mp4") as record:
        record.note("stage", stage="split", seconds=1.5)
        record.job_key = "k"
    begin, stage, end = lines(store, "jobs/k/logs/split-")
    assert (begin["event"], begin["source"]) == ("begin", "a.mp4")
    assert (stage["event"], stage["seconds"]) == ("stage", 1.5)
    assert (end["event"], end["dropped"]) == ("end", 0)
    assert begin["at"] <= stage["at"] <= end["at"]


def test_what_never_became_a_job_is_told_too(store: LocalStore) -> None:
    with pytest.raises(SourceRefused), recording(store, "run"):
        raise SourceRefused("empty", "nothing in it")
    last = lines(store, "logs/run-")[-1]
    assert (last["event"], last["error"], last["message"]) == (
        "failed",
        "SourceRefused",
        "refused (empty): nothing in it",
    )


def test_no_secret_gets_in(store: LocalStore) -> None:
    address = "https://account.blob.core.windows.net/box/a?sv=1&sig=VerySecret"
    with pytest.raises(ValueError), recording(store, "unit", "k", source=address):
        engine.warning("reading %s with AccountKey=VerySecret;", address)
        raise ValueError(f"cannot read {address} sig=VerySecret")
    [info] = list(store.list())
    text = store.read(info.key).decode()
    assert "VerySecret" not in text
    assert text.count("https://account.blob.core.windows.net/box/a") == 4
    assert "Traceback" in json.loads(text.splitlines()[-1])["traceback"]


def test_it_does_not_grow_without_bound(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_MAX_BYTES", 1000)
    with recording(store, "unit", "k") as record:
        for frame in range(1000):
            record.note("batch", frame=frame)
    told = lines(store)
    assert told[-1]["dropped"] == 1000 - (len(told) - 2)
    assert len(json.dumps(told)) < 1500


def test_the_log_looks_as_it_does_without(
    store: LocalStore, caplog: pytest.LogCaptureFixture
) -> None:
    root = logging.getLogger("framewright")
    before = (root.level, root.propagate, list(root.handlers))
    with recording(store, "unit", "k"):
        engine.debug("deep")
        engine.info("unit %d", 3)
        engine.warning("careful")
    assert [record.getMessage() for record in caplog.records] == ["careful"]
    assert (root.level, root.propagate, list(root.handlers)) == before
    told = [line["message"] for line in lines(store) if line["event"] == "log"]
    assert told == ["unit 3", "careful"]


def test_a_store_that_takes_no_lines_fails_nothing(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreUnavailable("no answer from https://h/p?sig=VerySecret")

    monkeypatch.setattr(LocalStore, "put", refuse)
    with recording(store, "unit", "k"):
        pass
    assert "there is no journal jobs/k/logs/unit-" in caplog.text
    assert "VerySecret" not in caplog.text
    with pytest.raises(StoreUnavailable, match="gone"), recording(store, "unit", "k"):
        raise StoreUnavailable("gone")
