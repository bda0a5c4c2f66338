"""What a video file holds, read front to back with PyAV and nothing of framewright.

``observe`` is used for sources and for results alike; a test compares the two. Times are exact
fractions of a second, never floats.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt

from tests.torture.code import read_code, read_long_code
from tests.torture.observed import (
    AudioTrack,
    Chapter,
    Color,
    Frame,
    Observed,
    OtherTrack,
    Packet,
    Subtitle,
    SubtitleTrack,
)

__all__ = [
    "AudioTrack",
    "Chapter",
    "Color",
    "Frame",
    "Observed",
    "OtherTrack",
    "Packet",
    "Subtitle",
    "SubtitleTrack",
    "luma8",
    "observe",
]

VOLATILE_TAGS = frozenset(
    {
        "encoder",
        "major_brand",
        "minor_version",
        "compatible_brands",
        "handler_name",
        "vendor_id",
        "duration",
        "language",
        "software",
    }
)
"""Tags that a muxer writes by itself; they say nothing about what was kept."""

DEFAULT = 1
"""The disposition of the stream that a player shows if nobody chooses another."""
HEARD = 0.02
"""Of full scale: the level from which on a sound counts as begun."""

MOST_CHANNELS = 6
"""PyAV 18.1 crashes when it copies planar sound of eight channels to an array."""

ATTACHED_PIC = 0x400
"""The disposition of cover art: a video stream that is not the video."""


def _rows(plane: Any) -> npt.NDArray[np.uint8]:
    """The bytes of a plane, line by line with what pads them."""
    length = plane.height * plane.line_size
    flat: npt.NDArray[np.uint8] = np.frombuffer(memoryview(plane), np.uint8, length)
    return flat.reshape(plane.height, plane.line_size)


def luma8(frame: av.VideoFrame) -> npt.NDArray[np.uint8]:
    """The luma of a frame as 8 bit."""
    component = frame.format.components[0]
    if not frame.format.is_planar or not component.is_luma or len(frame.planes) == 1:
        frame = frame.reformat(format="gray")
        component = frame.format.components[0]
    plane = frame.planes[0]
    if component.bits <= 8:
        return _rows(plane)[:, : plane.width]
    wide = _rows(plane).view(np.uint16)[:, : plane.width]
    return (wide >> (component.bits - 8)).astype(np.uint8)


def _digest(frame: av.VideoFrame) -> str:
    """Hash the visible pixels, leaving out what pads the lines."""
    pixels = hashlib.blake2b(digest_size=16)
    planar = frame.format.is_planar or len(frame.format.components) == 1
    bits = frame.format.components[0].bits if planar else frame.format.padded_bits_per_pixel
    size = (bits + 7) // 8
    for plane in frame.planes:
        pixels.update(_rows(plane)[:, : plane.width * size].tobytes())
    return pixels.hexdigest()


def _strip_adts(payload: bytes) -> bytes:
    if len(payload) > 7 and payload[0] == 0xFF and payload[1] & 0xF6 == 0xF0:
        return payload[7 if payload[1] & 1 else 9 :]
    return payload


def _text(codec: str, payload: bytes) -> str:
    if codec == "mov_text":
        payload = payload[2 : 2 + int.from_bytes(payload[:2], "big")]
    text = payload.decode("utf-8", "replace").strip("\x00\r\n ")
    if codec in ("ass", "ssa"):
        text = text.split(",", 8)[-1]
    return text


def _title(stream: Any) -> str | None:
    """A stream's title, which FFmpeg's reader of MP4 calls a name."""
    title: str | None = stream.metadata.get("title") or stream.metadata.get("name")
    return title


class _Track:
    """The packets of one audio or subtitle stream as they go by."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.codec = str(stream.codec_context.name) if stream.codec_context else ""
        self.sha = hashlib.sha256()
        self.times: list[Fraction | None] = []
        self.lines: list[Subtitle] = []
        self.onset: float | None = None

    def decode(self, packet: Any) -> None:
        """Hash the pictures of a further video; find where a sound begins."""
        if self.stream.type == "audio" and self.stream.codec_context.channels > MOST_CHANNELS:
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            return
        for frame in frames:
            if self.stream.type == "video":
                self.sha.update(_digest(frame).encode())
            elif self.onset is None:
                samples = np.asarray(frame.to_ndarray(), np.float64)
                scale = 1.0 if "flt" in frame.format.name or "dbl" in frame.format.name else 0.0
                level = np.abs(samples).max(0) / (scale or np.iinfo(frame.to_ndarray().dtype).max)
                channels = 1 if frame.format.is_planar else frame.layout.nb_channels
                heard = np.flatnonzero(level > HEARD)
                if heard.size and frame.pts is not None:
                    late = int(heard[0]) // channels / frame.sample_rate
                    self.onset = float(frame.pts * frame.time_base) + late

    def add(self, packet: Any) -> None:
        base = packet.time_base
        time = None if packet.pts is None else packet.pts * base
        payload = bytes(packet)
        if self.stream.type == "subtitle":
            text = _text(self.codec, payload)
            if text:
                self.sha.update(payload)
                duration = None if packet.duration is None else packet.duration * base
                self.lines.append(Subtitle(time, duration, text))
            return
        if self.codec in ("aac", "aac_latm"):
            payload = _strip_adts(payload)
        if self.stream.type != "video":
            self.sha.update(payload)
        self.times.append(time)

    def audio(self, zero: float) -> AudioTrack:
        stream = self.stream
        return AudioTrack(
            index=stream.index,
            codec=self.codec,
            language=stream.language,
            title=_title(stream),
            disposition=int(stream.disposition),
            rate=stream.codec_context.sample_rate,
            channels=stream.codec_context.channels,
            sha256=self.sha.hexdigest(),
            packets=len(self.times),
            first=self.times[0] if self.times else None,
            times=tuple(self.times),
            onset=self.onset if self.onset is None else self.onset - zero,
        )

    def subtitle(self) -> SubtitleTrack:
        stream = self.stream
        disposition = int(stream.disposition)
        title = _title(stream)
        return SubtitleTrack(
            stream.index,
            self.codec,
            stream.language,
            title,
            disposition,
            self.sha.hexdigest(),
            tuple(self.lines),
        )

    def other(self) -> OtherTrack:
        stream = self.stream
        return OtherTrack(
            index=stream.index,
            kind=stream.type,
            codec=self.codec,
            language=stream.language,
            title=_title(stream),
            disposition=int(stream.disposition),
            sha256=self.sha.hexdigest(),
            packets=len(self.times),
        )


def _main_video(container: Any) -> Any:
    moving = [s for s in container.streams.video if not int(s.disposition) & ATTACHED_PIC]
    if not moving:
        raise ValueError(f"no video stream in {container.name!r}")
    return next((s for s in moving if int(s.disposition) & DEFAULT), moving[0])


def _side_data(frame: Any, kind: str) -> bytes | None:
    for data in frame.side_data:
        if data.type.name == kind:
            return bytes(data)
    return None


def _frame(frame: Any, base: Fraction, long: bool) -> Frame:
    return Frame(
        code=(read_long_code if long else read_code)(luma8(frame)),
        pts=frame.pts,
        time=None if frame.pts is None else frame.pts * base,
        width=frame.width,
        height=frame.height,
        pix_fmt=frame.format.name,
        digest=_digest(frame),
        corrupt=frame.is_corrupt,
    )


def _color(frame: Any) -> Color:
    return Color(
        int(frame.color_range),
        int(frame.color_primaries),
        int(frame.color_trc),
        int(frame.colorspace),
    )


def _rgb(frame: Any) -> npt.NDArray[np.uint8] | None:
    try:
        pixels: npt.NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    except OSError:  # a matrix or a format that swscale has no way from
        return None
    return pixels


def _packet(packet: Any) -> Packet:
    return Packet(packet.pts, packet.dts, packet.is_keyframe, packet.is_discard)


def _chapters(container: Any) -> tuple[Chapter, ...]:
    return tuple(
        Chapter(
            start=entry["start"] * entry["time_base"],
            end=entry["end"] * entry["time_base"],
            title=entry["metadata"].get("title", ""),
        )
        for entry in container.chapters()
    )


def _timecode(container: Any) -> dict[str, str]:
    """The timecode of the first frame, which MOV states with a track."""
    codes = [s.metadata["timecode"] for s in container.streams if "timecode" in s.metadata]
    return {"timecode": codes[0]} if codes else {}


def _attached(stream: Any) -> bytes:
    return bytes(stream.data)


def _sar(video: Any) -> Fraction:
    """The pixel shape of the container, else of the decoder; square if neither says."""
    return Fraction(video.sample_aspect_ratio or video.codec_context.sample_aspect_ratio or 1)


def observe(path: str | Path, *, long: bool = False) -> Observed:
    """Read a whole video: decode every frame, hash every other packet.

    ``long`` reads the codes of clips of more than 4096 frames.

    Raises what PyAV raises if the file cannot be read, and ValueError if it has no video or no
    frame comes out.
    """
    with av.open(f"file:{path}", metadata_errors="replace") as container:
        video = _main_video(container)
        base: Fraction = video.time_base
        frames: list[Frame] = []
        packets: list[Packet] = []
        found: Any = None
        tracks = {
            stream.index: _Track(stream)
            for stream in container.streams
            if stream.type in ("audio", "subtitle", "data")
            or (stream.type == "video" and not int(stream.disposition) & ATTACHED_PIC)
        }
        del tracks[video.index]
        covers: list[tuple[str, str]] = []
        for packet in container.demux():
            stream = packet.stream
            if stream.index == video.index:
                if packet.size:
                    packets.append(_packet(packet))
                for frame in packet.decode():
                    # Its colour before any conversion, which would set its range.
                    found = found or (frame, _color(frame))
                    frames.append(_frame(frame, base, long))
            elif stream.index in tracks:
                if stream.type in ("audio", "video"):
                    tracks[stream.index].decode(packet)
                if packet.size:
                    tracks[stream.index].add(packet)
            elif stream.type == "video" and packet.size:
                name = stream.codec_context.name
                covers.append((name, hashlib.sha256(bytes(packet)).hexdigest()))
        if found is None:
            raise ValueError(f"no frame comes out of {str(path)!r}")
        first, color = found
        zero = float(frames[0].time or 0)
        return Observed(
            container=container.format.name,
            video_index=video.index,
            codec=video.codec_context.name,
            width=first.width,
            height=first.height,
            pix_fmt=first.format.name,
            time_base=base,
            frames=tuple(frames),
            packets=tuple(packets),
            language=video.language,
            title=_title(video),
            disposition=int(video.disposition),
            rotation=first.rotation,
            matrix=_side_data(first, "DISPLAYMATRIX"),
            sar=_sar(video),
            color=color,
            interlaced=first.interlaced_frame,
            mastering=_side_data(first, "MASTERING_DISPLAY_METADATA"),
            light_level=_side_data(first, "CONTENT_LIGHT_LEVEL"),
            audio=tuple(t.audio(zero) for t in tracks.values() if t.stream.type == "audio"),
            subtitles=tuple(t.subtitle() for t in tracks.values() if t.stream.type == "subtitle"),
            others=tuple(t.other() for t in tracks.values() if t.stream.type in ("video", "data")),
            rgb=_rgb(first),
            covers=tuple(covers),
            attachments=tuple(
                (stream.name or "", hashlib.sha256(_attached(stream)).hexdigest())
                for stream in container.streams
                if stream.type == "attachment"
            ),
            chapters=_chapters(container),
            metadata=_timecode(container)
            | {
                key.lower(): value
                for key, value in container.metadata.items()
                if key.lower() not in VOLATILE_TAGS
            },
        )
