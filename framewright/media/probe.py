"""Look at a source before anything is spent on it: which stream, how its samples are to be read."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast

import av
import av.error
from av.buffer import Buffer
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from framewright.errors import SourceRefused
from framewright.media.containers import output_suffix
from framewright.media.source import open_source
from framewright.settings import Settings
from framewright.types import ColorSpec, HdrMetadata, OtherStream, VideoInfo

__all__ = ["probe", "select_video_stream"]

_FALLBACK_RATE = Fraction(25)
_MOST_LIKELY_RATE = 1000
_BT709, _BT601, _BT2020, _RGB = 1, (5, 6), (9, 10), 0
_NO_MATRIX = (2, 3)
_MATRIX_709_FROM_HEIGHT = 720
_MATRIX_709_FROM_WIDTH = 1280
_PQ, _HLG = 16, 18
_UNTAGGED, _FULL = 0, 2
_BOTTOM_FIRST = (3, 4)  # AV_FIELD_BB, AV_FIELD_TB


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
    context = stream.codec_context
    _check_pixels(context.width, context.height, path, settings)
    frame = _first_frame(container, stream, path)
    _check_pixels(frame.width, frame.height, path, settings)
    color, color_warnings = _color(frame)
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
        field_order=_field_order(stream, frame),
        color=color,
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
        warnings=tuple(color_warnings + _frame_warnings(frame)),
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


def _check_pixels(width: int, height: int, path: Path, settings: Settings) -> None:
    if width * height > settings.max_frame_pixels:
        raise SourceRefused(
            "too_large",
            f"{path.name!r} has frames of {width}x{height} = {width * height} pixels; at most "
            f"{settings.max_frame_pixels} are accepted (FRAMEWRIGHT_MAX_FRAME_PIXELS).",
        )


def _first_frame(container: InputContainer, stream: VideoStream, path: Path) -> VideoFrame:
    failure: Exception | None = None
    stream.codec_context.thread_type = "NONE"
    packets = 0
    for packet in container.demux(stream):
        packets += bool(packet.size)
        try:
            for frame in packet.decode():
                if isinstance(frame, VideoFrame):
                    return frame
        except av.error.MemoryError:
            raise
        except av.error.FFmpegError as error:
            failure = error
        if packets > 1024:  # more than any stream needs to reach its first picture
            break
    if packets == 0:
        if stream.frames:
            raise SourceRefused(
                "truncated",
                f"{path.name!r} declares {stream.frames} frames but holds none of them: it was cut "
                "off or damaged; get the whole file.",
            )
        raise SourceRefused(
            "no_frames", f"{path.name!r} has a video stream without any frame; export it again."
        )
    raise SourceRefused(
        "damaged",
        f"{path.name!r}: no picture could be decoded from its first {packets} packets "
        f"({stream.codec_context.name}; {failure or 'no error reported'}).",
    )


def _display_matrix(frame: VideoFrame) -> tuple[int, ...]:
    """Return how a player shows the picture: nine fixed-point numbers, or none."""
    data = _side_data(frame, "DISPLAYMATRIX")
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


def _field_order(stream: VideoStream, frame: VideoFrame) -> Literal["progressive", "top", "bottom"]:
    if not frame.interlaced_frame:
        return "progressive"
    return "bottom" if stream.codec_context.field_order in _BOTTOM_FIRST else "top"


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
    if used != "RGB" and matrix not in (_BT709, *_BT601, *_BT2020, *_NO_MATRIX):
        warnings.append(
            f"colour matrix {matrix} (of ITU-T H.273) is read as {used}: the model sees somewhat "
            "other colours, the output has the source's."
        )
    if int(frame.color_trc) in (_PQ, _HLG):
        warnings.append(
            "HDR transfer (PQ or HLG): the model sees the encoded values as they are, which "
            "models trained on standard pictures do not expect."
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
    if frame.interlaced_frame:
        warnings.append("interlaced: fields are kept interleaved in each frame.")
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
    if (data := _side_data(frame, "MASTERING_DISPLAY_METADATA")) is not None:
        mastering = _mastering_text(data)
    if (data := _side_data(frame, "CONTENT_LIGHT_LEVEL")) is not None:
        light = "{},{}".format(*struct.unpack_from("<II", data))
    if not mastering and not light:
        return None
    return HdrMetadata(mastering_display=mastering, content_light=light)


def _side_data(frame: VideoFrame, name: str) -> bytes | None:
    try:
        data = frame.side_data.get(name)
    except ValueError:  # side data of a kind that PyAV has no name for yet
        return None
    return None if data is None else bytes(cast(Buffer, data))


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
