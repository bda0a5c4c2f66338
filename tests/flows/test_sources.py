import os
import time
from pathlib import Path

import pytest

from flows.dispatch import output_folder
from flows.sources import SUFFIXES, is_below, list_sources
from flows.versions import bare_etag, version_key
from framewright.storage import LocalStore, open_store

LONG_AGO = time.time() - 1000


def place(path: Path, data: bytes = b"video", modified: float = LONG_AGO) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (modified, modified))
    return path


def test_only_whole_sources_outside_of_the_outputs_are_listed(tmp_path: Path) -> None:
    for name in ("b.mp4", "a/c.MOV", "out/b.fast.mp4", "notes.txt", "a/.part.mp4", "b.mask.mp4"):
        place(tmp_path / name)
    place(tmp_path / "empty.mp4", b"")
    place(tmp_path / "growing.mp4", modified=time.time() - 1)
    place(tmp_path / "camera clock.mp4", modified=time.time() + 1e6)
    found = list(list_sources(str(tmp_path), [f"{tmp_path}/out"], SUFFIXES))
    assert [one.name for one in found] == ["a/c.MOV", "b.mp4", "camera clock.mp4"]
    assert found[0].video == f"{tmp_path}/a/c.MOV"


def test_a_name_that_cannot_be_a_key_stops_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place(tmp_path / "b.mp4")
    place(tmp_path / "a\\b.mp4")
    place(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")))
    (tmp_path / "loop.mp4").symlink_to("loop.mp4")
    for _ in range(2):
        assert [one.name for one in list_sources(str(tmp_path), [], SUFFIXES)] == ["b.mp4"]
    assert len(caplog.messages) == 3
    assert all("is left out" in one and one.isascii() for one in caplog.messages)


def test_a_file_that_is_written_anew_is_another_version(tmp_path: Path) -> None:
    path = place(tmp_path / "a.mp4")
    [first] = list_sources(str(tmp_path), [], SUFFIXES)
    [same] = list_sources(str(tmp_path), [], SUFFIXES)
    place(path, b"other")
    os.utime(path, (LONG_AGO + 1, LONG_AGO + 1))
    [second] = list_sources(str(tmp_path), [], SUFFIXES)
    assert first.key == same.key != second.key


def test_blobs_have_the_address_and_the_key_that_their_events_give(azure: str) -> None:
    store = open_store(azure)
    info = store.put("x/a b.mp4", b"video")
    [found] = list_sources(azure, [], SUFFIXES)
    assert found.video == f"{azure}/x/a b.mp4"
    assert found.key == version_key(found.video, f'"{bare_etag(info.etag)}"')


def test_where_addresses_have_percent_signs_listings_have_them_as_events_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Abroad(LocalStore):
        url = "https://acc.blob.core.chinacloudapi.cn/media/incoming"

    place(tmp_path / "day 1/a#b.mp4")
    monkeypatch.setattr("flows.sources.open_here", lambda _: Abroad(tmp_path))
    [found] = list_sources(Abroad.url, [], SUFFIXES)
    assert found.video == f"{Abroad.url}/day%201/a%23b.mp4"
    assert found.name == "day 1/a#b.mp4"
    assert output_folder(Abroad.url, found.name) == f"{Abroad.url}/day%201/"


@pytest.mark.parametrize("etag", ['"0x8D"', "0x8D", 'W/"0x8D"', ' "0x8D" '])
def test_an_etag_is_the_same_with_and_without_quotes(etag: str) -> None:
    assert bare_etag(etag) == "0x8D"


def test_beside_is_not_below() -> None:
    assert is_below("az://a/b/incoming/x.mp4", "az://a/b/incoming/")
    assert not is_below("az://a/b/incoming-old/x.mp4", "az://a/b/incoming")


@pytest.mark.parametrize(
    ("name", "folder"), [("a.mp4", "/out/"), ("x/a.mp4", "/out/x/"), ("x/y/a.mp4", "/out/x/y/")]
)
def test_results_lie_as_the_videos_do(name: str, folder: str) -> None:
    assert output_folder("/out", name) == output_folder("/out/", name) == folder
