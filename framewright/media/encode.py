"""Encode the frames of one unit into a clip whose time stamps carry only their order."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from framewright.media.color import encodable_format
from framewright.media.containers import container_for
from framewright.media.fields import FieldMarker
from framewright.media.source import file_url
from framewright.settings import Settings
from framewright.types import EncoderSpec, VideoInfo

__all__ = ["UnitEncoder", "encoder_build", "encoder_spec"]

_CRF_OFFSET = 12
"""VP9 and AV1 look like H.264 at a rate factor that much higher, on their scale of 0 to 63."""

_CHROMA_LOCATIONS = {"center": 1, "topleft": 2, "top": 3, "bottomleft": 4, "bottom": 5}
"""Code points of ITU-T H.264; ``left`` is what is meant where nothing is said."""


def encoder_build() -> str:
    """Version of the library that encodes."""
    major, minor, micro = av.library_versions["libavcodec"]
    return f"libavcodec {major}.{minor}.{micro}"


def encoder_spec(video: VideoInfo, suffix: str, settings: Settings) -> EncoderSpec:
    """Choose codec, pixel format and options for an output container.

    Args:
        video: what the output's pictures are, which need not be what the source's are.
        suffix: the container's, with its dot.
        settings: quality, speed and threads of the encoder.

    Raises:
        OutputRefused: the suffix names no container that can be written.
    """
    codec = container_for(suffix).video_codec
    pixel_format = encodable_format(video.pixel_format, video.width, video.height, codec)
    if codec == "libvpx-vp9" and pixel_format.endswith("10le"):
        codec, pixel_format = "libsvtav1", "yuv420p10le"  # PyAV's libvpx is built for 8 bits
    options = {
        "libx264": _x264_options(video, pixel_format, settings),
        "libvpx-vp9": {
            "crf": str(settings.quality_crf + _CRF_OFFSET),
            "b": "0",
            "deadline": "realtime",
            "cpu-used": "6",
            "lag-in-frames": "0",
            "auto-alt-ref": "0",
        },
        "libsvtav1": _svtav1_options(video, settings),
    }[codec]
    return EncoderSpec(
        codec=codec,
        pixel_format=pixel_format,
        options=options,
        threads=settings.encoder_threads,
        build=encoder_build(),
    )


def _x264_options(video: VideoInfo, pixel_format: str, settings: Settings) -> dict[str, str]:
    params = ["open-gop=0"]
    if video.field_order != "progressive":
        params.append("tff=1" if video.field_order == "top" else "bff=1")
    untagged = (video.color.primaries, video.color.transfer, video.color.matrix) == (2, 2, 2)
    if video.color.range_tag == 1 and untagged:
        params.append("videoformat=component")  # else x264 leaves out the range with the rest
    if video.hdr and video.hdr.mastering_display:
        params.append(f"mastering-display={video.hdr.mastering_display}")
    if video.hdr and video.hdr.content_light:
        params.append(f"cll={video.hdr.content_light}")
    place = _CHROMA_LOCATIONS.get(video.chroma_location)
    if place and pixel_format.startswith("yuv420"):
        params.append(f"chromaloc={place}")
    return {
        "preset": settings.encoder_preset,
        "crf": str(settings.quality_crf),
        "x264-params": ":".join(params),
    }


def _svtav1_options(video: VideoInfo, settings: Settings) -> dict[str, str]:
    # SVT-AV1 starts dozens of threads whatever the codec context says; `lp` bounds its parallelism.
    params = [f"lp={settings.encoder_threads}"]
    if video.chroma_location in ("left", "topleft"):
        params.append(f"chroma-sample-position={video.chroma_location}")
    if video.hdr and video.hdr.mastering_display:
        params.append(f"mastering-display={_in_real_numbers(video.hdr.mastering_display)}")
    if video.hdr and video.hdr.content_light:
        params.append(f"content-light={video.hdr.content_light}")
    return {
        "crf": str(settings.quality_crf + _CRF_OFFSET),
        "preset": "8",
        "svtav1-params": ":".join(params),
    }


def _in_real_numbers(mastering_display: str) -> str:
    """Give x264's integers as SVT-AV1 takes them: chromaticities, and candela per square metre."""

    def scaled(match: re.Match[str]) -> str:
        unit = 10_000 if match[1] == "L" else 50_000
        return f"{match[1]}({int(match[2]) / unit:.5f},{int(match[3]) / unit:.5f})"

    return re.sub(r"([A-Z]+)\((\d+),(\d+)\)", scaled, mastering_display)


class UnitEncoder:
    """Writes one unit's clip: a fragmented MP4 with time stamps 0, 1, 2, … frames."""

    def __init__(
        self, path: Path, spec: EncoderSpec, video: VideoInfo, width: int, height: int
    ) -> None:
        os.environ.setdefault("SVT_LOG", "1")  # else SVT-AV1 writes its settings to stderr
        self._container: OutputContainer = av.open(
            file_url(path),
            "w",
            format="mp4",
            options={"movflags": "frag_keyframe+empty_moov+default_base_moof"},
        )
        self._stream: VideoStream = self._container.add_stream(
            spec.codec, rate=video.frame_rate, options=dict(spec.options)
        )  # type: ignore[assignment]
        context = self._stream.codec_context
        context.width, context.height = width, height
        context.pix_fmt = spec.pixel_format
        context.thread_count = spec.threads
        context.time_base = 1 / video.frame_rate
        color = video.color
        context.color_range = color.range_tag or (2 if color.full_range else 0)
        context.colorspace = color.matrix if color.matrix_used != "RGB" else 1
        context.color_primaries = color.primaries
        context.color_trc = color.transfer
        context.sample_aspect_ratio = video.sample_aspect_ratio or Fraction(0, 1)
        # libx264 believes the frames' own mark, whatever its options say of the first field.
        self._mark = (
            FieldMarker(video.field_order)
            if video.field_order != "progressive" and spec.codec == "libx264"
            else None
        )
        self._count = 0
        self._written = 0
        self.reorder_frames = 0

    def add(self, frame: VideoFrame) -> None:
        """Encode the next frame."""
        if self._mark:
            frame = self._mark(frame)
        frame.pts = self._count
        frame.time_base = self._stream.codec_context.time_base
        frame.pict_type = PictureType.NONE
        self._count += 1
        self._write(self._stream.encode(frame))

    def _write(self, packets: list[Packet[Any]]) -> None:
        for packet in packets:
            self.reorder_frames = max(self.reorder_frames, self._written - (packet.pts or 0))
            self._written += 1
            self._container.mux_one(packet)

    def close(self) -> None:
        """Flush the encoder and finish the file."""
        self._write(self._stream.encode(None))
        self._container.close()
