"""Copy the streams beside the scored one, packet by packet, hashing their payloads on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.rational import AVRational
from av.stream import AttachmentStream, Stream

from framewright.media.carry import Carry
from framewright.media.source import packets_of
from framewright.results import StreamOutcome

__all__ = [
    "QUICKTIME_LANGUAGES",
    "Copier",
    "TimedPackets",
    "copy_tags",
    "kept_tags",
    "payload",
    "title_of",
]

TimedPackets: TypeAlias = "Iterator[tuple[Fraction, Packet[Any]]]"
"""Packets of one or more streams, each with its decoding time in seconds."""

CONTAINER_TAGS = frozenset(
    {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}
)
"""Tags that a muxer writes by itself, in small letters."""

QUICKTIME_LANGUAGES = {
    "deu": "ger",
    "ell": "gre",
    "isl": "ice",
    "mkd": "mac",
    "nld": "dut",
    "sqi": "alb",
    "swe": "sve",
    "zho": "chi",
}
"""Languages that QuickTime's table, as FFmpeg has it, knows by another code."""


def kept_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags without those that a muxer writes by itself."""
    return {key: value for key, value in tags.items() if key.lower() not in CONTAINER_TAGS}


class Copier:
    """Copies streams of the source, and converted ones, to the output."""

    def __init__(
        self,
        out: OutputContainer,
        container: InputContainer,
        shift: Fraction,
        tick: Fraction | None,
    ) -> None:
        self._out = out
        self._container = container
        self._shift = shift
        self._tick = tick
        self._copies: dict[int, Stream] = {}
        self._converted: list[tuple[InputContainer, Stream, int]] = []
        self._hashes: dict[int, Any] = {}
        self._rounding: dict[int, Fraction] = {}
        self.targets: dict[int, int] = {}
        """Of each stream of the source: its index in the output."""

    def add(self, carry: Carry) -> None:
        """Copy a stream packet by packet."""
        source = self._container.streams[carry.stream.index]
        if isinstance(source, AttachmentStream):
            mimetype = source.mimetype or "application/octet-stream"
            self._out.add_attachment(source.name or "attachment", mimetype, source.data)
            return
        target = self._out.add_stream_from_template(source, opaque=True)
        copy_tags(source, target)
        self._copies[source.index] = target
        self.targets[source.index] = target.index
        if carry.stream.kind in ("audio", "subtitle"):
            self._hashes[source.index] = hashlib.sha256()

    def attach_picture(self, data: bytes, carry: Carry) -> None:
        """Attach cover art as a file: as a stream, Matroska's muxer makes a second video of it."""
        tags = self._container.streams[carry.stream.index].metadata
        mimetype = f"image/{carry.stream.codec.replace('mjpeg', 'jpeg')}"
        name = f"cover.{carry.stream.codec.replace('mjpeg', 'jpg')}"
        self._out.add_attachment(tags.get("filename", name), tags.get("mimetype", mimetype), data)

    def add_converted(self, container: InputContainer, carry: Carry) -> None:
        """Copy the only stream of a converted file."""
        target = self._out.add_stream_from_template(container.streams[0], opaque=True)
        copy_tags(self._container.streams[carry.stream.index], target)
        self._converted.append((container, target, carry.stream.index))
        self.targets[carry.stream.index] = target.index
        self._hashes[carry.stream.index] = None

    def sources(self) -> list[TimedPackets]:
        """Return the packets of all streams, each with its decoding time in seconds."""
        return [self._copied(), *(self._from(*converted) for converted in self._converted)]

    def _copied(self) -> TimedPackets:
        streams = [self._container.streams[index] for index in self._copies]
        for packet in packets_of(self._container, *streams) if streams else ():
            index = packet.stream_index
            if packet.size and self._hashes.get(index):
                self._hashes[index].update(payload(packet, self._container.format.name))
            if packet.size:
                yield self._retimed(packet, self._copies[index], index)

    def _from(self, container: InputContainer, target: Stream, index: int) -> TimedPackets:
        for packet in container.demux(container.streams[0]):
            if packet.size:
                yield self._retimed(packet, target, index)

    def _retimed(
        self, packet: Packet[Any], target: Stream, index: int
    ) -> tuple[Fraction, Packet[Any]]:
        time_base = packet.time_base
        if self._shift:
            offset = self._shift / time_base
            if offset.denominator != 1:
                packet.rescale_ts(AVRational(time_base / offset.denominator))
                time_base = packet.time_base
                offset = self._shift / time_base
            packet.pts = None if packet.pts is None else packet.pts + offset.numerator
            packet.dts = None if packet.dts is None else packet.dts + offset.numerator
        packet.stream = target
        self._note_rounding(packet.pts, time_base, index)
        when = packet.dts if packet.dts is not None else packet.pts
        return Fraction(0) if when is None else when * time_base, packet

    def _note_rounding(self, pts: int | None, time_base: Fraction, index: int) -> None:
        if self._tick is not None and pts is not None and time_base % self._tick:
            ticks = pts * time_base / self._tick
            off = abs(ticks - round(ticks)) * self._tick
            if off > self._rounding.get(index, 0):
                self._rounding[index] = off

    def rounded(self, suffix: str) -> list[StreamOutcome]:
        """Say by how much the container has rounded the times of each stream, where it has."""
        return [
            StreamOutcome(
                stream=index,
                kind=self._container.streams[index].type,
                action="changed",
                detail=f"times rounded by up to {float(off) * 1000:.3f} ms: {suffix} counts in ms",
            )
            for index, off in self._rounding.items()
        ]

    def sha256(self, kind: str) -> list[str | None]:
        """Hashes of the payloads of the streams of a kind, in their order; None for converted."""
        return [
            digest.hexdigest() if digest else None
            for index, digest in self._hashes.items()
            if self._container.streams[index].type == kind
        ]


def payload(packet: Packet[Any], demuxer: str) -> bytes:
    """Return a packet's payload without what is only of its container.

    ADTS framing is of transport streams; empty lines fill the gaps between subtitles in MP4.
    """
    data = bytes(packet)
    if demuxer == "mpegts" and packet.stream.codec_context.name == "aac" and data[:1] == b"\xff":
        return data[7 if data[1] & 1 else 9 :]
    if data == b"\0\0" and packet.stream.type == "subtitle":
        return b""
    return data


def title_of(stream: Stream) -> str:
    """Return a stream's title, which FFmpeg's reader of MP4 calls a name."""
    return stream.metadata.get("title") or stream.metadata.get("name", "")


def copy_tags(source: Stream, target: Stream) -> None:
    """Give a stream the tags and the disposition of its source."""
    tags = kept_tags(source.metadata)
    if title := title_of(source):
        tags["title"] = title
    if target.container.format.name == "mov" and "language" in tags:
        tags["language"] = QUICKTIME_LANGUAGES.get(tags["language"], tags["language"])
    target.metadata.update(tags)
    target.disposition = source.disposition
