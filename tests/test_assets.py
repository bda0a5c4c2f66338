"""Assets on their way from the driver through the store to workers."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from framewright.assets import FetchedAssets, assets_of, upload_assets
from framewright.errors import InputError, ManifestError
from framewright.plan import split, upload
from framewright.score import score_unit
from framewright.scorers import create
from framewright.scorers.asset import Asset, asset
from framewright.settings import Settings, get_settings
from framewright.storage import LocalStore, Store, open_store
from framewright.types import ScorerIdentity
from tests.support import Weighted, plan_job, register
from tests.torture.make import Clip

LARGE = os.urandom(1 << 20) * 20
"""More than a block of Azure storage holds."""


@pytest.fixture(params=["local", "azure"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "local":
        yield LocalStore(tmp_path / "store")
    else:
        yield open_store(request.getfixturevalue("azure"))


@pytest.fixture
def large(tmp_path: Path) -> Asset:
    (tmp_path / "model.onnx").write_bytes(LARGE)
    return asset(tmp_path / "model.onnx")


def referring(*assets: Asset) -> ScorerIdentity:
    params = {"files": [one.reference for one in assets]}
    return ScorerIdentity(name="weighted", version="1", params=params)


def test_there_and_back(large: Asset, store: Store) -> None:
    identity = referring(large)
    upload_assets(identity, {large.reference: large.path}, store)
    info = store.stat(large.key)
    assert info is not None and info.size_bytes == len(LARGE)
    fetch = FetchedAssets(store, get_settings())
    copy = fetch(large)
    assert copy.read_bytes() == LARGE
    assert copy == Path(get_settings().cache_folder) / "assets" / f"{large.sha256}.onnx"
    before = copy.stat().st_ino
    assert fetch(large).stat().st_ino == before
    assert [path.name for path in copy.parent.iterdir()] == [copy.name]

    upload_assets(identity, {large.reference: large.path}, store)
    assert store.stat(large.key) == info
    large.path.unlink()
    upload_assets(identity, {}, store)  # it is there: nothing is needed of the driver


def test_what_is_neither_given_nor_there(large: Asset, store: Store) -> None:
    with pytest.raises(InputError, match=f"needs the file {large.reference}, which is not in"):
        upload_assets(referring(large), {}, store)


def test_a_file_that_changes_is_never_published(large: Asset, store: Store) -> None:
    large.path.write_bytes(LARGE[::-1])
    with pytest.raises(InputError, match="has changed since it was hashed"):
        upload_assets(referring(large), {large.reference: large.path}, store)
    assert store.stat(large.key) is None


def test_a_file_that_is_gone(large: Asset, store: Store) -> None:
    large.path.unlink()
    with pytest.raises(InputError, match=r"cannot read .*model\.onnx': No such file"):
        upload_assets(referring(large), {large.reference: large.path}, store)


def test_an_object_that_is_something_else_is_refused_and_replaced(
    large: Asset, tmp_path: Path
) -> None:
    store = LocalStore(tmp_path / "store")
    fetch = FetchedAssets(store, get_settings())
    with pytest.raises(ManifestError, match=f"{large.key} is gone from the store"):
        fetch(large)
    store.put(large.key, b"something else")
    with pytest.raises(ManifestError, match="is not what its name says in the store"):
        fetch(large)
    assert list((Path(get_settings().cache_folder) / "assets").iterdir()) == []
    upload_assets(referring(large), {large.reference: large.path}, store)
    assert fetch(large).read_bytes() == LARGE


def test_a_copy_that_was_cut_off_is_fetched_again(large: Asset, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    upload_assets(referring(large), {large.reference: large.path}, store)
    fetch = FetchedAssets(store, get_settings())
    fetch(large).write_bytes(LARGE[:1000])
    assert fetch(large).read_bytes() == LARGE


def test_several_workers_at_once(large: Asset, tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    upload_assets(referring(large), {large.reference: large.path}, store)
    start = threading.Barrier(4)

    def work(_: int) -> str:
        start.wait()
        path = FetchedAssets(store, get_settings())(large)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(work, range(4))) == {large.sha256}
    assert len(list((Path(get_settings().cache_folder) / "assets").iterdir())) == 1


def test_copies_that_are_unused_for_longest_make_room(tmp_path: Path) -> None:
    store, made = LocalStore(tmp_path / "store"), []
    for number in range(4):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(bytes([number]) * 1000)
        made.append(asset(path))
    upload_assets(referring(*made), {one.reference: one.path for one in made}, store)
    fetch = FetchedAssets(store, Settings(cache_bytes=2500))
    first, second = fetch(made[0]), fetch(made[1])
    fetch(made[2])
    assert first.exists() and second.exists(), "used within the hour: they stay"
    long_ago = time.time() - 7200
    for path in (first, second):
        os.utime(path, (long_ago, long_ago))
    assert fetch(made[0]) == first  # which is used now
    fetch(made[3])
    assert (first.exists(), second.exists()) == (True, False)


def test_a_job_whose_scorer_has_a_file(
    cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker scores with its own copy: the driver's file is gone by then."""
    register(monkeypatch, Weighted, "weighted")
    (tmp_path / "gain.txt").write_text("0.5")
    scorer = create("weighted", {"weights": str(tmp_path / "gain.txt")})
    with pytest.raises(InputError, match="needs the file asset:"):
        plan_job(cfr25.path, tmp_path, scorer=scorer.identity, unit_seconds=3.0)
    store = LocalStore(tmp_path / "work")
    for scratch in ("a", "b"):  # the second time the job is planned already
        parts = split(cfr25.path, scorer=scorer.identity, scratch=tmp_path / scratch, store=store)
        manifest = upload(parts, store, assets=assets_of(scorer))
        assert parts.reused == (scratch == "b")
        assert [info.key for info in store.list("assets/")] == [scorer.assets[0].key]  # type: ignore[attr-defined]
        if scratch == "a":
            store.delete(scorer.assets[0].key)  # type: ignore[attr-defined]
    (tmp_path / "gain.txt").unlink()
    Weighted.loaded = []
    record = score_unit(store, manifest.job_key, 0)
    assert record.frames == 75
    assert Weighted.loaded == ["0.5"]
