"""What a picture stream says beside its pictures: named where it is lost, kept where it can be."""

from __future__ import annotations

import re
from pathlib import Path

import av
import pytest

from framewright.errors import SourceRefused
from framewright.media.probe import probe
from framewright.run import run
from framewright.scorers.identity import IdentityScorer
from framewright.settings import Settings
from tests.torture.dolby import as_dolby_vision
from tests.torture.fields import shown_info
from tests.torture.make import make
from tests.torture.sei import (
    AFD,
    AMBIENT,
    CAPTIONS,
    FILM_GRAIN,
    HDR10_PLUS,
    TIME_CODE,
    USER_TEXT,
    Message,
    insert_sei,
)
from tests.torture.tool import encode, x264, x265


@pytest.fixture(scope="module")
def h264(clip_folder: Path) -> bytes:
    path = clip_folder / "plain.h264"
    encode(path, *x264(), "-bsf:v", "filter_units=remove_types=6", count=20)
    return path.read_bytes()


@pytest.fixture(scope="module")
def hevc(clip_folder: Path) -> bytes:
    path = clip_folder / "plain.hevc"
    encode(path, *x265(), count=20)
    return path.read_bytes()


def warnings_of(path: Path) -> tuple[str, ...]:
    return probe(path, Settings()).warnings


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (CAPTIONS, "closed captions (CEA-608/708, in ATSC A/53 user data): not kept"),
        (AFD, "Active Format Description (SMPTE ST 2016-1): not kept"),
        (USER_TEXT, "unregistered user data (SEI, UUID 000102030405060708090a0b0c0d0e0f): not"),
        (HDR10_PLUS, "HDR10+ dynamic metadata (SMPTE ST 2094-40): not kept"),
        (TIME_CODE, "time codes inside the picture stream (SMPTE ST 12-1): not kept"),
        (FILM_GRAIN, "film grain characteristics: not kept"),
        (AMBIENT, "ambient viewing environment (ITU-T H.265 SEI): not kept"),
    ],
    ids=["captions", "afd", "user data", "hdr10+", "time code", "film grain", "ambient"],
)
def test_messages_are_named(message: Message, words: str, hevc: bytes, tmp_path: Path) -> None:
    path = tmp_path / "with.hevc"
    path.write_bytes(insert_sei(hevc, [message], hevc=True))
    (warning,) = warnings_of(path)
    assert warning.startswith(words)


def test_several_are_named_once_each(h264: bytes, tmp_path: Path) -> None:
    path = tmp_path / "with.h264"
    path.write_bytes(insert_sei(h264, [CAPTIONS, AFD, USER_TEXT]))
    words = [warning.split(":")[0].split(" (")[0] for warning in warnings_of(path)]
    assert words == ["closed captions", "Active Format Description", "unregistered user data"]


def test_captions_that_begin_later_are_found(h264: bytes, tmp_path: Path) -> None:
    path = tmp_path / "with.h264"
    cut = h264.index(b"\x00\x00\x01\x41") if b"\x00\x00\x01\x41" in h264 else 0
    assert cut, "the first picture that is not a keyframe"
    path.write_bytes(h264[:cut] + insert_sei(h264[cut:], [CAPTIONS]))
    assert any("closed captions" in warning for warning in warnings_of(path))


def test_an_encoder_that_signs_its_work_is_nothing_to_report(clip_folder: Path) -> None:
    path = clip_folder / "signed.mp4"
    encode(path, *x264(), count=10)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).side_data.get("SEI_UNREGISTERED") is not None
    assert warnings_of(path) == ()


def test_film_grain_of_av1(tmp_path: Path) -> None:
    path = tmp_path / "grainy.mp4"
    params = "film-grain=20:lp=1"
    encode(path, "-c:v", "libsvtav1", "-svtav1-params", params, "-pix_fmt", "yuv420p", count=5)
    (warning,) = warnings_of(path)
    assert warning.startswith("film grain characteristics: not kept, the decoder adds the grain")


def test_two_views_in_one_picture(tmp_path: Path) -> None:
    path = tmp_path / "stereo.mp4"
    encode(path, *x264("frame-packing=3"), count=5)
    (warning,) = warnings_of(path)
    assert warning.startswith("stereoscopic 3D (frame packing): the pictures are kept")


@pytest.mark.parametrize(
    ("start", "told"),
    [("00:00:00:00", []), ("01:02:03:04", ["the first is 01:02:03:04"])],
)
def test_time_codes_of_mpeg2(start: str, told: list[str], tmp_path: Path) -> None:
    path = tmp_path / "coded.mpg"
    encode(path, "-c:v", "mpeg2video", "-timecode", start, count=20)
    warnings = warnings_of(path)
    assert len(warnings) == len(told)
    assert all(words in warning for warning, words in zip(warnings, told, strict=True))


def test_alpha_in_a_layer_of_its_own(clip_folder: Path) -> None:
    (warning,) = warnings_of(make("vp9_alpha", clip_folder).path)
    assert warning.startswith("alpha channel, in a layer of its own (alpha_mode): not kept")


def test_dolby_vision_with_a_base_layer_that_can_be_shown(
    hevc: bytes, clip_folder: Path, tmp_path: Path
) -> None:
    encode(plain := clip_folder / "plain_hevc.mp4", *x265(), count=20)
    path = tmp_path / "dolby.mp4"
    path.write_bytes(as_dolby_vision(plain.read_bytes(), profile=8, compatibility=1))
    assert warnings_of(path) == (
        "Dolby Vision metadata (RPU): not kept, the base layer is scored.",
    )


def test_dolby_vision_without_one_is_refused(clip_folder: Path, tmp_path: Path) -> None:
    encode(plain := clip_folder / "plain_hevc5.mp4", *x265(), count=20)
    path = tmp_path / "dolby.mp4"
    path.write_bytes(as_dolby_vision(plain.read_bytes(), profile=5, compatibility=0))
    with pytest.raises(SourceRefused, match="Dolby Vision of profile 5") as caught:
        probe(path, Settings())
    assert caught.value.reason == "unsupported"


class TestChromaLocation:
    @pytest.mark.parametrize(
        ("codec", "location"),
        [
            (x264(), "left"),
            (x264("chromaloc=1"), "center"),
            (x264("chromaloc=2"), "topleft"),
            (x264("chromaloc=3"), "top"),
            (x264("chromaloc=4"), "bottomleft"),
            (x264("chromaloc=5"), "bottom"),
            (x265("chromaloc=2", pix_fmt="yuv420p10le"), "topleft"),
        ],
        ids=lambda value: value if isinstance(value, str) else value[1],
    )
    def test_it_stays(self, codec: list[str], location: str, tmp_path: Path) -> None:
        path, output = tmp_path / "source.mp4", tmp_path / "kept.mp4"
        encode(path, *codec, count=5)
        assert probe(path, Settings()).chroma_location == location
        run(path, str(output), IdentityScorer.identity, workers=1)
        assert told(output) == location

    @pytest.mark.parametrize(
        ("number", "location", "lost"),
        [
            (0, "left", []),
            (2, "topleft", []),
            (1, "center", ["chroma location center: not stated"]),
        ],
    )
    def test_av1_can_say_some_of_it(
        self, number: int, location: str, lost: list[str], tmp_path: Path
    ) -> None:
        path, output = tmp_path / "source.mp4", tmp_path / "kept.webm"
        encode(path, *x265(f"chromaloc={number}", pix_fmt="yuv420p10le"), count=5)
        report = run(path, str(output), IdentityScorer.identity, workers=1)
        assert told(output) == ("" if lost else location)
        assert [outcome.detail.split(",")[0] for outcome in report.streams] == lost

    def test_what_vp9_cannot_say_is_told(self, tmp_path: Path) -> None:
        path, output = tmp_path / "source.mp4", tmp_path / "kept.webm"
        encode(path, *x264("chromaloc=2"), count=5)
        report = run(path, str(output), IdentityScorer.identity, workers=1)
        assert any("chroma location topleft" in outcome.detail for outcome in report.streams)


def told(path: Path) -> str:
    """Where another FFmpeg says the chroma of a file lies."""
    video = next(line for line in shown_info(path).splitlines() if "Stream #0:0" in line)
    found = re.search(r"\(.*?\b(left|center|topleft|top|bottomleft|bottom)\)", video)
    return found[1] if found else ""
