"""What is true of Azure storage only: rights, failures on the way, what is verified."""

from __future__ import annotations

import hashlib
import io
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from framewright.errors import InputError, StoreDenied, StoreUnavailable
from framewright.settings import Settings
from framewright.storage import Store, WrongBytes, open_store
from framewright.storage.blocks import (
    MAX_BLOCK_BYTES,
    MAX_BLOCKS,
    block_bytes_for,
    in_order,
    read_blocks,
)
from tests.azurite import ACCOUNT, Azurite
from tests.storage import proxy as proxy_module
from tests.storage.proxy import Fault, Proxy

BLOCK = 1 << 16
LARGE = bytes(range(256)) * (5 * BLOCK // 256) + b"end"


@pytest.fixture
def container(azure: str) -> str:
    """Name of the test's container."""
    return azure.split("/")[3]


@pytest.fixture
def proxy(azurite: Azurite) -> Iterator[Proxy]:
    with proxy_module.before(azurite) as running:
        yield running


@pytest.fixture
def through(proxy: Proxy, azure: str) -> Store:
    """The test's place in Azurite, through the proxy, in small blocks, one at a time."""
    return open_store(
        azure,
        Settings(
            azure_endpoint=proxy.endpoint,
            azure_block_bytes=BLOCK,
            azure_concurrency=1,
            azure_timeout_seconds=10,
        ),
    )


def with_sas(address: str, azurite: Azurite, sas: str) -> Store:
    return open_store(address, Settings(azure_sas=sas, azure_endpoint=azurite.endpoint))


class TestRights:
    def test_a_token_that_may_read_may_do_nothing_else(
        self, azure: str, azurite: Azurite, container: str
    ) -> None:
        open_store(azure).put("a", b"x")
        store = with_sas(azure, azurite, azurite.sas(container, "rl"))
        assert store.read("a") == b"x"
        assert [info.key for info in store.list()] == ["a"]
        refused: list[tuple[str, Callable[[], object]]] = [
            ("write", lambda: store.put("a", b"y")),
            ("write", lambda: store.put("b", b"y", overwrite=False)),
            ("write", lambda: store.put("c", LARGE)),
            ("delete", lambda: store.delete("a")),
        ]
        for right, call in refused:
            with pytest.raises(
                StoreDenied, match=rf"right to {right} is missing.*{container}"
            ) as e:
                call()
            assert e.value.right == right
        assert [info.key for info in open_store(azure).list()] == ["a"]
        assert store.read("a") == b"x"

    def test_a_token_that_may_not_list(self, azure: str, azurite: Azurite, container: str) -> None:
        store = with_sas(azure, azurite, azurite.sas(container, "rcw"))
        store.put("a", b"x")
        with pytest.raises(StoreDenied, match=r"right to list is missing.*permission 'list' \(l\)"):
            list(store.list())

    def test_a_token_of_another_container(self, azure: str, azurite: Azurite) -> None:
        with azurite.container() as other:
            sas = azurite.sas(other.container_name, "racwdl")
        store = with_sas(azure, azurite, sas)
        for call in (lambda: store.put("a", b"x"), lambda: store.stat("a")):
            with pytest.raises(StoreDenied, match="does not accept the SAS token of FRAMEWRIGHT_"):
                call()

    @pytest.mark.parametrize("how", ["expired", "altered"])
    def test_a_token_that_is_not_good(
        self, how: str, azure: str, azurite: Azurite, container: str
    ) -> None:
        sas = azurite.sas(container, "rcwdl", minutes=-5 if how == "expired" else 60)
        sas = sas.replace("sig=", "sig=AAAA") if how == "altered" else sas
        store = with_sas(azure, azurite, sas)
        words = "expired at 20" if how == "expired" else "does not accept .*not be whole"
        with pytest.raises(StoreDenied, match=words):
            store.read("a")

    def test_a_container_that_is_not_there(self, azurite: Azurite) -> None:
        settings = Settings(azure_connection_string=azurite.connection_string)
        store = open_store(f"az://{ACCOUNT}/no-such-container", settings)
        for call in (
            lambda: store.put("a", b""),
            lambda: store.read("a"),
            lambda: store.stat("a"),
            lambda: list(store.list()),
        ):
            with pytest.raises(InputError, match="there is no container 'no-such-container'"):
                call()

    def test_the_account_key_is_warned_of(
        self, azurite: Azurite, caplog: pytest.LogCaptureFixture
    ) -> None:
        from framewright.storage import blob_client

        blob_client._warn_of_key.cache_clear()
        settings = Settings(azure_connection_string=azurite.connection_string)
        for _ in range(3):
            open_store(f"az://{ACCOUNT}/some-container", settings)
        assert [r.levelname for r in caplog.records if "for development" in r.message] == [
            "WARNING"
        ]

    def test_an_identity_needs_https(self, azurite: Azurite) -> None:
        settings = Settings(azure_endpoint=azurite.endpoint)
        with pytest.raises(InputError, match="only supported with HTTPS"):
            open_store(f"az://{ACCOUNT}/some-container", settings)


class TestFailuresOnTheWay:
    @pytest.mark.parametrize("fault", ["reset", "busy", "lost"])
    @pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
    def test_some_requests_fail(
        self, fault: Fault, data: bytes, through: Store, proxy: Proxy, tmp_path: Path
    ) -> None:
        proxy.faults = [("PUT", fault)] * 2
        info = through.put("k", data)
        proxy.faults = [("HEAD", fault)] * 2
        assert through.stat("k") == info
        proxy.faults = [("GET", fault)] * 2
        assert through.read("k") == data
        proxy.faults = [("GET", fault)]
        through.download("k", tmp_path / "out")
        assert (tmp_path / "out").read_bytes() == data
        proxy.faults = [("GET", fault)]
        assert list(through.list()) == [info]
        proxy.faults = [("DELETE", fault)]
        assert through.delete("k") is True
        assert proxy.faults == []

    @pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
    def test_a_put_whose_answer_was_lost_is_no_second_writer(
        self, data: bytes, through: Store, proxy: Proxy
    ) -> None:
        """The retry finds a blob where there must be none: its own."""
        proxy.faults = [("PUT", "lost")]
        info = through.put("k", data, overwrite=False)
        assert through.read("k") == data
        assert through.stat("k") == info

    def test_a_commit_whose_answer_was_lost(self, through: Store, proxy: Proxy) -> None:
        class LosesTheCommit(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                data = super().read(size)
                if not data:  # all blocks are read; with one at a time, one is still to be put
                    proxy.faults = [("PUT", "lost")] * 2
                return data

        info = through.put("k", LosesTheCommit(LARGE), overwrite=False)
        assert proxy.faults == []
        assert through.read("k") == LARGE
        assert through.stat("k") == info

    @pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
    def test_bytes_that_change_on_the_way_in_are_sent_again(
        self, data: bytes, through: Store, proxy: Proxy
    ) -> None:
        proxy.faults = [("PUT", "bad request")]
        through.put("k", data)
        assert proxy.faults == []
        assert through.read("k") == data

    @pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
    def test_bytes_that_change_on_the_way_out_are_not_taken(
        self, data: bytes, through: Store, proxy: Proxy, tmp_path: Path
    ) -> None:
        through.put("k", data)
        for get in (through.read, lambda key: through.download(key, tmp_path / "out")):
            proxy.faults = [("GET", "bad answer")]
            with pytest.raises(StoreUnavailable, match=r"'k' in az:.* came with the MD5 .*Read it"):
                get("k")
        assert list(tmp_path.glob("out*")) == []
        assert through.read("k") == data

    @pytest.mark.parametrize("overwrite", [True, False])
    def test_a_file_that_changes_on_the_way_in_is_replaced(
        self, overwrite: bool, azure: str, proxy: Proxy, tmp_path: Path
    ) -> None:
        """Its MD5 is compared when it is there: no request waits for that of a bundle."""
        store = open_store(azure, Settings(azure_endpoint=proxy.endpoint))
        bundle = tmp_path / "bundle"
        bundle.write_bytes(b"bundle" * (1 << 18))
        proxy.faults = [("PUT", "bad request")]
        info = store.put("k", bundle, overwrite=overwrite)
        assert proxy.requests.count("PUT") == 2
        assert store.read("k") == bundle.read_bytes()
        assert store.stat("k") == info

    def test_a_large_file_is_verified_also_where_its_sha256_is_not_known(
        self, through: Store, proxy: Proxy, tmp_path: Path
    ) -> None:
        """Its readers know the sha256; no MD5 of the whole is kept, and ranges bring their own."""
        bundle = tmp_path / "bundle"
        bundle.write_bytes(LARGE)
        proxy.faults = [("PUT", "bad request")]
        through.put("k", bundle)
        for get in (through.read, lambda key: through.download(key, tmp_path / "out")):
            got = len(proxy.requests)
            get("k")
            ranges = len(proxy.requests) - got
            proxy.faults = [("GET", "bad answer")] * 2  # the first is of an answer not taken
            get("k")
            assert len(proxy.requests) - got == 2 * ranges + 1
        assert (tmp_path / "out").read_bytes() == through.read("k") == LARGE

    @pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
    def test_a_reader_that_knows_the_sha256_gets_that_or_nothing(
        self, data: bytes, through: Store, proxy: Proxy, tmp_path: Path
    ) -> None:
        through.put("k", data)
        wanted = hashlib.sha256(data).hexdigest()
        with through.open("k", sha256=wanted) as stream:
            assert stream.read() == data
        for spoilt in (data[::-1], data[:-1]):
            through.put("k", spoilt)
            with pytest.raises(WrongBytes, match=f"came with the SHA256 .* put with {wanted}"):
                through.download("k", tmp_path / "out", sha256=wanted)
        assert list(tmp_path.iterdir()) == []
        proxy.faults = [("GET", "bad answer")]
        through.put("k", data)
        with pytest.raises(WrongBytes), through.open("k", sha256=wanted) as stream:
            stream.read()

    def test_nobody_answers(self, azure: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            endpoint = f"http://127.0.0.1:{free.getsockname()[1]}/{ACCOUNT}"
        self.gives_up(azure, endpoint)

    def test_a_proxy_of_the_environment_is_asked(
        self, azure: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody listens where the proxy should be; without it there is an answer."""
        for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        settings = Settings(azure_retry_seconds=1)
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        with pytest.raises(StoreUnavailable, match="tried"):
            open_store(azure, settings).put("a", b"a")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        store = open_store(azure, settings)
        store.put("a", b"a")
        assert store.read("a") == b"a"

    def test_someone_listens_but_does_not_answer(self, azure: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            self.gives_up(azure, f"http://127.0.0.1:{deaf.getsockname()[1]}/{ACCOUNT}")

    def gives_up(self, azure: str, endpoint: str) -> None:
        settings = Settings(
            azure_endpoint=endpoint, azure_retry_seconds=1.0, azure_timeout_seconds=0.3
        )
        store = open_store(azure, settings)
        secret = settings.azure_sas.get_secret_value().rpartition("sig=")[2]
        for doing, call in (
            ("write 'k'", lambda: store.put("k", LARGE)),
            ("read 'k'", lambda: store.read("k")),
            ("look at 'k'", lambda: store.stat("k")),
            ("list ''", lambda: list(store.list())),
            ("delete 'k'", lambda: store.delete("k")),
        ):
            with pytest.raises(StoreUnavailable) as caught:
                call()
            words = str(caught.value)
            assert words.startswith(f"cannot {doing} in {azure} at {endpoint}: Service")
            assert "times in 1 s. Check the network" in words or "times in 0 s." in words
            assert "FRAMEWRIGHT_AZURE_RETRY_SECONDS" in words
            assert "sig=" not in words
            assert secret not in words
            assert caught.value.__context__ is None

    def test_what_is_not_allowed_is_not_tried_again(
        self, azure: str, azurite: Azurite, container: str, proxy: Proxy
    ) -> None:
        settings = Settings(azure_sas=azurite.sas(container, "r"), azure_endpoint=proxy.endpoint)
        with pytest.raises(StoreDenied):
            open_store(azure, settings).put("k", b"")
        assert proxy.requests == ["PUT"]

    def test_an_answer_that_breaks_off_is_gone_on_with(
        self, through: Store, proxy: Proxy, tmp_path: Path
    ) -> None:
        through.put("k", LARGE)
        for wanted in (hashlib.sha256(LARGE).hexdigest(), ""):
            proxy.faults = [("GET", "half")]
            through.download("k", tmp_path / "out", sha256=wanted)
            assert (tmp_path / "out").read_bytes() == LARGE
            proxy.faults = [("GET", "half")]
            with through.open("k", sha256=wanted) as stream:
                assert stream.read() == LARGE
            assert proxy.faults == []


class TestOtherWriters:
    def test_a_blob_replaced_while_it_is_read_is_no_mixture(self, through: Store) -> None:
        through.put("k", LARGE)
        with through.open("k") as stream:
            assert stream.read(100) == LARGE[:100]
            through.put("k", LARGE[::-1])
            with pytest.raises(StoreUnavailable, match="was replaced or deleted while it was read"):
                stream.read()

    def test_a_blob_deleted_while_it_is_read(self, through: Store) -> None:
        through.put("k", LARGE)
        with through.open("k") as stream:
            assert stream.read(100) == LARGE[:100]
            through.delete("k")
            with pytest.raises(StoreUnavailable, match="was replaced or deleted while it was read"):
                stream.read()

    def test_a_commit_of_another_writer_removes_our_blocks(self, through: Store) -> None:
        """Azure drops all blocks that a commit does not name: the put begins anew."""
        others = b"other" * BLOCK

        class Interrupted(io.BytesIO):
            times = 0

            def read(self, size: int | None = -1, /) -> bytes:
                data = super().read(size)
                if not data and not self.times:
                    self.times += 1
                    through.put("k", others)
                return data

        stream = Interrupted(LARGE)
        through.put("k", stream)
        assert stream.times == 1
        assert through.read("k") == LARGE
        stream = Interrupted(LARGE)
        through.delete("k")
        assert through.put("k", stream, overwrite=False).size_bytes == len(others)
        assert through.read("k") == others


class TestBlocks:
    @pytest.mark.parametrize(
        ("size_bytes", "wanted", "block_bytes"),
        [
            (0, 8 << 20, 8 << 20),
            (5 << 30, 8 << 20, 8 << 20),
            (5 << 30, 1 << 16, 107_375),
            (MAX_BLOCKS * (8 << 20), 8 << 20, 8 << 20),
            (MAX_BLOCKS * (8 << 20) + 1, 8 << 20, (8 << 20) + 1),
            (MAX_BLOCKS * MAX_BLOCK_BYTES, 8 << 20, MAX_BLOCK_BYTES),
        ],
    )
    def test_as_many_as_there_may_be(self, size_bytes: int, wanted: int, block_bytes: int) -> None:
        assert block_bytes_for(size_bytes, wanted) == block_bytes
        assert -(-size_bytes // block_bytes) <= MAX_BLOCKS

    def test_too_large(self) -> None:
        with pytest.raises(InputError, match="is too large; at most"):
            block_bytes_for(MAX_BLOCKS * MAX_BLOCK_BYTES + 1, 8 << 20)

    @pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 20, 25])
    def test_a_stream_that_gives_little_at_a_time(self, size: int) -> None:
        class Slow(io.BytesIO):
            def read(self, size: int | None = -1, /) -> bytes:
                return super().read(min(3, size or 0))

        data = bytes(range(size))
        blocks = list(read_blocks(Slow(data), 10))
        assert b"".join(blocks) == data
        assert all(len(block) == 10 for block in blocks[:-1])

    @pytest.mark.parametrize("threads", [1, 3, 10])
    def test_several_at_a_time_come_in_order(self, threads: int) -> None:
        taken: list[int] = []

        def items() -> Iterator[int]:
            for number in range(20):
                taken.append(number)
                yield number

        def work(number: int) -> int:
            time.sleep(0.01 * (number % 3 == 0))
            return number

        for done, number in enumerate(in_order(work, items(), threads)):
            assert number == done
            assert len(taken) <= done + threads + 1
        assert len(taken) == 20

    def test_the_first_error_in_order_is_raised_and_nothing_more_begun(self) -> None:
        begun: list[int] = []

        def work(number: int) -> int:
            begun.append(number)
            if number == 3:
                raise ValueError("three")
            return number

        with pytest.raises(ValueError, match="three"):
            list(in_order(work, range(1000), 2))
        assert len(begun) <= 8


class TestSetUp:
    def test_without_the_package_the_pip_command_is_told(self) -> None:
        code = (
            "import sys\n"
            "sys.modules['azure'] = None\n"
            "from framewright.storage import open_store\n"
            "open_store('az://account/container')\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].endswith("pip install 'framewright[azure]'")

    def test_requests_are_logged_without_signatures(
        self, azure: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        open_store(azure).put("k", b"x")
        assert "sig=..." in caplog.text, "urllib3 logs the address of every request"
        assert Settings().azure_sas.get_secret_value().rpartition("sig=")[2] not in caplog.text
