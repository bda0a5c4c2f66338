"""Units' clips: one header for all of them, and nothing lost between frames and packets."""

from __future__ import annotations

import itertools
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType, VideoFrame

from framewright.errors import OutputRefused
from framewright.media.encode import UnitEncoder, encoder_build, encoder_spec
from framewright.settings import Settings
from framewright.types import EncoderSpec, HdrMetadata, VideoInfo
from tests.test_types import COLOR, VIDEO


def write(
    path: Path, count: int = 12, suffix: str = ".mp4", video: VideoInfo = VIDEO, seed: int = 0
) -> UnitEncoder:
    spec = encoder_spec(video, suffix, Settings())
    encoder = UnitEncoder(path, spec, video, 128, 96)
    dice = np.random.default_rng(seed)
    for number in range(count):
        frame = VideoFrame(128, 96, spec.pixel_format)
        for plane in frame.planes:
            base = dice.integers(60, 180, plane.buffer_size // 64 + 1, np.uint8).repeat(64)
            plane.update(np.roll(base, number)[: plane.buffer_size].tobytes())
        frame.pts = 1000 - number  # whatever the source said
        frame.pict_type = PictureType.I if number % 3 == 0 else PictureType.B
        encoder.add(frame)
    encoder.close()
    return encoder


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("count", [1, 2, 12])
def test_every_frame_becomes_one_packet_in_order(count: int, suffix: str, tmp_path: Path) -> None:
    encoder = write(tmp_path / "unit.mp4", count, suffix)
    with av.open(str(tmp_path / "unit.mp4")) as container:
        stream = container.streams.video[0]
        packets = [p for p in container.demux(stream) if p.size]
        container.seek(0)
        frames = list(container.decode(stream))
    assert len(packets) == len(frames) == count
    assert packets[0].is_keyframe
    ticks = sorted(p.pts for p in packets if p.pts is not None)
    steps = {b - a for a, b in itertools.pairwise(ticks)}
    assert len(ticks) == count
    assert len(steps) <= 1, "time stamps carry order only, evenly"
    late = max(n - ticks.index(p.pts) for n, p in enumerate(packets) if p.pts is not None)
    assert encoder.reorder_frames == late


def test_the_types_of_pictures_are_the_encoders_own(tmp_path: Path) -> None:
    """A source's keyframes, passed on, would force keyframes here."""
    write(tmp_path / "unit.mp4")
    with av.open(str(tmp_path / "unit.mp4")) as container:
        keys = [p.is_keyframe for p in container.demux(container.streams.video[0]) if p.size]
    assert keys.count(True) == 1


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_all_units_share_one_header(suffix: str, tmp_path: Path) -> None:
    headers = set()
    for seed, count in ((1, 12), (2, 1), (3, 5)):
        write(tmp_path / "unit.mp4", count, suffix, seed=seed)
        with av.open(str(tmp_path / "unit.mp4")) as container:
            headers.add(container.streams.video[0].codec_context.extradata)
    assert len(headers) == 1


def test_encoding_is_deterministic(tmp_path: Path) -> None:
    write(tmp_path / "1.mp4")
    write(tmp_path / "2.mp4")
    assert (tmp_path / "1.mp4").read_bytes() == (tmp_path / "2.mp4").read_bytes()


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_colour_tags_are_written(suffix: str, tmp_path: Path) -> None:
    color = COLOR.model_copy(update={"primaries": 9, "transfer": 14, "matrix": 9, "range_tag": 2})
    write(tmp_path / "unit.mp4", 2, suffix, VIDEO.model_copy(update={"color": color}))
    with av.open(str(tmp_path / "unit.mp4")) as container:
        frame = next(container.decode(video=0))
    assert (int(frame.color_range), int(frame.colorspace)) == (2, 9)
    if suffix == ".mp4":
        assert (int(frame.color_primaries), int(frame.color_trc)) == (9, 14)


def test_the_shape_of_pixels_is_written(tmp_path: Path) -> None:
    wide = VIDEO.model_copy(update={"sample_aspect_ratio": Fraction(4, 3)})
    write(tmp_path / "unit.mp4", 1, video=wide)
    with av.open(str(tmp_path / "unit.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


def test_interlaced_frames_stay_interlaced(tmp_path: Path) -> None:
    for order in ("top", "bottom"):
        write(tmp_path / "unit.mp4", 2, video=VIDEO.model_copy(update={"field_order": order}))
        with av.open(str(tmp_path / "unit.mp4")) as container:
            assert next(container.decode(video=0)).interlaced_frame


def test_hdr_reaches_the_encoder() -> None:
    hdr = HdrMetadata(mastering_display="G(1,2)B(3,4)R(5,6)WP(7,8)L(9,10)", content_light="1000,4")
    spec = encoder_spec(VIDEO.model_copy(update={"hdr": hdr}), ".mp4", Settings())
    assert "mastering-display=G(1,2)B(3,4)R(5,6)WP(7,8)L(9,10)" in spec.options["x264-params"]
    assert "cll=1000,4" in spec.options["x264-params"]


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp4", "libx264"), (".MOV", "libx264"), (".mkv", "libx264"), (".webm", "libvpx-vp9")],
)
def test_the_container_decides_the_codec(suffix: str, codec: str) -> None:
    spec = encoder_spec(VIDEO, suffix, Settings(quality_crf=20, encoder_preset="fast"))
    assert (spec.codec, spec.pixel_format, spec.build) == (codec, "yuv420p", encoder_build())
    assert spec.options["crf"] == ("20" if codec == "libx264" else "32")
    if codec == "libx264":
        assert spec.options["preset"] == "fast"


def test_every_possible_rate_factor_is_one_the_encoder_takes() -> None:
    assert int(encoder_spec(VIDEO, ".webm", Settings(quality_crf=51)).options["crf"]) <= 63


def test_a_container_that_is_not_known() -> None:
    with pytest.raises(OutputRefused, match="use one of"):
        encoder_spec(VIDEO, ".avi", Settings())


DEEP = VIDEO.model_copy(update={"pixel_format": "yuv420p10le"})


def test_av1_takes_hdr_in_its_own_units() -> None:
    hdr = HdrMetadata(
        mastering_display="G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)",
        content_light="1000,400",
    )
    spec = encoder_spec(DEEP.model_copy(update={"hdr": hdr}), ".webm", Settings())
    assert spec.codec == "libsvtav1"
    assert spec.options["svtav1-params"] == (
        "lp=1:mastering-display=G(0.26500,0.69000)B(0.15000,0.06000)R(0.68000,0.32000)"
        "WP(0.31270,0.32900)L(1000.00000,0.00500):content-light=1000,400"
    )


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux does")
def test_av1_keeps_to_the_threads_it_is_given(tmp_path: Path) -> None:
    """Left alone it starts more than 40, and that in each scoring process."""

    def started(spec: EncoderSpec) -> int:
        before = len(os.listdir("/proc/self/task"))
        encoder = UnitEncoder(tmp_path / "unit.mp4", spec, DEEP, 128, 96)
        encoder.add(VideoFrame(128, 96, spec.pixel_format))
        during = len(os.listdir("/proc/self/task"))
        encoder.close()
        return during - before

    spec = encoder_spec(DEEP, ".webm", Settings(encoder_threads=1))
    unbounded = spec.model_copy(update={"options": {"crf": "30", "preset": "8"}})
    assert started(spec) < started(unbounded) / 2
