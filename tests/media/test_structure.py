"""A container that does not add up is found, and one that does is left in peace."""

from __future__ import annotations

import shutil
from pathlib import Path

import av
import pytest

from framewright.media.source import file_url
from framewright.media.structure import structural_defect
from tests.torture.make import HARD, make, make_bad
from tests.torture.tool import encode, x264

CUT = {
    "cut_fragment": "ends within its box 'mdat' at byte ",
    "cut_fragment_header": "ends within its box 'moof' at byte ",
    "cut_late_mkv": "ends within its segment at byte ",
    "cut_flv": "ends within its tag at byte ",
    "cut_ogv": "ends within its page at byte ",
    "cut_mxf": "ends within its element at byte ",
    "cut_gif": "ends within a picture at byte ",
    "cut_ivf": "ends within its frame at byte ",
    "cut_index_avi": "ends within its RIFF chunk at byte ",
}
OVERWRITTEN = {
    "corrupt_vp9": "where a frame should begin",
    "corrupt_theora": "does not match its checksum",
    "corrupt_flv": "where a tag should begin",
}


def demuxer(path: Path) -> str:
    with av.open(file_url(path)) as container:
        return str(container.format.name)


@pytest.mark.parametrize("kind", CUT)
def test_an_end_that_is_missing_is_found_with_its_byte(kind: str, clip_folder: Path) -> None:
    path = make_bad(kind, clip_folder)
    defect = structural_defect(path, demuxer(path))
    assert defect is not None
    assert defect.cut
    assert CUT[kind] in defect.words
    assert 0 <= defect.at_byte <= path.stat().st_size


@pytest.mark.parametrize("kind", OVERWRITTEN)
def test_a_hole_is_found_with_its_byte(kind: str, clip_folder: Path) -> None:
    path = make_bad(kind, clip_folder)
    defect = structural_defect(path, demuxer(path))
    assert defect is not None
    assert not defect.cut
    assert OVERWRITTEN[kind] in defect.words
    noise = path.stat().st_size // 2
    assert defect.at_byte >= noise - 70_000  # the page or cluster that the noise begins in


GOOD = (
    *HARD,
    *("mkv_live", "mkv_front_index", "webm_dash", "mp4_dash", "mp4_wide_mdat", "flv_h264"),
    *("ogg_theora", "ivf_vp8", "mxf_h264", "raw_bgr24_avi", "data_klv_ts"),
)


@pytest.mark.parametrize("kind", GOOD)
def test_a_whole_file_has_no_defect(kind: str, clip_folder: Path) -> None:
    path = make(kind, clip_folder).path
    assert structural_defect(path, demuxer(path)) is None


@pytest.mark.parametrize("kind", ["cfr25", "film_mkv"])
def test_bytes_after_the_end_of_mp4_are_no_defect_but_in_matroska_they_are_not_read(
    kind: str, clip_folder: Path, tmp_path: Path
) -> None:
    source = make(kind, clip_folder).path
    path = tmp_path / source.name
    shutil.copy(source, path)
    with path.open("ab") as stream:
        stream.write(b"\0" * 1000)
    assert structural_defect(path, demuxer(path)) is None


@pytest.mark.parametrize("kind", ["flv", "live_mkv", "avi", "gif"])
def test_what_plays_whole_is_left_in_peace(kind: str, clip_folder: Path, tmp_path: Path) -> None:
    """Room that a recorder reserved, a size that counts its own head, no mark at the end."""
    suffix = {"live_mkv": "mkv"}.get(kind, kind)
    path = tmp_path / f"clip.{suffix}"
    options = {
        "flv": x264(),
        "live_mkv": [*x264(), "-live", "1"],
        "avi": ["-c:v", "mjpeg"],
        "gif": ["-f", "gif"],
    }[kind]
    encode(path, *options, count=20)
    data = bytearray(path.read_bytes())
    if kind in ("flv", "live_mkv"):
        data += bytes(100_000)
    elif kind == "avi":
        size = int.from_bytes(data[4:8], "little")
        data[4:8] = (size + 8).to_bytes(4, "little")
    else:
        assert data[-1] == 0x3B
        del data[-1]
    path.write_bytes(data)
    assert structural_defect(path, demuxer(path)) is None
