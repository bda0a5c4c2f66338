"""Blobs that are hashed in a thread beside, whole and given up."""

from __future__ import annotations

import hashlib
import threading

import pytest

from framewright.settings import Settings
from framewright.storage import Store, WrongBytes, blob_read, open_store

BLOCK = 1 << 16
DATA = bytes(range(256)) * (4 * BLOCK // 256) + b"end"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(azure: str, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The test's place in Azurite, of whose blobs even small ones are hashed beside."""
    monkeypatch.setattr(blob_read, "_INLINE_BYTES", 0)
    store = open_store(azure, Settings(azure_block_bytes=BLOCK, azure_concurrency=1))
    store.put("k", DATA)
    return store


def hashing() -> set[threading.Thread]:
    """Threads that hash."""
    return {one for one in threading.enumerate() if one.name.startswith("framewright-hash")}


def test_one_read_is_hashed_beside_and_another_is_not(store: Store) -> None:
    before = hashing()
    with store.open("k", sha256=SHA256) as one, store.open("k", sha256=SHA256) as other:
        assert len(hashing() - before) == 1
        assert one.read() == other.read() == DATA
    assert blob_read._Hashing.under_way == 0


def test_what_is_hashed_beside_is_verified(store: Store) -> None:
    store.put("k", DATA[::-1])
    with pytest.raises(WrongBytes), store.open("k", sha256=SHA256) as stream:
        stream.read()
    assert blob_read._Hashing.under_way == 0


@pytest.mark.parametrize("taken", [0, 10, 2 * BLOCK])
def test_a_read_that_is_given_up_leaves_nothing(store: Store, taken: int) -> None:
    with store.open("k", sha256=SHA256) as stream:
        assert stream.read(taken) == DATA[:taken]
        assert blob_read._Hashing.under_way == 1
        # As when the garbage collection ends a read while this thread begins another one.
        with blob_read._Hashing.lock:
            stream.close()
    assert blob_read._Hashing.under_way == 0
