"""The comparison clip: both videos as they are scored, whole or not at all."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import av
import pytest
from PIL import Image, ImageStat

from framewright.errors import EngineBug
from framewright.media import compare
from framewright.media.compare import comparison_path, side_by_side
from framewright.media.thumbnails import thumbnails
from tests.torture.make import Clip
from tests.torture.tool import ffmpeg


@pytest.fixture
def second_is_default(cfr25: Clip, tmp_path: Path) -> Path:
    """A file with two videos, a white one and, marked as the default, the one with codes."""
    path = tmp_path / "two.mkv"
    white = ("-f", "lavfi", "-i", "color=white:size=128x96:rate=25:duration=3")
    streams = ("-map", "0:v", "-map", "1:v", "-disposition:v:0", "0", "-disposition:v:1", "default")
    ffmpeg(*white, "-i", cfr25.path, *streams, path)
    return path


@pytest.fixture
def result(cfr25: Clip, tmp_path: Path) -> Path:
    """Another file than the source."""
    path = tmp_path / "result.mp4"
    shutil.copyfile(cfr25.path, path)
    return path


def brightness(path: Path, left: int, right: int) -> float:
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="gray")
    return float(frame[:, left:right].mean())


def test_the_scored_stream_is_shown(second_is_default: Path, cfr25: Clip, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    side_by_side(second_is_default, cfr25.path, out)
    assert brightness(out, 0, 128) < 200
    assert abs(brightness(out, 0, 128) - brightness(out, 128, 256)) < 5


def test_thumbnails_show_it_too(second_is_default: Path, cfr25: Clip) -> None:
    for pair in thumbnails(second_is_default, cfr25.path, 2):
        before, after = (
            ImageStat.Stat(Image.open(io.BytesIO(jpeg)).convert("L")).mean[0] for jpeg in pair
        )
        assert abs(before - after) < 5


def test_sound_and_length_are_those_of_the_source(
    cfr25: Clip, result: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mp4"
    side_by_side(cfr25.path, result, out)
    with av.open(str(out)) as container:
        assert len(container.streams.audio) == 1
        assert sum(1 for _ in container.decode(video=0)) == 75
    assert sorted(os.listdir(tmp_path)) == ["out.mp4", "result.mp4"]
    assert out.stat().st_mode & 0o777 != 0o600


def test_a_failure_leaves_what_was_there(
    cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.mp4"
    out.write_bytes(b"from before")

    def fail(graph: object) -> None:
        raise EngineBug("ffmpeg failed")

    monkeypatch.setattr(compare, "run_graph", fail)
    with pytest.raises(EngineBug):
        side_by_side(cfr25.path, cfr25.path, out)
    assert out.read_bytes() == b"from before"
    assert os.listdir(tmp_path) == ["out.mp4"]


@pytest.mark.parametrize("stem", ["a" * 251, "ä" * 125])
def test_a_long_name_still_fits(stem: str, cfr25: Clip, result: Path, tmp_path: Path) -> None:
    path = comparison_path(tmp_path / f"{stem}.mp4")
    assert path.name.endswith(".side-by-side.mp4")
    assert len(os.fsencode(path.name)) <= 255
    side_by_side(cfr25.path, result, path)
    assert path.stat().st_size > 0


def test_a_short_name_is_kept(tmp_path: Path) -> None:
    assert comparison_path(tmp_path / "a.b.mkv") == tmp_path / "a.b.side-by-side.mp4"
