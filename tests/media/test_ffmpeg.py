"""Jobs for the ffmpeg binary: local files only, literal names, errors in words."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import ffmpeg
import psutil
import pytest

from framewright.errors import EngineBug
from framewright.media import ffmpeg as ffmpeg_module
from framewright.media.ffmpeg import convert_stream, ffmpeg_version, local_input, run_graph
from framewright.media.source import file_url
from tests.torture.expect import observe
from tests.torture.make import Clip, make, make_bad


def test_there_is_a_binary() -> None:
    assert int(ffmpeg_version().lstrip("n").split(".")[0]) >= 6


@pytest.mark.parametrize("name", ["name_quotes", "name_percent", "name_newline", "name_brackets"])
def test_names_are_taken_literally(name: str, clip_folder: Path, tmp_path: Path) -> None:
    clip = make(name, clip_folder)
    out = tmp_path / clip.path.name
    run_graph(ffmpeg.output(local_input(clip.path), file_url(out), c="copy"))
    assert observe(out).codes == clip.codes


def test_a_converted_stream_keeps_its_times(clip_folder: Path, tmp_path: Path) -> None:
    clip = make("audio_late_mkv", clip_folder)
    index = clip.audio[0].index
    out = tmp_path / "sound.nut"
    convert_stream(clip.path, index, "flac", {}, out)
    import av

    with av.open(str(out)) as container:
        [stream] = container.streams
        assert stream.codec_context.name == "flac"
        first = next(p for p in container.demux(stream) if p.size)
    assert first.pts is not None
    assert clip.audio[0].first is not None
    assert abs(first.pts * first.time_base - clip.audio[0].first) < 0.03


def test_the_end_of_what_ffmpeg_said_is_told(cfr25: Clip, tmp_path: Path) -> None:
    with pytest.raises(EngineBug, match=r"ffmpeg failed: .*nonsense.* a full disk .* otherwise"):
        convert_stream(cfr25.path, 1, "nonsense", {}, tmp_path / "a.nut")


@pytest.mark.parametrize("kind", ["ffconcat_as_mp4", "m3u8_as_mp4", "sdp_as_mp4"])
def test_files_that_name_others_are_not_followed(
    kind: str, clip_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mp4"
    with pytest.raises(EngineBug, match="ffmpeg failed"):
        run_graph(ffmpeg.output(local_input(make_bad(kind, clip_folder)), file_url(out)))
    assert not out.exists() or out.stat().st_size == 0


def test_a_stream_that_is_not_there(cfr25: Clip, tmp_path: Path) -> None:
    with pytest.raises(EngineBug, match="matches no streams"):
        convert_stream(cfr25.path, 7, "flac", {}, tmp_path / "a.nut")


def test_a_run_that_does_not_end_is_stopped(
    cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ffmpeg_module, "TIMEOUT_SECONDS", 0.5)
    endless = local_input(cfr25.path, stream_loop="-1", re=None)
    began = time.monotonic()
    with pytest.raises(EngineBug, match=r"not done after 0 s and was stopped"):
        run_graph(ffmpeg.output(endless, file_url(tmp_path / "out.mp4")))
    assert time.monotonic() - began < 20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills it")
def test_a_run_ends_with_the_process_that_began_it(cfr25: Clip, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, ffmpeg; from framewright.media.ffmpeg import *; from "
        "framewright.media.source import file_url; run_graph(ffmpeg.output(local_input(pathlib."
        "Path(sys.argv[1]), stream_loop='-1', re=None), file_url(pathlib.Path(sys.argv[2]))))"
    )
    words = [sys.executable, "-c", code, str(cfr25.path), str(tmp_path / "out.mp4")]
    with subprocess.Popen(words) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "out.mp4").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        [child] = psutil.Process(process.pid).children()
        assert "ffmpeg" in child.name()
        process.kill()
    _, alive = psutil.wait_procs([child], timeout=30)
    for one in alive:
        one.kill()
    assert alive == []
