"""What a result does not say, although its source does, is named."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from framewright.media.description import lost_description
from framewright.settings import Settings
from tests.torture.make import make
from tests.torture.tool import ffmpeg


def lost(source: Path, output: Path, shift: Fraction = Fraction(0)) -> list[tuple[int, str]]:
    outcomes = lost_description(source, output, {0: 0, 1: 1, 2: 2}, shift, ".mp4", Settings())
    return [(outcome.stream, outcome.detail) for outcome in outcomes]


def copied(source: Path, output: Path, *options: str) -> Path:
    title = ("-metadata:s:a:1", "title=Kommentar")  # which a plain copy by FFmpeg loses
    streams = ("-map", "0:v", "-map", "0:a", "-c", "copy", *title)
    ffmpeg("-i", source, *streams, *options, f"file:{output}")
    return output


def test_a_copy_has_lost_nothing(clip_folder: Path, tmp_path: Path) -> None:
    clip = make("tracks_mp4", clip_folder)
    assert lost(clip.path, copied(clip.path, tmp_path / "out.mp4")) == []


def test_each_loss_is_named_with_its_stream(clip_folder: Path, tmp_path: Path) -> None:
    clip = make("tracks_mp4", clip_folder)
    output = copied(
        clip.path,
        tmp_path / "out.mp4",
        *("-map_chapters", "-1", "-metadata", "artist=", "-metadata", "comment=another"),
        *("-metadata:s:a:0", "language=spa", "-metadata:s:a:1", "title=Else"),
        *("-disposition:a:1", "0", "-disposition:a:0", "default"),
    )
    assert lost(clip.path, output) == [
        (0, "tags that .mp4 has no place for: artist, comment"),
        (0, "2 of 2 chapters have other bounds: .mp4 holds no others"),
        (1, "language eng is spa in .mp4"),
        (1, "disposition none is default in .mp4"),
        (2, "title 'Kommentar' has no place in .mp4"),
        (2, "disposition default is none in .mp4"),
    ]


def test_chapters_are_expected_where_they_were_moved_to(clip_folder: Path, tmp_path: Path) -> None:
    clip = make("tracks_mp4", clip_folder)
    output = copied(clip.path, tmp_path / "out.mp4")
    assert [stream for stream, _ in lost(clip.path, output, Fraction(1, 2))] == [0]
