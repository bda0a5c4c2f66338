"""What a video file holds, as ``expect.observe`` tells it; times are exact fractions of seconds."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

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
]


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
    onset: float | None
    """Seconds after the first picture at which something is heard; None where nothing is."""


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
    title: str | None
    disposition: int
    sha256: str
    """Of all packet payloads in a row, without the empty ones."""
    lines: tuple[Subtitle, ...]


@dataclass(frozen=True)
class OtherTrack:
    """A video or data stream that is not the one looked at, by its packets."""

    index: int
    kind: str
    codec: str
    language: str | None
    title: str | None
    disposition: int
    sha256: str
    packets: int


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
    title: str | None
    disposition: int
    rotation: int
    matrix: bytes | None
    """Display matrix, as FFmpeg lays it out."""
    sar: Fraction
    color: Color
    interlaced: bool
    mastering: bytes | None
    """HDR10 mastering display, as FFmpeg lays it out."""
    light_level: bytes | None
    audio: tuple[AudioTrack, ...]
    subtitles: tuple[SubtitleTrack, ...]
    others: tuple[OtherTrack, ...]
    """Further video streams, and data."""
    rgb: npt.NDArray[np.uint8] | None
    """The first frame as a player shows it, (height, width, 3); None where it cannot be told."""
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
