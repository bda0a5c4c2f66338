"""Put scored units and the source's other streams together into one file.

Units' clips carry only the order of their frames. Presentation times come from the manifest, as the
source's own integers; decoding times are generated once for the whole video, so that joins and
variable frame rates cannot collide. Everything else is copied packet by packet.
"""

from __future__ import annotations

import heapq
import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from framewright.errors import FrameCountError, VerificationError
from framewright.media.carry import Spoilt, carry_streams, lost_properties
from framewright.media.containers import ContainerRule, container_for
from framewright.media.convert import convert_streams
from framewright.media.copier import Copier, TimedPackets, copy_tags, kept_tags
from framewright.media.source import file_url, open_media, open_source
from framewright.media.treatment import treated
from framewright.results import StreamOutcome
from framewright.settings import Settings
from framewright.types import Manifest, Unit

__all__ = ["ClipSource", "Muxed", "mux"]

ClipSource = Callable[[int], Path]
"""Gives the local path of a unit's clip, valid until the next call."""

_MOVIE_TIMESCALE = 1440000
"""FFmpeg's default of 1000 rounds the offsets between streams by up to a millisecond."""
_MOST_TIMESCALE = (1 << 31) - 1

_MP4_TAGS = frozenset(
    [
        *("title", "artist", "album", "album_artist", "author", "composer", "comment", "date"),
        *("genre", "copyright", "grouping", "lyrics", "description", "synopsis", "keywords"),
        *("show", "episode_id", "network", "track", "disc", "location", "creation_time"),
        *("make", "model", "timecode"),
    ]
)
"""Tags that MP4 and MOV have places of their own for, by FFmpeg's names."""


@dataclass(slots=True)
class Muxed:
    """What was written, for the verification and the report."""

    pts: list[int]
    """Video time stamps as written, in the source's time base."""
    width: int = 0
    height: int = 0
    audio_sha256: list[str | None] = field(default_factory=list)
    """Of each audio stream in order: hash of its payloads in a row, None where converted."""
    subtitle_sha256: list[str | None] = field(default_factory=list)
    """The same of each subtitle stream."""
    targets: dict[int, int] = field(default_factory=dict)
    """Of each stream of the source that was carried over: its index in the output."""
    shift: Fraction = Fraction(0)
    """Seconds that were added to all times."""
    outcomes: list[StreamOutcome] = field(default_factory=list)


def mux(
    source: Path,
    manifest: Manifest,
    clip: ClipSource,
    reorder_frames: int,
    output: Path,
    suffix: str,
    scratch: Path,
    settings: Settings,
    on_frame: Callable[[int], None],
    spoilt: Mapping[int, Spoilt] | None = None,
) -> Muxed:
    """Write the output file.

    Args:
        source: the video the units were scored from; its other streams are copied.
        manifest: the plan.
        clip: gives each unit's clip, asked for in order, possibly twice for the first.
        reorder_frames: by how many places an encoder may delay a frame, over all units.
        output: file to write.
        suffix: container of the output.
        scratch: folder for converted streams.
        settings: limits for opening the source.
        on_frame: told the number of frames written, now and then.
        spoilt: streams of the source that must not be copied, by index.

    Raises:
        FFmpegError: the container does not take a packet.
        FrameCountError: a unit's clip does not hold the frames it should.
    """
    rule = container_for(suffix)
    plan = carry_streams(manifest.video, suffix, spoilt)
    carries, converted = convert_streams(source, plan, scratch, settings)
    with ExitStack() as stack:
        container = stack.enter_context(open_source(source, settings))
        out = stack.enter_context(_open_output(output, rule, manifest, container))
        shift = _shift(source, manifest, container, settings)
        muxed = Muxed(pts=_shifted(manifest, shift), shift=shift)
        muxed.outcomes.extend(o for c in carries if (o := c.outcome) is not None)
        if shift:
            detail = f"all streams moved together by {float(shift):+.6f} s, to start the file at 0"
            muxed.outcomes.append(_changed(manifest, detail))
        output_video = treated(manifest.video, manifest.treatment)
        lost = lost_properties(output_video, manifest.clip_encoder(), suffix)
        muxed.outcomes.extend(_changed(manifest, detail) for detail in lost)
        template = stack.enter_context(open_media(clip(0)))
        video = _add_video(out, template, manifest, rule)
        copy_tags(container.streams[manifest.video.stream_index], video)
        muxed.width, muxed.height = video.codec_context.width, video.codec_context.height
        copier = Copier(out, container, shift, rule.tick)
        for carry in carries:
            if carry.attached and rule.attachments:
                copier.attach_picture(_first_payload(source, carry.stream.index, settings), carry)
            elif carry.action == "copy":
                copier.add(carry)
            elif carry.action == "convert":
                path = converted[carry.stream.index]
                copier.add_converted(stack.enter_context(open_media(path)), carry)
        _copy_description(container, out, shift)
        packets = _video_packets(
            manifest, clip, muxed.pts, reorder_frames, video, _header_of(template), on_frame
        )
        _interleave(out, [packets, *copier.sources()])
        muxed.audio_sha256 = copier.sha256("audio")
        muxed.subtitle_sha256 = copier.sha256("subtitle")
        muxed.targets = copier.targets | {manifest.video.stream_index: video.index}
        muxed.outcomes.extend(copier.rounded(suffix))
    return muxed


def _first_payload(source: Path, index: int, settings: Settings) -> bytes:
    """Read a stream's first packet, which is all that an attached picture has."""
    with open_source(source, settings) as container:
        for packet in container.demux(container.streams[index]):
            return bytes(packet)
    return b""


def _open_output(
    output: Path, rule: ContainerRule, manifest: Manifest, source: InputContainer
) -> OutputContainer:
    options = {"avoid_negative_ts": "disabled"}
    if rule.muxer in ("mp4", "mov"):
        keys = {key.lower() for key in kept_tags(source.metadata)}
        # Phones and cameras keep tags in a list of free keys, which only this writes again.
        free = manifest.video.container.startswith("mov,") and bool(keys - _MP4_TAGS)
        options |= {
            "movie_timescale": str(_movie_timescale(manifest.video.time_base)),
            "video_track_timescale": str(manifest.video.time_base.denominator),
            "movflags": "+faststart+use_metadata_tags" if free else "+faststart",
        }
    return av.open(file_url(output), "w", format=rule.muxer, options=options)


def _movie_timescale(time_base: Fraction) -> int:
    """Return ticks per second in which the first picture's time, too, is a whole number."""
    common = math.lcm(_MOVIE_TIMESCALE, time_base.denominator)
    return common if common <= _MOST_TIMESCALE else max(_MOVIE_TIMESCALE, time_base.denominator)


def _add_video(
    out: OutputContainer, template: InputContainer, manifest: Manifest, rule: ContainerRule
) -> VideoStream:
    clip = template.streams.video[0]
    # There is no encoder called libdav1d, so its template must be copied as it is.
    opaque = clip.codec_context.name == "libdav1d"
    stream = out.add_stream_from_template(clip, opaque=opaque)
    stream.time_base = rule.tick or manifest.video.time_base
    if manifest.video.sample_aspect_ratio:
        stream.codec_context.sample_aspect_ratio = manifest.video.sample_aspect_ratio
    if manifest.video.display_matrix:
        stream.set_display_matrix(manifest.video.display_matrix)
    return stream


def _header_of(clip: InputContainer) -> bytes:
    return clip.streams.video[0].codec_context.extradata or b""


def _shift(
    source: Path, manifest: Manifest, container: InputContainer, settings: Settings
) -> Fraction:
    """Seconds to add to every stream's times, so that no picture lies before zero.

    MPEG transport streams start at an arbitrary clock; they are moved to zero as a whole.
    """
    starts = [manifest.pts.first * manifest.video.time_base]
    is_stream_clock = manifest.video.container in ("mpegts", "mpeg")
    if not is_stream_clock and starts[0] >= 0:
        return Fraction(0)
    starts += [
        stream.start_time * stream.time_base
        for stream in container.streams
        if stream.type in ("audio", "subtitle")
        and stream.start_time is not None
        and stream.time_base is not None
    ]
    # A whole number of video ticks, or else every picture would be rounded.
    tick = manifest.video.time_base
    return -(min(starts) // tick) * tick


def _shifted(manifest: Manifest, shift: Fraction) -> list[int]:
    offset = shift / manifest.video.time_base
    return [tick + offset.numerator for tick in manifest.pts.unpack()]


def _changed(manifest: Manifest, detail: str) -> StreamOutcome:
    return StreamOutcome(
        stream=manifest.video.stream_index, kind="video", action="changed", detail=detail
    )


def _video_packets(
    manifest: Manifest,
    clip: ClipSource,
    pts: Sequence[int],
    reorder_frames: int,
    stream: VideoStream,
    header: bytes,
    on_frame: Callable[[int], None],
) -> TimedPackets:
    """Yield the video's packets in decoding order, with their decoding time in seconds."""
    time_base = manifest.video.time_base
    position = 0
    lead = pts[min(reorder_frames, len(pts) - 1)] - pts[0]
    for unit in manifest.units:
        path = clip(unit.index)
        with open_media(path) as container:
            if _header_of(container) != header:
                raise VerificationError(f"unit {unit.index} was encoded with another header.")
            ticks = _ticks(path, unit)
            for packet in _packets(container):
                rank = unit.start + bisect_left(ticks, packet.pts or 0)
                dts = (
                    pts[position - reorder_frames]
                    if position >= reorder_frames
                    else (pts[position] - lead)
                )
                following = (
                    pts[rank + 1]
                    if rank + 1 < len(pts)
                    else (pts[rank] + manifest.last_duration_ticks)
                )
                packet.time_base = time_base
                packet.pts, packet.dts = pts[rank], dts
                packet.duration = following - pts[rank]
                packet.stream = stream
                position += 1
                yield dts * time_base, packet
        on_frame(unit.stop)


def _ticks(path: Path, unit: Unit) -> array[int]:
    """Check a clip in a first pass, and return its time stamps in order: 8 bytes for each frame."""
    ticks = array("q")
    with open_media(path) as container:
        for packet in _packets(container):
            if not ticks and not packet.is_keyframe:
                raise VerificationError(f"unit {unit.index} does not begin with a keyframe.")
            ticks.append(packet.pts or 0)
    if len(ticks) != unit.frames:
        raise FrameCountError(unit.frames, len(ticks), f"clip of unit {unit.index}")
    np.frombuffer(ticks, np.int64).sort()
    return ticks


def _packets(clip: InputContainer) -> Iterator[Packet[Any]]:
    return (packet for packet in clip.demux(clip.streams.video[0]) if packet.size)


def _copy_description(container: InputContainer, out: OutputContainer, shift: Fraction) -> None:
    out.metadata.update(kept_tags(container.metadata))
    chapters = container.chapters()
    for chapter in chapters:
        ticks = shift / chapter["time_base"] if chapter["time_base"] else Fraction(0)
        chapter["start"] += round(ticks)
        chapter["end"] += round(ticks)
    if chapters:
        out.set_chapters(chapters)


def _interleave(out: OutputContainer, sources: list[TimedPackets]) -> None:
    for _, packet in heapq.merge(*sources, key=lambda timed: timed[0]):
        out.mux_one(packet)
