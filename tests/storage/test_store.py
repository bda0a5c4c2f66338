"""What every store promises. A new kind of store is one more entry in ``STORES``."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from framewright.errors import InputError, StoreKeyError, StoreUnavailable
from framewright.settings import get_settings
from framewright.storage import LocalStore, ObjectInfo, Store, check_key, open_store

STORES: dict[str, Callable[[Path], Store]] = {
    "local": lambda folder: LocalStore(folder / "store"),
    "local by address": lambda folder: open_store(f"file://{folder}/store"),
}
AZURE_BLOCK_BYTES = {"azure": 8 << 20, "azure in blocks": 1 << 16}


@pytest.fixture(params=[*STORES, *AZURE_BLOCK_BYTES])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    if (make := STORES.get(request.param)) is not None:
        return make(tmp_path)
    address: str = request.getfixturevalue("azure")
    size = AZURE_BLOCK_BYTES[request.param]
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_BLOCK_BYTES", str(size))
    get_settings.cache_clear()
    return open_store(address)


def keys(store: Store, prefix: str = "") -> list[str]:
    return [info.key for info in store.list(prefix)]


def test_is_a_store(store: Store) -> None:
    assert isinstance(store, Store)


def test_the_address_leads_back_to_the_same_store(store: Store) -> None:
    store.put("a/b", b"here")
    assert open_store(store.url).read("a/b") == b"here"


def test_bytes_a_file_and_a_stream_can_be_put(store: Store, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"file")
    store.put("k/1", b"bytes")
    store.put("k/2", tmp_path / "in")
    store.put("k/3", io.BytesIO(b"stream"))
    assert [store.read(f"k/{n}") for n in (1, 2, 3)] == [b"bytes", b"file", b"stream"]
    assert (tmp_path / "in").read_bytes() == b"file"


@pytest.mark.parametrize("data", [b"", b"\0", bytes(range(256)) * 8192])
def test_what_is_read_is_what_was_put(data: bytes, store: Store, tmp_path: Path) -> None:
    info = store.put("some/key", data)
    assert info.size_bytes == len(data)
    assert store.read("some/key") == data
    with store.open("some/key") as stream:
        assert b"".join(iter(lambda: stream.read(65536), b"")) == data
    store.download("some/key", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == data


def test_put_stat_and_list_say_the_same(store: Store) -> None:
    info = store.put("a/b.json", b"xyz")
    assert info == store.stat("a/b.json") == next(store.list())
    assert isinstance(info, ObjectInfo)
    assert (info.key, info.size_bytes) == ("a/b.json", 3)
    assert info.modified_seconds > 1e9


def test_what_is_not_there(store: Store, tmp_path: Path) -> None:
    store.put("a/b", b"x")
    for key in ("nothing", "a", "a/b/c", "a/bb"):
        assert store.stat(key) is None
        assert store.delete(key) is False
        with pytest.raises(KeyError, match=key):
            store.read(key)
        with pytest.raises(KeyError, match=key):
            store.open(key)
        with pytest.raises(KeyError, match=key):
            store.download(key, tmp_path / "out")
    assert list(tmp_path.glob("out*")) == []
    assert keys(store) == ["a/b"]


def test_a_failed_download_leaves_the_old_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"old")
    with pytest.raises(KeyError, match="nothing"):
        store.download("nothing", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"old"


def test_delete_removes_one(store: Store) -> None:
    store.put("a/1", b"x")
    store.put("a/2", b"x")
    assert store.delete("a/1") is True
    assert store.delete("a/1") is False
    assert keys(store) == ["a/2"]


def test_listing_is_by_prefix_and_in_order(store: Store) -> None:
    for key in ("b/2", "b/10", "a.txt", "a/z", "ab/c", "a-b", "b/2/c".replace("2/c", "2c")):
        store.put(key, b"")
    assert keys(store) == sorted(["b/2", "b/10", "a.txt", "a/z", "ab/c", "a-b", "b/2c"])
    assert keys(store, "b/") == ["b/10", "b/2", "b/2c"]
    assert keys(store, "b/2") == ["b/2", "b/2c"]
    assert keys(store, "a") == ["a-b", "a.txt", "a/z", "ab/c"]
    assert keys(store, "a/") == ["a/z"]
    assert keys(store, "c") == []
    assert keys(store, "b/2/") == []
    assert keys(store, "no/such/place/") == []


def test_an_empty_store_lists_nothing(store: Store) -> None:
    assert keys(store) == []
    assert store.stat("a") is None


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "../a", "./a", "a/."),
        *("a\0b", "a\\b", "..\\a", "a" * 1025, "ä" * 513, "a/\udcff"),
    ],
)
def test_a_key_that_is_not_allowed(key: str, store: Store, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"outside")
    calls: list[Callable[[], object]] = [
        lambda: store.put(key, b"x"),
        lambda: store.read(key),
        lambda: store.open(key),
        lambda: store.download(key, tmp_path / "out"),
        lambda: store.stat(key),
        lambda: store.delete(key),
        lambda: check_key(key),
    ]
    for call in calls:
        with pytest.raises(StoreKeyError, match="is not allowed"):
            call()
    assert (tmp_path / "a").read_bytes() == b"outside"
    assert keys(store) == []


@pytest.mark.parametrize(
    "key",
    [
        *("a b'c\".mp4", "-dash", "100%05d", "co:lon", "日本語/ä.mp4", "new\nline"),
        *("[1]*?$(x)", "...", "a..b"),
    ],
)
def test_a_hostile_key_is_a_key_like_any_other(key: str, store: Store) -> None:
    store.put(key, b"x")
    assert store.read(key) == b"x"
    assert keys(store) == [key]


def test_a_very_long_name_is_kept_or_refused(store: Store) -> None:
    key = "a/" + "b" * 300
    try:
        store.put(key, b"x")
    except StoreKeyError:
        for call in (store.stat, store.read, store.delete):
            with pytest.raises(StoreKeyError, match="not allowed"):
                call(key)
    else:
        assert store.read(key) == b"x"


def test_the_etag_changes_whenever_the_content_is_written_anew(store: Store) -> None:
    etags = [store.put("k", data).etag for data in (b"1", b"2", b"2", b"1", b"1")]
    assert len(set(etags)) == 5
    found = store.stat("k")
    assert found is not None
    assert found.etag == etags[-1]


def test_the_first_writer_wins_where_nothing_may_be_replaced(store: Store) -> None:
    first = store.put("k", b"first", overwrite=False)
    assert store.put("k", b"second, longer", overwrite=False) == first
    assert store.read("k") == b"first"
    assert store.put("k", b"third").etag != first.etag
    assert store.read("k") == b"third"


def test_many_first_writers_agree(store: Store) -> None:
    begin = threading.Barrier(8)
    told: list[ObjectInfo] = []

    def write(number: int) -> None:
        begin.wait(20)
        told.append(store.put("k", bytes([number]) * 50_000, overwrite=False))

    writers = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(told) == 8
    assert len(set(told)) == 1
    assert store.read("k") in {bytes([n]) * 50_000 for n in range(8)}
    assert keys(store) == ["k"]


def test_a_reader_sees_the_old_or_the_new_never_a_mixture(store: Store, tmp_path: Path) -> None:
    store.put("k", b"\0" * 300_000)
    stop = threading.Event()

    def rewrite() -> None:
        number = 0
        while not stop.is_set():
            number = (number + 1) % 250
            store.put("k", bytes([number]) * 300_000)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        seen = set()
        deadline = time.monotonic() + 20
        while len(seen) < 20 and time.monotonic() < deadline:
            try:
                data = store.read("k")
            except StoreUnavailable as error:  # of blocks that are replaced as fast as they come
                assert "was replaced" in str(error)
                continue
            assert len(data) == 300_000
            assert len(set(data)) == 1
            seen.add(data[0])
            assert [info.size_bytes for info in store.list()] == [300_000]
    finally:
        stop.set()
        writer.join()
    assert len(seen) > 1


def test_a_stream_that_breaks_publishes_nothing(store: Store) -> None:
    class Broken(io.RawIOBase):
        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            raise ValueError("the source broke")

        def readable(self) -> bool:
            return True

    store.put("k", b"old")
    for key in ("k", "new"):
        with pytest.raises(ValueError, match="the source broke"):
            store.put(key, io.BufferedReader(Broken()))
    assert keys(store) == ["k"]
    assert store.read("k") == b"old"


WRITER = """
import sys
from framewright.storage import open_store
store = open_store(sys.argv[1])
print("ready", flush=True)
store.put(sys.argv[2], sys.stdin.buffer)
"""


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_writer_killed_in_the_middle_leaves_nothing(before: bytes | None, store: Store) -> None:
    if before is not None:
        store.put("k/1", before)
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, store.url, "k/1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.stdin.write(b"new" * 700_000)  # more than the pipe holds: some of it is taken
        process.stdin.flush()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert process.returncode == -signal.SIGKILL
    assert keys(store) == ([] if before is None else ["k/1"])
    if before is None:
        assert store.stat("k/1") is None
    else:
        assert store.read("k/1") == before
    store.put("k/1", b"again")
    assert store.read("k/1") == b"again"


class TestLocal:
    """What is true of a folder only."""

    def test_the_staging_area_is_not_part_of_the_store(self, tmp_path: Path) -> None:
        store = LocalStore(tmp_path)
        store.put("a", b"x")
        (tmp_path / ".staging" / "left-over").write_bytes(b"half")
        assert keys(store) == ["a"]
        assert keys(store, ".") == []
        for key in (".staging", ".staging/left-over", ".staging/new"):
            with pytest.raises(StoreKeyError, match="is not allowed"):
                store.put(key, b"x")
            with pytest.raises(StoreKeyError, match="is not allowed"):
                store.read(key)
        store.put("b/.staging/c", b"x")
        assert keys(store) == ["a", "b/.staging/c"]

    def test_nothing_stays_in_the_staging_area(self, tmp_path: Path) -> None:
        store = LocalStore(tmp_path)
        store.put("a", b"x")
        store.put("a", b"y", overwrite=False)
        assert list((tmp_path / ".staging").iterdir()) == []

    def test_a_folder_that_cannot_be_written_to(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StoreUnavailable, match=r"cannot write 'a' to the store .*Check that"):
            LocalStore(tmp_path / "file").put("a", b"x")

    def test_a_full_disk_is_said_and_leaves_nothing(self, tmp_path: Path) -> None:
        """RLIMIT_FSIZE stands for the disk: the write fails half-way, with the system's error."""
        code = (
            "import resource, signal, sys\n"
            "from pathlib import Path\n"
            "from framewright.errors import StoreUnavailable\n"
            "from framewright.storage import LocalStore\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))\n"
            "store = LocalStore(Path(sys.argv[1]))\n"
            "store.put('small', b'x')\n"
            "try:\n"
            "    store.put('big', b'x' * (8 << 20))\n"
            "except StoreUnavailable as error:\n"
            "    print(error)\n"
            "print([info.key for info in store.list()])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "s")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "cannot write 'big'" in done.stdout
        assert done.stdout.endswith("['small']\n")
        assert os.listdir(tmp_path / "s" / ".staging") == []

    @pytest.mark.parametrize("address", ["s3://bucket/x", "ftp://x.example/c", "://"])
    def test_an_address_that_is_not_understood(self, address: str) -> None:
        with pytest.raises(StoreKeyError, match=r"use the path of a folder, file://PATH, or az:"):
            open_store(address)

    def test_an_unknown_address_is_the_users_to_change(self) -> None:
        assert issubclass(StoreKeyError, InputError)

    def test_home_is_understood(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        assert open_store("~/work").url == str(tmp_path / "work")

    @pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS])
    def test_a_file_system_without_hard_links(
        self, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """SMB, exFAT and some of FUSE have none."""

        def link(*_: object) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "link", link)
        store = LocalStore(tmp_path)
        first = store.put("a/b", b"first", overwrite=False)
        assert store.put("a/b", b"second", overwrite=False) == first
        assert store.read("a/b") == b"first"
        assert list((tmp_path / ".staging").iterdir()) == []

    def test_another_error_of_the_link_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def link(*_: object) -> None:
            raise OSError(errno.EIO, "broken")

        monkeypatch.setattr(os, "link", link)
        with pytest.raises(StoreUnavailable, match="broken"):
            LocalStore(tmp_path).put("a", b"x", overwrite=False)

    def test_what_killed_writers_left_is_removed_after_a_day(self, tmp_path: Path) -> None:
        staging = tmp_path / ".staging"
        staging.mkdir()
        for name, hours in (("old", 25), ("new", 1)):
            (staging / name).write_bytes(b"half")
            when = time.time() - hours * 3600
            os.utime(staging / name, (when, when))
        LocalStore(tmp_path).put("a", b"x")
        assert os.listdir(staging) == ["new"]
