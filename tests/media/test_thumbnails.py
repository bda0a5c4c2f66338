"""Thumbnails: the same moments of both videos, small and upright."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from framewright.media.compare import side_by_side
from framewright.media.thumbnails import thumbnails
from tests.torture.code import read_code
from tests.torture.damage import damage
from tests.torture.make import Clip, make


def picture(jpeg: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(jpeg))
    assert image.format == "JPEG"
    return image


def code(jpeg: bytes) -> int | None:
    return read_code(np.asarray(picture(jpeg).convert("L")))


def test_they_come_from_evenly_spaced_moments(cfr25: Clip) -> None:
    pairs = thumbnails(cfr25.path, cfr25.path, 3)
    assert [code(before) for before, _ in pairs] == [13, 38, 63]
    assert all(before == after for before, after in pairs)


@pytest.mark.parametrize("count", [1, 5])
def test_as_many_as_asked_for(count: int, cfr25: Clip) -> None:
    assert len(thumbnails(cfr25.path, cfr25.path, count)) == count


@pytest.mark.parametrize(
    "kind", ["one_frame", "cover_first", "film_mkv", "gap", "open_gop_ts", "odd_420", "hdr10"]
)
def test_any_kind_of_video(kind: str, clip_folder: Path) -> None:
    path = make(kind, clip_folder).path
    pairs = thumbnails(path, path)
    assert len(pairs) == 3
    assert all(picture(jpeg).width <= 320 for pair in pairs for jpeg in pair)


def test_a_rotated_video_stands_upright(clip_folder: Path) -> None:
    clip = make("rotated90", clip_folder)
    [(jpeg, _)] = thumbnails(clip.path, clip.path, 1)
    assert picture(jpeg).size == (96, 128)
    with av.open(str(clip.path)) as container:
        coded = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    upright = np.rot90(coded[38], 1).astype(float)
    seen = np.asarray(picture(jpeg).convert("L"), float)
    assert np.corrcoef(seen.ravel(), upright.ravel())[0, 1] > 0.95


def test_large_pictures_become_small(tmp_path: Path) -> None:
    from tests.torture.tool import encode, x264

    encode(tmp_path / "large.mp4", *x264(), count=2, size=(1280, 720))
    [(jpeg, _)] = thumbnails(tmp_path / "large.mp4", tmp_path / "large.mp4", 1)
    assert picture(jpeg).size == (280, 158)
    assert len(jpeg) < 60_000


def test_a_file_that_is_no_video_is_said(cfr25: Clip, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"nothing")
    with pytest.raises(av.error.FFmpegError):
        thumbnails(cfr25.path, tmp_path / "x.mp4")


@pytest.mark.parametrize("kind", ["prores", "cfr25", "mpeg2_ts"])
def test_damage_costs_no_more_than_the_damaged_frame(
    kind: str, clip_folder: Path, tmp_path: Path
) -> None:
    clip = make(kind, clip_folder)
    damaged = damage(clip, tmp_path, *range(20, 28))
    pairs = thumbnails(damaged, clip.path, 5)
    assert all(before and after for before, after in pairs)
    side_by_side(damaged, clip.path, tmp_path / "both.mp4")
    with av.open(f"file:{tmp_path}/both.mp4") as container:
        assert next(container.decode(video=0)).width > clip.width
