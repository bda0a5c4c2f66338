"""Where a result goes, and what is refused before any work is done."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from framewright.errors import OutputRefused
from framewright.outputs import check_writable, output_suffix, possible_outputs, resolve_output
from framewright.settings import Settings
from framewright.storage import place_of
from framewright.types import ScorerIdentity

FAST = ScorerIdentity(name="fast", version="1", params={"style": "the_scream"})


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".webm"])
def test_the_suffix_decides(suffix: str, tmp_path: Path) -> None:
    assert output_suffix(f"{tmp_path}/out{suffix}", FAST) == suffix
    assert output_suffix(f"{tmp_path}/OUT{suffix.upper()}", FAST) == suffix


def test_a_folder_decides_nothing(tmp_path: Path) -> None:
    assert output_suffix(f"{tmp_path}/", FAST) == ""


@pytest.mark.parametrize("name", ["out.avi", "out", "out.", ".mp4", "out.mp4.txt", "mp4"])
def test_other_suffixes_are_refused_with_the_list(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match=r"use one of \.mp4, \.m4v, \.mov, \.mkv, \.webm"):
        output_suffix(f"{tmp_path}/{name}", FAST)


DETECT = ScorerIdentity(name="finder", version="1", result="records")


def test_records_go_into_a_table(tmp_path: Path) -> None:
    assert output_suffix(f"{tmp_path}/out.PARQUET", DETECT) == ".parquet"
    assert output_suffix(f"{tmp_path}/", DETECT) == ""
    found = resolve_output(f"{tmp_path}/new/", Path("a/clip.MOV"), ".parquet", DETECT)
    assert found == tmp_path / "new" / "clip.finder.parquet"
    assert possible_outputs(f"{tmp_path}/", Path("a/clip.MOV"), DETECT) == [
        tmp_path / "clip.finder.parquet"
    ]


@pytest.mark.parametrize("name", ["out.mp4", "out", "out.csv"])
def test_a_video_of_records_is_refused(name: str, tmp_path: Path) -> None:
    said = r"'finder' makes records, not pictures, .* name an output that ends in \.parquet"
    with pytest.raises(OutputRefused, match=said):
        output_suffix(f"{tmp_path}/{name}", DETECT)


def test_a_table_of_pictures_is_refused(tmp_path: Path) -> None:
    said = r"'fast' makes pictures, and \.parquet holds records: name a video, one of \.mp4,"
    with pytest.raises(OutputRefused, match=said):
        output_suffix(f"{tmp_path}/out.parquet", FAST)


def test_nothing_named_is_refused() -> None:
    with pytest.raises(OutputRefused, match="no output was named"):
        output_suffix("", FAST)


def test_a_folder_without_slash_is_refused_with_the_right_spelling(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match=f"write '{tmp_path}/' to put the result into it"):
        output_suffix(str(tmp_path), FAST)


def test_in_a_folder_name_and_container_follow_the_source(tmp_path: Path) -> None:
    found = resolve_output(f"{tmp_path}/new/", Path("a/clip.one.MOV"), ".mov", FAST)
    assert found == tmp_path / "new" / "clip.one.fast-the_scream.mov"


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({}, "clip.own.mp4"),
        ({"style": ""}, "clip.own.mp4"),
        ({"style": "wave"}, "clip.own-wave.mp4"),
        ({"style": "../a b.jpg"}, "clip.own-a-b-jpg.mp4"),
        ({"style": 3}, "clip.own-3.mp4"),
        ({"style": "x" * 300}, f"clip.own-{'x' * 40}.mp4"),
    ],
)
def test_two_styles_of_one_video_lie_beside_each_other(
    params: dict[str, object], name: str, tmp_path: Path
) -> None:
    scorer = ScorerIdentity(name="own", version="1", params=params)
    assert resolve_output(f"{tmp_path}/", Path("clip.mp4"), ".mp4", scorer).name == name


def test_a_file_stays_what_it_was_called(tmp_path: Path) -> None:
    assert resolve_output(f"{tmp_path}/o.MKV", Path("a.mp4"), ".mp4", FAST) == tmp_path / "o.MKV"


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_output("out.mp4", Path("a.mp4"), ".mp4", FAST) == tmp_path / "out.mp4"


@pytest.mark.parametrize("stem", ["a" * 251, "ä" * 125, "日" * 83])
def test_a_long_name_still_fits(stem: str, tmp_path: Path) -> None:
    found = resolve_output(f"{tmp_path}/", Path(f"{stem}.mp4"), ".webm", FAST)
    assert found.name.endswith(".fast-the_scream.webm")
    assert len(os.fsencode(found.name)) <= 255
    found.touch()


@pytest.mark.parametrize("alias", ["same", "symlink", "hardlink", "dots"])
def test_the_source_is_never_replaced(alias: str, tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    source.write_bytes(b"x")
    (tmp_path / "sub").mkdir()
    other = tmp_path / "other.mp4"
    if alias == "symlink":
        other.symlink_to(source)
    elif alias == "hardlink":
        other.hardlink_to(source)
    named = {"same": source, "dots": tmp_path / "sub/../clip.mp4"}.get(alias, other)
    with pytest.raises(OutputRefused, match="is the source itself"):
        resolve_output(str(named), source, ".mp4", FAST)


def test_a_folder_at_the_place_of_the_result_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clip.fast-the_scream.mp4").mkdir()
    with pytest.raises(OutputRefused, match="there is a folder at"):
        resolve_output(f"{tmp_path}/", Path("clip.mp4"), ".mp4", FAST)


def test_a_place_that_cannot_be_written_to_is_refused_early(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputRefused, match="cannot write to the folder"):
        resolve_output(f"{tmp_path}/file/deep/out.mp4", Path("clip.mp4"), ".mp4", FAST)
    for output in (f"{tmp_path}/file/out.mp4", f"{tmp_path}/file/", f"file://{tmp_path}/file/"):
        with pytest.raises(OutputRefused, match="cannot write to the folder"):
            check_writable(output)
    for output in (f"{tmp_path}/new/deep/", f"{tmp_path}/out.mp4", "az://media/outgoing/", ""):
        check_writable(output)


def test_an_address_of_a_file_is_its_path(tmp_path: Path) -> None:
    source = Path("clip.mp4")
    found = resolve_output(f"file://{tmp_path}/out.mp4", source, ".mp4", FAST)
    assert found == tmp_path / "out.mp4"
    assert possible_outputs(f"file://{tmp_path}/out.mp4", source, FAST) == [found]
    found = resolve_output(f"file://{tmp_path}/", source, ".mp4", FAST)
    assert found == tmp_path / "clip.fast-the_scream.mp4"
    with pytest.raises(OutputRefused, match="is a folder"):
        output_suffix(f"file://{tmp_path}", FAST)


def test_a_tilde_is_the_home_folder_as_in_a_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    source = Path("clip.mp4")
    assert resolve_output("~/out.mp4", source, ".mp4", FAST) == tmp_path / "out.mp4"
    found = resolve_output("~/sub/", source, ".mp4", FAST)
    assert found == tmp_path / "sub" / "clip.fast-the_scream.mp4"
    for address in ("~nobody-here.mp4", "sub/~", "./~/x", "./~root/x"):
        assert resolve_output(f"{address}.mp4", source, ".mp4", FAST) == tmp_path / f"{address}.mp4"
        assert place_of(address, Settings()) == Path(address)


def test_an_address_that_nobody_understands_is_no_path() -> None:
    with pytest.raises(OutputRefused, match=r"'s3://bucket/x\.mp4' is not understood: use a path"):
        output_suffix("s3://bucket/x.mp4", FAST)
    with pytest.raises(OutputRefused, match="is not understood"):
        check_writable("s3://bucket/x/")
