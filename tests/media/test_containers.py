"""What each container holds: the table agrees with what FFmpeg's muxers take."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
import pytest

from framewright.errors import OutputRefused
from framewright.media.containers import CONTAINERS, container_for, output_suffix

ENCODERS = {
    "mp3float": "libmp3lame",
    "mp3": "libmp3lame",
    "mp2float": "mp2",
    "opus": "libopus",
}
NO_ENCODER = {"dts", "dca", "truehd", "mlp"}
"""Held by the table, but PyAV brings no encoder to try them with."""
HELD = sorted(
    (suffix, codec) for suffix, rule in CONTAINERS.items() for codec in rule.audio - NO_ENCODER
)


def sound(codec: str, path: Path, muxer: str) -> None:
    """Write a tenth of a second of a tone."""
    options = {"strict": "experimental"}
    with av.open(f"file:{path}", "w", format=muxer, options=options) as container:
        name = ENCODERS.get(codec, codec)
        stream = container.add_stream(name, rate=48000, layout="stereo", options=options)
        wave = np.sin(np.arange(4800) / 20)
        frame = av.AudioFrame.from_ndarray(
            np.repeat((wave * 9000).astype(np.int16), 2)[None], "s16", "stereo"
        )
        frame.sample_rate = 48000
        assert isinstance(stream, av.AudioStream)
        resampler = av.AudioResampler(stream.format.name, stream.layout.name, 48000)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux([packet for packet in stream.encode(part) if packet.size])
        container.mux([packet for packet in stream.encode(None) if packet.size])


@pytest.mark.parametrize(("suffix", "codec"), HELD)
def test_every_sound_on_the_list_is_taken_by_the_muxer(
    suffix: str, codec: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    sound(codec, path, CONTAINERS[suffix].muxer)
    with av.open(str(path)) as container:
        assert [s.type for s in container.streams] == ["audio"]
        assert sum(p.size for p in container.demux()) > 0


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".webm", "aac"), (".webm", "flac"), (".mp4", "wavpack"), (".mov", "flac"), (".mov", "opus"),
     (".mp4", "pcm_u8")],
)  # fmt: skip
def test_what_the_muxer_refuses_is_not_on_the_list(suffix: str, codec: str, tmp_path: Path) -> None:
    assert codec not in CONTAINERS[suffix].audio
    with pytest.raises((av.error.FFmpegError, ValueError)):
        sound(codec, tmp_path / f"a{suffix}", CONTAINERS[suffix].muxer)


@pytest.mark.parametrize("suffix", [".mp4", ".MP4", ".m4v", ".mov", ".mkv", ".MKV", ".webm"])
def test_a_container_is_found_by_its_suffix(suffix: str) -> None:
    assert container_for(suffix).suffix == suffix.lower()


@pytest.mark.parametrize("suffix", [".avi", "", "mp4", ".ts", ".gif", ".flv"])
def test_another_suffix_is_refused_with_the_list(suffix: str) -> None:
    with pytest.raises(OutputRefused, match=r"use one of \.mp4, \.m4v, \.mov, \.mkv, \.webm\."):
        container_for(suffix)


@pytest.mark.parametrize(
    ("demuxer", "source", "wanted"),
    [
        ("mov,mp4,m4a,3gp,3g2,mj2", ".mp4", ".mp4"),
        ("mov,mp4,m4a,3gp,3g2,mj2", ".MOV", ".mov"),
        ("mov,mp4,m4a,3gp,3g2,mj2", ".m4v", ".m4v"),
        ("mov,mp4,m4a,3gp,3g2,mj2", "", ".mp4"),
        ("mov,mp4,m4a,3gp,3g2,mj2", ".mkv", ".mp4"),
        ("matroska,webm", ".webm", ".webm"),
        ("matroska,webm", ".mkv", ".mkv"),
        ("matroska,webm", ".mp4", ".mkv"),
        ("avi", ".avi", ".mp4"),
        ("mpegts", ".ts", ".mp4"),
        ("ogg", ".ogv", ".mkv"),
        ("mxf", ".mxf", ".mov"),
        ("gif", ".gif", ".mp4"),
    ],
)
def test_the_output_follows_the_source(demuxer: str, source: str, wanted: str) -> None:
    assert output_suffix(demuxer, source) == wanted
    assert wanted in CONTAINERS


def test_matroska_counts_in_milliseconds() -> None:
    ticks = {suffix: rule.tick for suffix, rule in CONTAINERS.items()}
    ms = Fraction(1, 1000)
    assert ticks == {".mp4": None, ".m4v": None, ".mov": None, ".mkv": ms, ".webm": ms}
