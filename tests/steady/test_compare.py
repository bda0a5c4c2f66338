"""``framewright compare``: what it prints, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from framewright.cli import main
from framewright.compare import CompareRequest, compare_files
from framewright.errors import InputError
from framewright.settings import Settings
from framewright.types import Progress
from tests.torture.make import Clip
from tests.torture.tool import ffmpeg


def compared(source: Path, output: Path) -> object:
    request = CompareRequest(source=str(source), output=str(output), settings=Settings())
    told: list[Progress] = []
    found = compare_files(request, told.append)
    assert told[-1].done == found.frames
    return found


def test_a_copy_flickers_as_its_source(
    cfr25: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.mp4"
    shutil.copyfile(cfr25.path, copy)
    arguments = ["compare", str(cfr25.path), str(copy), "--against", str(copy)]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["frames"] == len(cfr25.codes)
    assert found["pairs"] + found["cuts"] == found["frames"] - 1
    assert found["source_flicker"] == found["output_flicker"] == found["against_flicker"] > 0
    assert (found["ratio"], found["detail"]) == (1, 1)
    assert main(arguments) == 0
    assert "1.00 times the source's" in capsys.readouterr().out


def test_where_a_source_stands_still_the_ratio_is_said_to_mean_little(
    cfr25: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    still = tmp_path / "still.mp4"
    ffmpeg("-i", cfr25.path, "-vf", "loop=8:1,trim=end_frame=8", "-an", still)
    assert main(["compare", str(still), str(still)]) == 0
    assert "SOURCE hardly changes" in capsys.readouterr().out
    assert main(["compare", str(cfr25.path), str(cfr25.path)]) == 0
    assert "SOURCE hardly changes" not in capsys.readouterr().out


def test_an_enlarged_output_is_taken(cfr25: Clip, tmp_path: Path) -> None:
    large = tmp_path / "large.mp4"
    ffmpeg("-i", cfr25.path, "-vf", "scale=256:192:flags=neighbor", "-crf", "10", large)
    found = compared(cfr25.path, large)
    assert 0.5 < found.ratio < 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("-vf", "scale=192:96"), "has 192x96 pixels, .* whole number of times"),
        (("-frames:v", "20"), "has 20 frames, fewer than"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    change: tuple[str, ...],
    words: str,
    cfr25: Clip,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = tmp_path / "other.mp4"
    ffmpeg("-i", cfr25.path, *change, other)
    with pytest.raises(InputError, match=words):
        compared(cfr25.path, other)
    assert main(["compare", str(cfr25.path), str(other)]) == 2, "out of the sandbox, too"
    said = capsys.readouterr().err
    assert re.search(words, said)
    assert "defect" not in said


def test_a_tiny_source_is_refused(cfr25: Clip, tmp_path: Path) -> None:
    tiny = tmp_path / "tiny.mp4"
    ffmpeg("-i", cfr25.path, "-vf", "scale=64:30", "-frames:v", "3", tiny)
    with pytest.raises(InputError, match=r"has 64x30 pixels; .* both sides have 32 or more"):
        compared(tiny, tiny)
    least = tmp_path / "least.mp4"
    ffmpeg("-i", cfr25.path, "-vf", "scale=32:32", "-frames:v", "3", least)
    assert compared(least, least).frames == 3  # type: ignore[attr-defined]


def test_an_output_that_names_other_files_is_refused(
    cfr25: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    playlist = tmp_path / "out.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile '{cfr25.path}'\n")
    assert main(["compare", str(cfr25.path), str(playlist)]) == 2
    assert "is a playlist or script" in capsys.readouterr().err
    assert main(["compare", str(cfr25.path), str(tmp_path / "none.mp4")]) == 2
    assert "there is no file" in capsys.readouterr().err
