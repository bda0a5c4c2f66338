"""Look at a source before anything is spent on it: which stream, how its samples are to be read."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Literal

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from framewright.errors import SourceRefused
from framewright.media.containers import output_suffix
from framewright.media.fields import FieldOrder, first_field
from framewright.media.messages import (
    StreamFacts,
    first_time_code,
    lost_facts,
    lost_messages,
    side_data,
    stream_facts,
)
from framewright.media.source import open_source, packets_of
from framewright.settings import Settings
from framewright.types import ColorSpec, HdrMetadata, OtherStream, VideoInfo

__all__ = ["probe", "select_video_stream"]

_FALLBACK_RATE = Fraction(25)
_MOST_LIKELY_RATE = 1000
_BT709, _BT601, _BT2020, _RGB = 1, (5, 6), (9, 10), 0
_MATRIX_709_FROM_HEIGHT = 720
_MATRIX_709_FROM_WIDTH = 1280
_STRANGE_MATRICES = {8: "YCgCo", 14: "ICtCp", 15: "IPT-C2"}
_UNTAGGED, _FULL = 0, 2
_MOST_FIRST_PACKETS = 1024
"""More than any stream needs to reach its first picture."""
_FRAMES_LOOKED_AT = 8
_PIXELS_LOOKED_AT = 8 * 1920 * 1088
_CODES_FIELDS_APART = ("hevc",)
"""Decoders that give the two fields of an interlaced frame as two frames."""


def probe(path: Path, settings: Settings) -> VideoInfo:
    """Describe the video stream of a file and decode its first frame.

    Raises:
        SourceRefused: the file is not a video that can be scored.
    """
    with open_source(path, settings) as container:
        return probe_container(container, path, settings)[0]


def probe_container(
    container: InputContainer, path: Path, settings: Settings
) -> tuple[VideoInfo, int | None]:
    """Like ``probe``, on an open container, which is left at an undefined position.

    Returns the time stamp of the first picture too, as the decoder gives it.
    """
    stream = select_video_stream(container, path)
    context = _decoder_of(stream, path)
    _check_pixels(context.width, context.height, path, settings)
    facts = stream_facts(container, stream)
    _check_base_layer(facts, path)
    frame, field_order, lost = _look_at(container, stream, path, settings)
    color, color_warnings = _color(frame)
    single_fields = field_order != "progressive" and context.name in _CODES_FIELDS_APART
    matrix = _display_matrix(frame)
    rotation, mirrored = _orientation(matrix)
    video = VideoInfo(
        container=container.format.name,
        container_suffix=output_suffix(container.format.name, path.suffix),
        stream_index=stream.index,
        codec=context.name,
        width=frame.width,
        height=frame.height,
        pixel_format=frame.format.name,
        time_base=stream.time_base or Fraction(1, 90000),
        frame_rate=_frame_rate(stream),
        sample_aspect_ratio=stream.sample_aspect_ratio or Fraction(0),
        rotation=rotation,
        mirrored=mirrored,
        display_matrix=matrix,
        field_order="progressive" if single_fields else field_order,
        single_fields=single_fields,
        color=color,
        chroma_location=facts.chroma_location,
        hdr=_hdr(frame),
        others=tuple(
            OtherStream(
                index=other.index,
                kind=other.type,
                codec=other.codec_context.name if other.codec_context else "",
                language=other.language or "",
                disposition=int(other.disposition),
            )
            for other in container.streams
            if other.index != stream.index and not _is_chapter_track(container, other)
        ),
        warnings=tuple(
            dict.fromkeys(
                [*color_warnings, *_frame_warnings(frame), *lost_facts(stream, facts), *lost]
            )
        ),
    )
    return video, frame.pts


def _frame_rate(stream: VideoStream) -> Fraction:
    """Frames per second: the average, or FFmpeg's guess where that is absurd, as in raw DV."""
    average, guessed = stream.average_rate, stream.guessed_rate
    if average and guessed and guessed < average and average > _MOST_LIKELY_RATE:
        return guessed
    return average or guessed or _FALLBACK_RATE


def _is_chapter_track(container: InputContainer, stream: Stream) -> bool:
    """Whether a data stream only repeats the chapters' titles, as in MP4: they are carried anew."""
    return stream.type == "data" and stream.name == "bin_data" and bool(container.chapters())


def select_video_stream(container: InputContainer, path: Path) -> VideoStream:
    """Return the first video stream that is not cover art, the default one if one is marked so.

    Raises:
        SourceRefused: there is none.
    """
    moving = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not moving:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "none"
        raise SourceRefused(
            "no_video",
            f"{path.name!r} has no video stream (streams: {kinds}); cover art is none; "
            "choose a file with a video.",
        )
    marked = [s for s in moving if s.disposition & Disposition.default]
    return (marked or moving)[0]


def _decoder_of(stream: VideoStream, path: Path) -> VideoCodecContext:
    # PyAV's stubs do not say that there is none for a codec that FFmpeg does not know.
    context: VideoCodecContext | None = stream.codec_context
    if context is None:
        raise SourceRefused(
            "unsupported",
            f"{path.name!r} has video of a codec that no decoder is known for; convert it to H.264 "
            "first.",
        )
    return context


def _check_pixels(width: int, height: int, path: Path, settings: Settings) -> None:
    if width * height > settings.max_frame_pixels:
        raise SourceRefused(
            "too_large",
            f"{path.name!r} has frames of {width}x{height} = {width * height} pixels; at most "
            f"{settings.max_frame_pixels} are accepted (FRAMEWRIGHT_MAX_FRAME_PIXELS).",
        )


def _check_base_layer(facts: StreamFacts, path: Path) -> None:
    if not facts.dolby_vision_compatible:
        raise SourceRefused(
            "unsupported",
            f"{path.name!r} is Dolby Vision of profile {facts.dolby_vision_profile}, whose "
            "pictures have the right colours only with its metadata, which cannot be kept; "
            "convert it to HDR10, HLG or SDR first.",
        )


def _look_at(
    container: InputContainer, stream: VideoStream, path: Path, settings: Settings
) -> tuple[VideoFrame, FieldOrder, list[str]]:
    """Decode the first frame, and a few more for what it need not tell: some videos begin with a
    frame that is not interlaced, or without captions.

    Returns:
        The first frame, the order of fields, and what is lost, a sentence each.
    """
    first: VideoFrame | None = None
    field_order: FieldOrder = "progressive"
    lost: list[str] = []
    for number, frame in enumerate(_decoded(container, stream, path), 1):
        if first is None:
            _check_pixels(frame.width, frame.height, path, settings)
            first = frame
        if field_order == "progressive":
            field_order = first_field(frame)
        lost += lost_messages(frame) + first_time_code(frame)
        if number * frame.width * frame.height >= _PIXELS_LOOKED_AT or number >= _FRAMES_LOOKED_AT:
            break
    if first is None:
        raise AssertionError
    return first, field_order, list(dict.fromkeys(lost))


def _decoded(container: InputContainer, stream: VideoStream, path: Path) -> Iterator[VideoFrame]:
    """Yield at least one frame, up to the first damage after it."""
    failure: Exception | None = None
    found = False
    context = stream.codec_context
    context.thread_type = "NONE"
    # Else a decoder adds film grain to the picture and does not tell that there was any.
    context.options = {**context.options, "export_side_data": "film_grain"}
    packets = 0
    try:
        for packet in islice(packets_of(container, stream), _MOST_FIRST_PACKETS):
            packets += bool(packet.size)
            try:
                for frame in packet.decode():
                    if isinstance(frame, VideoFrame):
                        found = True
                        yield frame
            except av.error.MemoryError:
                raise
            except av.error.FFmpegError as error:
                failure = error
            if found and failure:
                break
    except av.error.MemoryError:
        raise
    except av.error.FFmpegError as error:
        failure = error
    if not found:
        raise _no_picture(stream, path, packets, failure)


def _no_picture(
    stream: VideoStream, path: Path, packets: int, failure: Exception | None
) -> SourceRefused:
    if packets == 0 and stream.frames:
        return SourceRefused(
            "truncated",
            f"{path.name!r} declares {stream.frames} frames but holds none of them: it was cut "
            "off or damaged; get the whole file.",
        )
    if packets == 0:
        return SourceRefused(
            "no_frames", f"{path.name!r} has a video stream without any frame; export it again."
        )
    return SourceRefused(
        "damaged",
        f"{path.name!r}: no picture could be decoded from its first {packets} packets "
        f"({stream.codec_context.name}; {failure or 'no error reported'}); export it again.",
    )


def _display_matrix(frame: VideoFrame) -> tuple[int, ...]:
    """Return how a player shows the picture: nine fixed-point numbers, or none."""
    data = side_data(frame, "DISPLAYMATRIX")
    return () if data is None else struct.unpack_from("<9i", data)


def _orientation(matrix: tuple[int, ...]) -> tuple[int, bool]:
    """Take a display matrix apart: degrees counter-clockwise, and whether mirrored before that."""
    if not matrix:
        return 0, False
    a, b, _, c, d, *_ = matrix
    mirrored = a * d - b * c < 0
    if mirrored:
        a, b = -a, -b
    across, down = math.hypot(a, c), math.hypot(b, d)
    if not across or not down:
        return 0, False
    degrees = -math.degrees(math.atan2(b / down, a / across))
    return round(degrees), mirrored


def _color(frame: VideoFrame) -> tuple[ColorSpec, list[str]]:
    matrix = int(frame.colorspace)
    warnings: list[str] = []
    used: Literal["ITU601", "ITU709", "BT2020", "RGB"]
    if frame.format.is_rgb or frame.format.name == "pal8":
        used = "RGB"
    elif matrix == _BT709:
        used = "ITU709"
    elif matrix in _BT601:
        used = "ITU601"
    elif matrix in _BT2020:
        used = "BT2020"
    else:
        high = frame.height >= _MATRIX_709_FROM_HEIGHT or frame.width >= _MATRIX_709_FROM_WIDTH
        used = "ITU709" if high else "ITU601"
        if name := _STRANGE_MATRICES.get(matrix):
            warnings.append(
                f"colour matrix {name}: read as {used}, so that the model sees wrong colours; the "
                "samples and the tag stay as they are."
            )
    return ColorSpec(
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
        matrix=matrix,
        matrix_used=used,
        full_range=_is_full_range(frame),
        range_tag=int(frame.color_range),
    ), warnings


def _is_full_range(frame: VideoFrame) -> bool:
    if int(frame.color_range) == _UNTAGGED:
        # Without a word of it, FFmpeg reads grey as full range, and YUV as limited.
        return frame.format.name.startswith(("yuvj", "gray", "ya"))
    return int(frame.color_range) == _FULL or frame.format.name.startswith("yuvj")


def _frame_warnings(frame: VideoFrame) -> list[str]:
    warnings = []
    if any(component.is_alpha for component in frame.format.components):
        warnings.append("alpha channel: not kept, the output is opaque.")
    depth = max(component.bits for component in frame.format.components)
    if depth > 10:
        warnings.append(f"{depth} bits per sample: the output has 10.")
    return warnings


@dataclass(frozen=True, slots=True)
class _Chromaticity:
    x: int
    y: int


def _hdr(frame: VideoFrame) -> HdrMetadata | None:
    """Read static HDR side data (SMPTE ST 2086, CTA-861.3) into the text x264 and x265 take."""
    mastering = light = ""
    if (data := side_data(frame, "MASTERING_DISPLAY_METADATA")) is not None:
        mastering = _mastering_text(data)
    if (data := side_data(frame, "CONTENT_LIGHT_LEVEL")) is not None:
        light = "{},{}".format(*struct.unpack_from("<II", data))
    if not mastering and not light:
        return None
    return HdrMetadata(mastering_display=mastering, content_light=light)


def _mastering_text(data: bytes) -> str:
    """Convert FFmpeg's AVMasteringDisplayMetadata: 10 rationals, then two flags."""
    numbers = struct.unpack_from("<20iii", data)
    values = [Fraction(n, d or 1) for n, d in zip(numbers[0:20:2], numbers[1:20:2], strict=True)]
    has_primaries, has_luminance = numbers[20:22]
    if not has_primaries or not has_luminance:
        return ""
    red, green, blue, white = (
        _Chromaticity(round(values[i] * 50000), round(values[i + 1] * 50000)) for i in (0, 2, 4, 6)
    )
    low, high = round(values[8] * 10000), round(values[9] * 10000)
    points = zip("GBRW", (green, blue, red, white), strict=True)
    text = "".join(f"{name.replace('W', 'WP')}({p.x},{p.y})" for name, p in points)
    return f"{text}L({high},{low})"
