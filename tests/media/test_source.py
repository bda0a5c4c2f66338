"""Opening untrusted files: what is a video, what is not, and what is never followed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from framewright.errors import SourceRefused
from framewright.media.source import FORMATS, file_url, open_source
from framewright.settings import Settings
from tests.torture.bad import BAD_KINDS
from tests.torture.kinds import HOSTILE
from tests.torture.make import Clip, make, make_bad
from tests.torture.tool import ffmpeg


def refusal(path: Path, settings: Settings) -> SourceRefused:
    with pytest.raises(SourceRefused, match="refused") as caught, open_source(path, settings):
        pass
    return caught.value


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_taken_literally(name: str, clip_folder: Path, settings: Settings) -> None:
    clip = make(f"name_{name}", clip_folder)
    with open_source(clip.path, settings) as container:
        assert container.streams.video[0].frames == clip.count


def test_a_relative_name_that_begins_with_a_dash(
    clip_folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = make("name_dash", clip_folder)
    monkeypatch.chdir(clip.path.parent)
    with open_source(Path(clip.path.name), settings) as container:
        assert container.streams.video[0].frames == clip.count
    assert file_url(Path("-dash.mp4")) == "file:-dash.mp4"


def test_a_name_that_looks_like_an_address_is_a_file(
    cfr25: Clip, tmp_path: Path, settings: Settings
) -> None:
    path = tmp_path / "http:" / "example.com"
    path.parent.mkdir()
    shutil.copy(cfr25.path, path)
    with open_source(path, settings) as container:
        assert container.streams.video[0].frames == cfr25.count


@pytest.mark.parametrize(
    ("kind", "reason", "words"),
    [
        ("empty", "empty", "is empty (0 bytes)"),
        ("garbage", "unreadable", "Accepted are MP4, MOV, Matroska"),
        ("text", "unreadable", "Accepted are"),
        ("folder", "unreadable", "is not a file; name one video file"),
        ("jpg", "still_image", "is a still image, not a video"),
        ("png_as_mp4", "still_image", "is a still image, not a video"),
        ("jpg_as_mp4", "still_image", "is a still image, not a video"),
        ("ffconcat_as_mp4", "unsafe", "names other files, which is never followed"),
        ("m3u8_as_mp4", "unsafe", "names other files, which is never followed"),
        ("sdp_as_mp4", "unsafe", "which is never followed"),
        ("no_moov", "truncated", "it was cut off while it was written. Copy or export it again."),
    ],
)
def test_what_is_no_video_is_refused_in_words(
    kind: str, reason: str, words: str, clip_folder: Path, settings: Settings
) -> None:
    path = make_bad(kind, clip_folder)
    error = refusal(path, settings)
    assert error.reason == reason
    assert error.reason in BAD_KINDS[kind].words
    assert words in error.message
    assert path.name in error.message


def test_not_there(tmp_path: Path, settings: Settings) -> None:
    error = refusal(tmp_path / "nothing.mp4", settings)
    assert (error.reason, "check the path" in error.message) == ("not_found", True)


def test_a_broken_link_is_not_there(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "link.mp4").symlink_to(tmp_path / "gone.mp4")
    assert refusal(tmp_path / "link.mp4", settings).reason == "not_found"


def test_too_many_bytes(cfr25: Clip) -> None:
    error = refusal(cfr25.path, Settings(max_source_bytes=1000))
    assert error.reason == "too_large"
    assert "at most 1000 are accepted (FRAMEWRIGHT_MAX_SOURCE_BYTES)" in error.message


def test_too_many_streams(cfr25: Clip) -> None:
    error = refusal(cfr25.path, Settings(max_streams=1))
    assert error.reason == "too_large"
    assert "has 2 streams; at most 1 are accepted (FRAMEWRIGHT_MAX_STREAMS)" in error.message


@pytest.mark.parametrize("suffix", ["wav", "mp3", "y4m", "flac", "webvtt"])
def test_a_format_that_is_not_on_the_list(suffix: str, tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / f"file.{suffix}"
    if suffix == "webvtt":
        path.write_text("WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n")
    else:
        source = "testsrc2=duration=0.2" if suffix == "y4m" else "sine=duration=0.2"
        ffmpeg("-f", "lavfi", "-i", source, f"file:{path}")
    assert refusal(path, settings).reason == "unreadable"


def test_formats_that_open_other_files_are_not_on_the_list() -> None:
    names = {name for entry in FORMATS for name in entry.split(",")}
    assert not names & {"concat", "hls", "dash", "image2", "image2pipe", "sdp", "rtsp", "lavfi"}


def test_fifo_is_no_file(tmp_path: Path, settings: Settings) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.mp4")
    assert refusal(tmp_path / "pipe.mp4", settings).reason == "unreadable"
