"""What a video file holds, read front to back with PyAV and nothing of framewright.

``observe`` is used for sources and for results alike; a test compares the two. Times are exact
fractions of a second, never floats.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from tests.torture.code import read_code

__all__ = [
    "AudioTrack",
    "Chapter",
    "Color",
    "Frame",
    "Observed",
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

ATTACHED_PIC = 0x400
"""The disposition of cover art: a video stream that is not the video."""


@dataclass(frozen=True)
class Frame:
    """One decoded frame."""

    code: int | None
    """The index drawn into it, None if it does not read."""
    pts: int | None
    """Presentation time in units of the stream's time base."""
    time: Fraction | None
    """Presentation time in seconds."""
    width: int
    height: int
    pix_fmt: str
    digest: str
    """Hash of the visible pixels as decoded."""
    corrupt: bool


@dataclass(frozen=True)
class Packet:
    """One packet of the video, in the order of the file."""

    pts: int | None
    dts: int | None
    key: bool
    discard: bool
    """Only needed to decode what follows; its picture is not shown."""


@dataclass(frozen=True)
class Color:
    """Colour tags as numbers of ISO 23091-2 (2 is unspecified), from the first decoded frame."""

    range: int
    """0 unspecified, 1 limited, 2 full."""
    primaries: int
    trc: int
    space: int


@dataclass(frozen=True)
class AudioTrack:
    """One audio stream, by its packets."""

    index: int
    codec: str
    language: str | None
    title: str | None
    disposition: int
    rate: int
    channels: int
    sha256: str
    """Of all packet payloads in a row, without ADTS headers."""
    packets: int
    first: Fraction | None
    """Time of the first packet in seconds; before 0 where the codec is primed."""
    times: tuple[Fraction | None, ...]


@dataclass(frozen=True)
class Subtitle:
    """One line of a subtitle track."""

    start: Fraction | None
    duration: Fraction | None
    text: str


@dataclass(frozen=True)
class SubtitleTrack:
    """One subtitle stream; ``lines`` leaves out the empty ones that MP4 puts into the gaps."""

    index: int
    codec: str
    language: str | None
    disposition: int
    lines: tuple[Subtitle, ...]


@dataclass(frozen=True)
class Chapter:
    """One chapter, times in seconds."""

    start: Fraction
    end: Fraction
    title: str


@dataclass(frozen=True)
class Observed:
    """Everything in a file that scoring must keep."""

    container: str
    video_index: int
    codec: str
    width: int
    height: int
    pix_fmt: str
    time_base: Fraction
    frames: tuple[Frame, ...]
    packets: tuple[Packet, ...]
    language: str | None
    disposition: int
    rotation: int
    sar: Fraction
    color: Color
    interlaced: bool
    mastering: bytes | None
    """HDR10 mastering display, as FFmpeg lays it out."""
    light_level: bytes | None
    audio: tuple[AudioTrack, ...]
    subtitles: tuple[SubtitleTrack, ...]
    covers: tuple[tuple[str, str], ...]
    """Codec and SHA-256 of each attached picture."""
    attachments: tuple[tuple[str, str], ...]
    """Name and SHA-256 of each attached file."""
    chapters: tuple[Chapter, ...]
    metadata: dict[str, str]
    """Tags of the file, lower-cased names, without those a muxer makes up."""

    @property
    def codes(self) -> list[int | None]:
        """The indices of the frames in order of presentation."""
        return [frame.code for frame in self.frames]

    @property
    def pts(self) -> list[int | None]:
        """Presentation times in units of ``time_base``."""
        return [frame.pts for frame in self.frames]

    @property
    def times(self) -> list[Fraction | None]:
        """Presentation times in seconds."""
        return [frame.time for frame in self.frames]

    @property
    def digests(self) -> list[str]:
        """Hashes of the decoded pixels."""
        return [frame.digest for frame in self.frames]

    @property
    def keys(self) -> int:
        """How many packets of the video are keyframes."""
        return sum(packet.key for packet in self.packets)

    @property
    def leading(self) -> int:
        """How many keyframes are followed by pictures that are shown before them (open GOP)."""
        found: set[int] = set()
        key: int | None = None
        for packet in self.packets:
            if packet.key:
                key = packet.pts
            elif key is not None and packet.pts is not None and packet.pts < key:
                found.add(key)
        return len(found)

    @property
    def relative_times(self) -> list[Fraction] | None:
        """Seconds after the first frame; None if the file has no times."""
        times = [time for time in self.times if time is not None]
        if not times or len(times) != len(self.frames):
            return None
        return [time - times[0] for time in times]

    @property
    def offsets(self) -> list[Fraction | None]:
        """For each audio track, then each subtitle track: its first time less the video's."""
        zero = self.frames[0].time if self.frames else None
        firsts = [track.first for track in self.audio]
        firsts += [track.lines[0].start if track.lines else None for track in self.subtitles]
        return [None if first is None or zero is None else first - zero for first in firsts]


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


class _Track:
    """The packets of one audio or subtitle stream as they go by."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.codec = str(stream.codec_context.name)
        self.sha = hashlib.sha256()
        self.times: list[Fraction | None] = []
        self.lines: list[Subtitle] = []

    def add(self, packet: Any) -> None:
        base = packet.time_base
        time = None if packet.pts is None else packet.pts * base
        payload = bytes(packet)
        if self.stream.type == "subtitle":
            text = _text(self.codec, payload)
            if text:
                duration = None if packet.duration is None else packet.duration * base
                self.lines.append(Subtitle(time, duration, text))
            return
        if self.codec in ("aac", "aac_latm"):
            payload = _strip_adts(payload)
        self.sha.update(payload)
        self.times.append(time)

    def audio(self) -> AudioTrack:
        stream = self.stream
        return AudioTrack(
            index=stream.index,
            codec=self.codec,
            language=stream.language,
            title=stream.metadata.get("title"),
            disposition=int(stream.disposition),
            rate=stream.codec_context.sample_rate,
            channels=stream.codec_context.channels,
            sha256=self.sha.hexdigest(),
            packets=len(self.times),
            first=self.times[0] if self.times else None,
            times=tuple(self.times),
        )

    def subtitle(self) -> SubtitleTrack:
        stream = self.stream
        disposition = int(stream.disposition)
        return SubtitleTrack(
            stream.index, self.codec, stream.language, disposition, tuple(self.lines)
        )


def _main_video(container: Any) -> Any:
    for stream in container.streams.video:
        if not int(stream.disposition) & ATTACHED_PIC:
            return stream
    raise ValueError(f"no video stream in {container.name!r}")


def _side_data(frame: Any, kind: str) -> bytes | None:
    for data in frame.side_data:
        if data.type.name == kind:
            return bytes(data)
    return None


def _frame(frame: Any, base: Fraction) -> Frame:
    return Frame(
        code=read_code(luma8(frame)),
        pts=frame.pts,
        time=None if frame.pts is None else frame.pts * base,
        width=frame.width,
        height=frame.height,
        pix_fmt=frame.format.name,
        digest=_digest(frame),
        corrupt=frame.is_corrupt,
    )


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


def _attached(stream: Any) -> bytes:
    return bytes(stream.data)


def _sar(video: Any) -> Fraction:
    """The pixel shape of the container, else of the decoder; square if neither says."""
    return Fraction(video.sample_aspect_ratio or video.codec_context.sample_aspect_ratio or 1)


def observe(path: str | Path) -> Observed:
    """Read a whole video: decode every frame, hash every other packet.

    Raises what PyAV raises if the file cannot be read, and ValueError if it has no video or no
    frame comes out.
    """
    with av.open(f"file:{path}", metadata_errors="replace") as container:
        video = _main_video(container)
        base: Fraction = video.time_base
        frames: list[Frame] = []
        packets: list[Packet] = []
        first: Any = None
        tracks = {
            stream.index: _Track(stream)
            for stream in container.streams
            if stream.type in ("audio", "subtitle")
        }
        covers: list[tuple[str, str]] = []
        for packet in container.demux():
            stream = packet.stream
            if stream.index == video.index:
                if packet.size:
                    packets.append(_packet(packet))
                for frame in packet.decode():
                    first = first or frame
                    frames.append(_frame(frame, base))
            elif stream.index in tracks and packet.size:
                tracks[stream.index].add(packet)
            elif stream.type == "video" and packet.size:
                name = stream.codec_context.name
                covers.append((name, hashlib.sha256(bytes(packet)).hexdigest()))
        if first is None:
            raise ValueError(f"no frame comes out of {str(path)!r}")
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
            disposition=int(video.disposition),
            rotation=first.rotation,
            sar=_sar(video),
            color=Color(
                int(first.color_range),
                int(first.color_primaries),
                int(first.color_trc),
                int(first.colorspace),
            ),
            interlaced=first.interlaced_frame,
            mastering=_side_data(first, "MASTERING_DISPLAY_METADATA"),
            light_level=_side_data(first, "CONTENT_LIGHT_LEVEL"),
            audio=tuple(t.audio() for t in tracks.values() if t.stream.type == "audio"),
            subtitles=tuple(t.subtitle() for t in tracks.values() if t.stream.type == "subtitle"),
            covers=tuple(covers),
            attachments=tuple(
                (stream.name or "", hashlib.sha256(_attached(stream)).hexdigest())
                for stream in container.streams
                if stream.type == "attachment"
            ),
            chapters=_chapters(container),
            metadata={
                key.lower(): value
                for key, value in container.metadata.items()
                if key.lower() not in VOLATILE_TAGS
            },
        )
