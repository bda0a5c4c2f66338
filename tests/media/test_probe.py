"""The probe: which stream, and how its samples are to be read."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from framewright.errors import SourceRefused
from framewright.media.probe import probe
from framewright.settings import Settings
from framewright.types import VideoInfo
from tests.torture.make import Clip, make, make_bad
from tests.torture.tool import encode, ffmpeg, x264


def look(kind: str, folder: Path) -> VideoInfo:
    return probe(make(kind, folder).path, Settings())


def test_a_plain_clip(cfr25: Clip) -> None:
    video = probe(cfr25.path, Settings())
    assert (video.width, video.height, video.codec) == (128, 96, "h264")
    assert (video.container_suffix, video.stream_index) == (".mp4", 0)
    assert video.frame_rate == 25
    assert video.time_base == cfr25.time_base
    assert (video.rotation, video.field_order, video.hdr) == (0, "progressive", None)
    assert [(o.kind, o.codec) for o in video.others] == [("audio", "aac")]
    assert video.warnings == ()


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("ntsc", {"frame_rate": Fraction(30000, 1001)}),
        ("rotated90", {"rotation": 90}),
        ("rotated180", {"rotation": -180}),
        ("sar", {"sample_aspect_ratio": Fraction(4, 3)}),
        ("odd_444", {"width": 161, "height": 121, "pixel_format": "yuv444p"}),
        ("h264_10bit", {"pixel_format": "yuv420p10le"}),
        ("interlaced_h264", {"field_order": "top"}),
        ("cover_first", {"stream_index": 1}),
        ("raw_h264", {"container": "h264", "container_suffix": ".mp4"}),
        ("avi_b_frames", {"container_suffix": ".mp4"}),
        ("vp9_webm", {"container_suffix": ".webm"}),
        ("film_mkv", {"container_suffix": ".mkv"}),
        ("prores", {"container_suffix": ".mov", "pixel_format": "yuv422p10le"}),
        ("open_gop_ts", {"container_suffix": ".mp4"}),
    ],
)
def test_what_is_seen(kind: str, attributes: dict[str, object], clip_folder: Path) -> None:
    video = look(kind, clip_folder)
    assert {name: getattr(video, name) for name in attributes} == attributes


@pytest.mark.parametrize(
    ("kind", "matrix", "full", "tag"),
    [
        ("bt709", "ITU709", False, 1),
        ("bt601", "ITU601", False, 1),
        ("full_range", "ITU601", True, 2),
        ("hdr10", "BT2020", False, 1),
        ("gif", "RGB", True, 0),
    ],
)
def test_how_samples_are_read(
    kind: str, matrix: str, full: bool, tag: int, clip_folder: Path
) -> None:
    color = look(kind, clip_folder).color
    assert color.matrix_used == matrix
    if matrix != "RGB":
        assert (color.full_range, color.range_tag) == (full, tag)


@pytest.mark.parametrize(
    ("size", "matrix"), [((64, 48), "ITU601"), ((1280, 64), "ITU709"), ((64, 720), "ITU709")]
)
def test_untagged_pictures_are_read_by_their_size(
    size: tuple[int, int], matrix: str, tmp_path: Path
) -> None:
    encode(tmp_path / "a.mp4", *x264(), count=1, size=size)
    color = probe(tmp_path / "a.mp4", Settings()).color
    assert color.matrix_used == matrix
    assert (color.primaries, color.transfer, color.matrix) == (2, 2, 2), "and stay untagged"


@pytest.mark.parametrize(
    ("pixels", "full"),
    [("gray", True), ("gray10le", True), ("ya8", True), ("yuv420p", False)],
)
def test_samples_without_a_range_are_read_as_ffmpeg_does(
    pixels: str, full: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.nut"
    encode(path, "-c:v", "rawvideo", "-pix_fmt", pixels, "-color_range", "unknown", count=1)
    color = probe(path, Settings()).color
    assert (color.range_tag, color.full_range) == (0, full)


LEVEL = (65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
MIRRORED = (-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)


@pytest.mark.parametrize(
    ("options", "rotation", "mirrored"),
    [
        (("-display_rotation", "90"), 90, False),
        (("-display_rotation", "180"), -180, False),
        (("-display_rotation", "270"), -90, False),
        (("-display_hflip",), 0, True),
        (("-display_vflip",), -180, True),
        (("-display_rotation", "90", "-display_hflip"), -90, True),
        (("-display_rotation", "270", "-display_hflip"), 90, True),
    ],
)
def test_turned_and_mirrored(
    options: tuple[str, ...], rotation: int, mirrored: bool, cfr25: Clip, tmp_path: Path
) -> None:
    path = tmp_path / "turned.mp4"
    ffmpeg(*options, "-i", f"file:{cfr25.path}", "-c", "copy", f"file:{path}")
    video = probe(path, Settings())
    assert (video.rotation, video.mirrored) == (rotation, mirrored)
    assert len(video.display_matrix) == 9
    assert video.display_matrix != LEVEL
    assert (video.display_matrix == MIRRORED) == (options == ("-display_hflip",))


def test_hdr_is_read(clip_folder: Path) -> None:
    video = look("hdr10", clip_folder)
    assert video.hdr is not None
    assert video.hdr.mastering_display == (
        "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    )
    assert video.hdr.content_light == "1000,400"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("prores_4444", "alpha channel: not kept"),
        ("prores_4444", "12 bits per sample: the output has 10"),
    ],
)
def test_what_is_lost_is_said(kind: str, words: str, clip_folder: Path) -> None:
    assert any(words in warning for warning in look(kind, clip_folder).warnings)


def test_tracks_are_listed(clip_folder: Path) -> None:
    video = look("tracks_mkv", clip_folder)
    assert [(o.kind, o.codec, o.language) for o in video.others[:3]] == [
        ("audio", "aac", "eng"),
        ("audio", "ac3", "deu"),
        ("subtitle", "srt", "jpn"),
    ]
    assert video.others[3].kind == "attachment"


def test_the_default_video_is_taken(clip_folder: Path) -> None:
    video = look("two_videos", clip_folder)
    assert (video.width, [o.kind for o in video.others]) == (128, ["video", "audio"])


@pytest.mark.parametrize(
    ("kind", "reason", "words"),
    [
        ("audio_only", "no_video", "has no video stream (streams: audio)"),
        ("song_with_cover", "no_video", "cover art is none"),
        ("no_samples", "no_frames", "without any frame; export it again"),
    ],
)
def test_what_has_no_picture_is_refused(
    kind: str, reason: str, words: str, clip_folder: Path
) -> None:
    path = make_bad(kind, clip_folder)
    with pytest.raises(SourceRefused, match="refused") as caught:
        probe(path, Settings())
    assert caught.value.reason == reason
    assert words in caught.value.message
    assert path.name in caught.value.message


def test_too_many_pixels(cfr25: Clip) -> None:
    with pytest.raises(SourceRefused, match=r"128x96 = 12288 pixels; at most 12287 are") as caught:
        probe(cfr25.path, Settings(max_frame_pixels=12287))
    assert caught.value.reason == "too_large"
    assert probe(cfr25.path, Settings(max_frame_pixels=12288)).width == 128
