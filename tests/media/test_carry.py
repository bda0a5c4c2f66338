"""The fall-back order: copy, else convert, else drop and say so; else another container."""

from __future__ import annotations

from fractions import Fraction

import pytest

from framewright.media.carry import carry_streams, lost_properties, preferred_suffix
from framewright.media.containers import CONTAINERS
from framewright.types import EncoderSpec, HdrMetadata, OtherStream, VideoInfo
from tests.test_types import VIDEO

COVER, DEFAULT = 0x400, 1
HDR = HdrMetadata(content_light="1000,400")


def video(*others: tuple[str, str], suffix: str = ".mp4", disposition: int = 0) -> VideoInfo:
    streams = tuple(
        OtherStream(index=number, kind=kind, codec=codec, disposition=disposition)
        for number, (kind, codec) in enumerate(others, start=1)
    )
    return VIDEO.model_copy(update={"others": streams, "container_suffix": suffix})


@pytest.mark.parametrize(
    ("stream", "suffix", "action", "codec"),
    [
        (("audio", "aac"), ".mp4", "copy", ""),
        (("audio", "aac"), ".webm", "convert", "libopus"),
        (("audio", "libopus"), ".webm", "copy", ""),
        (("audio", "opus"), ".mov", "convert", "aac"),
        (("audio", "flac"), ".mov", "convert", "alac"),
        (("audio", "flac"), ".mp4", "copy", ""),
        (("audio", "wavpack"), ".mp4", "convert", "flac"),
        (("audio", "truehd"), ".mkv", "copy", ""),
        (("audio", "pcm_s16be"), ".mkv", "convert", "flac"),
        (("audio", "wmav2"), ".mp4", "convert", "aac"),
        (("audio", "pcm_s16le"), ".webm", "convert", "libopus"),
        (("audio", ""), ".mkv", "drop", ""),
        (("subtitle", "srt"), ".mkv", "copy", ""),
        (("subtitle", "subrip"), ".mp4", "convert", "mov_text"),
        (("subtitle", "ass"), ".mov", "convert", "mov_text"),
        (("subtitle", "mov_text"), ".mkv", "convert", "subrip"),
        (("subtitle", "srt"), ".webm", "convert", "webvtt"),
        (("subtitle", "pgssub"), ".mp4", "drop", ""),
        (("subtitle", "pgssub"), ".mkv", "copy", ""),
        (("subtitle", "dvbsub"), ".mkv", "copy", ""),
        (("subtitle", "dvb_subtitle"), ".mkv", "copy", ""),
        (("subtitle", "dvbsub"), ".mp4", "drop", ""),
        (("subtitle", ""), ".mp4", "drop", ""),
        (("attachment", ""), ".mkv", "copy", ""),
        (("attachment", ""), ".mp4", "drop", ""),
        (("data", "bin_data"), ".mkv", "drop", ""),
        (("video", "h264"), ".mp4", "copy", ""),
        (("video", "h264"), ".webm", "drop", ""),
        (("video", "prores"), ".mp4", "drop", ""),
    ],
)
def test_what_becomes_of_a_stream(
    stream: tuple[str, str], suffix: str, action: str, codec: str
) -> None:
    [carry] = carry_streams(video(stream), suffix)
    assert (carry.action, carry.codec) == (action, codec)
    if action == "copy":
        assert carry.outcome is None
    else:
        assert carry.outcome is not None
        assert carry.outcome.stream == 1
        assert carry.outcome.action == {"convert": "converted", "drop": "dropped"}[action]
        assert carry.outcome.detail


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_every_conversion_ends_in_something_the_container_holds(suffix: str) -> None:
    rule = CONTAINERS[suffix]
    for codec in ("wmav2", "truehd", "pcm_f64be", "adpcm_ms", "aac", "opus", "atrac3"):
        [carry] = carry_streams(video(("audio", codec)), suffix)
        assert carry.action == "copy" or carry.codec in rule.audio


def test_lossless_sound_is_never_made_lossy_where_that_can_be_helped() -> None:
    for suffix in (".mp4", ".m4v", ".mov", ".mkv"):
        for codec in ("wavpack", "tta", "pcm_s24be", "flac", "alac", "mlp"):
            [carry] = carry_streams(video(("audio", codec)), suffix)
            assert carry.action == "copy" or carry.codec in ("flac", "alac"), (suffix, codec)
            assert dict(carry.options).get("b:a") is None


def test_cover_art_goes_along_but_for_webm() -> None:
    for suffix, action in ((".mp4", "copy"), (".mkv", "copy"), (".webm", "drop")):
        [carry] = carry_streams(video(("video", "mjpeg"), disposition=COVER), suffix)
        assert carry.action == action


def test_the_order_of_the_source_is_kept() -> None:
    given = video(("audio", "aac"), ("subtitle", "srt"), ("audio", "ac3"))
    assert [c.stream.index for c in carry_streams(given, ".mkv")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("streams", "own", "wanted"),
    [
        ([("audio", "aac")], ".mp4", ".mp4"),
        ([("audio", "aac"), ("subtitle", "mov_text")], ".mov", ".mov"),
        ([("subtitle", "pgssub")], ".mp4", ".mkv"),
        ([("subtitle", "dvbsub")], ".mp4", ".mkv"),
        ([("audio", "truehd")], ".mp4", ".mkv"),
        ([("audio", "wmav2")], ".mp4", ".mp4"),
        ([("data", "bin_data")], ".mov", ".mov"),
        ([("audio", "aac")], ".webm", ".webm"),
        ([], ".mkv", ".mkv"),
    ],
)
def test_matroska_where_only_that_holds_the_streams(
    streams: list[tuple[str, str]], own: str, wanted: str
) -> None:
    assert preferred_suffix(video(*streams, suffix=own)) == wanted


@pytest.mark.parametrize(
    ("changes", "codec", "suffix", "told"),
    [
        ({}, "libvpx-vp9", ".webm", []),
        ({"field_order": "top"}, "libx264", ".mp4", []),
        ({"field_order": "top"}, "libvpx-vp9", ".webm", ["interlaced, top field first"]),
        ({"field_order": "bottom"}, "libsvtav1", ".webm", ["interlaced, bottom field first"]),
        ({"hdr": HDR}, "libsvtav1", ".webm", []),
        ({"hdr": HDR}, "libx264", ".mkv", []),
        ({"hdr": HDR}, "libvpx-vp9", ".webm", ["static HDR metadata: dropped"]),
        ({"sample_aspect_ratio": Fraction(4, 3)}, "libvpx-vp9", ".webm", ["pixels of shape 4/3"]),
    ],
)
def test_what_an_output_cannot_tell_is_told(
    changes: dict[str, object], codec: str, suffix: str, told: list[str]
) -> None:
    encoder = EncoderSpec(codec=codec, pixel_format="yuv420p")
    lost = lost_properties(VIDEO.model_copy(update=changes), encoder, suffix)
    assert len(lost) == len(told)
    assert all(line.startswith(start) for line, start in zip(lost, told, strict=True))
