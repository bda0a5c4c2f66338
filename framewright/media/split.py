"""Split a source into packet bundles and learn every frame's time stamp, in one demux pass.

Nothing is decoded but the first frame, which proves that packets and pictures agree. Bundles begin
at keyframes. With open GOPs, the leading pictures that follow a keyframe in decoding order
but are shown before it belong to the bundle before; so each bundle ends with a copy of the packets
that those pictures need (marked as its tail).
"""

from __future__ import annotations

import base64
import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from framewright.errors import SourceRefused
from framewright.media.bundle import BundleWriter, PacketRecord, StreamHeader
from framewright.media.probe import probe_container
from framewright.media.source import open_source
from framewright.settings import Settings
from framewright.types import BundleRef, Progress, ProgressCallback, Unit, VideoInfo

__all__ = ["SplitVideo", "cut_units", "split_video"]

_MAX_TAIL_PACKETS = 256
"""Leading pictures directly follow their keyframe; further away there are none."""
_MIN_BUNDLE_FRAMES = 24
_OVERLONG = 0.25
"""By how much of itself a unit may exceed its length, so that none is left over."""
_MAX_UNITS_PER_LONG_BUNDLE = 16
_MAX_REDUNDANT_FRAMES = 16384
_TRUNCATION_TOLERANCE_SECONDS = 0.5
_PROGRESS_EVERY_FRAMES = 500


@dataclass(frozen=True, slots=True)
class SplitVideo:
    """Result of ``split_video``."""

    video: VideoInfo
    pts: list[int]
    last_duration_ticks: int
    synthetic_pts: bool
    bundles: list[BundleRef]
    paths: list[Path]
    """The bundle files, in the order of ``bundles``."""


@dataclass(slots=True)
class _Timeline:
    """What one demux pass saw."""

    pts: list[int | None] = field(default_factory=list)
    last: tuple[int, int] = (-(1 << 63), 0)
    """Largest time stamp so far, and the duration that its packet declares."""
    keys: list[int] = field(default_factory=list)
    """PTS of the keyframe that begins each bundle."""
    written: list[tuple[str, int, Path]] = field(default_factory=list)
    """sha256, size in bytes and path of each bundle."""
    packets: int = 0
    corrupt: int = 0


def split_video(
    path: Path,
    folder: Path,
    unit_seconds: float,
    settings: Settings,
    progress: ProgressCallback | None = None,
) -> SplitVideo:
    """Write the bundles of a video into ``folder``.

    Args:
        path: the source.
        folder: an existing folder for the bundle files.
        unit_seconds: target length of a unit, which sets the least length of a bundle.
        settings: limits.
        progress: told about frames read.

    Raises:
        SourceRefused: the source is not readable, has no frames, or ends too early.
    """
    with open_source(path, settings) as container:
        video, first_pts = probe_container(container, path, settings)
    bundle_frames = max(_MIN_BUNDLE_FRAMES, frames_per_unit(video.frame_rate, unit_seconds))
    with open_source(path, settings) as container:
        stream = container.streams.video[_video_position(container, video.stream_index)]
        timeline = _demux(container, stream, folder, bundle_frames, settings, progress)
        _check_whole(container, stream, timeline, path)
    has_times = None not in timeline.pts and len(set(timeline.pts)) == len(timeline.pts)
    pts = sorted(tick for tick in timeline.pts if tick is not None)
    synthetic = False
    if not has_times or first_pts != pts[0]:
        pts, synthetic = _decoded_pts(path, video, settings)
    if synthetic:
        video = video.model_copy(update={"time_base": 1 / video.frame_rate})
        timeline = _one_bundle(path, video, folder, settings)
    bundles = _bundle_refs(timeline, pts, synthetic)
    if progress:
        progress(Progress("split", len(pts), len(pts)))
    return SplitVideo(
        video=video,
        pts=pts,
        last_duration_ticks=_last_duration(timeline, pts, video, synthetic),
        synthetic_pts=synthetic,
        bundles=bundles,
        paths=[written[2] for written in timeline.written],
    )


def frames_per_unit(frame_rate: Fraction, unit_seconds: float) -> int:
    """Whole frames in a stretch of time, at least one."""
    return max(1, round(float(frame_rate) * unit_seconds))


def cut_units(bundles: list[BundleRef], unit_frames: int) -> list[Unit]:
    """Cut bundles into units of about ``unit_frames`` frames; no unit crosses a bundle's end.

    Every unit decodes its bundle from the start, so that very long bundles (one keyframe in an
    hour) are cut into few units: what is decoded and thrown away stays bounded.
    """
    units: list[Unit] = []
    for bundle in bundles:
        frames = bundle.stop_frame - bundle.start_frame
        most = max(_MAX_UNITS_PER_LONG_BUNDLE, 2 * _MAX_REDUNDANT_FRAMES // frames)
        pieces = min(max(1, math.ceil(frames / unit_frames - _OVERLONG)), frames, most)
        edges = [bundle.start_frame + frames * i // pieces for i in range(pieces + 1)]
        for start, stop in pairwise(edges):
            units.append(Unit(index=len(units), start=start, stop=stop))
    return units


def _one_bundle(path: Path, video: VideoInfo, folder: Path, settings: Settings) -> _Timeline:
    """Split without any cut: where there are no time stamps, none can be cut at."""
    for old in folder.glob("*.pkts"):
        old.unlink()
    with open_source(path, settings) as container:
        stream = container.streams.video[_video_position(container, video.stream_index)]
        return _demux(container, stream, folder, settings.max_frames, settings, None)


def _video_position(container: InputContainer, index: int) -> int:
    return [stream.index for stream in container.streams.video].index(index)


def _header(stream: VideoStream) -> StreamHeader:
    context = stream.codec_context
    return StreamHeader(
        codec=context.name,
        codec_tag=context.codec_tag,
        width=context.width,
        height=context.height,
        pixel_format=context.pix_fmt or "",
        extradata_base64=base64.b64encode(context.extradata or b"").decode(),
    )


def _demux(
    container: InputContainer,
    stream: VideoStream,
    folder: Path,
    bundle_frames: int,
    settings: Settings,
    progress: ProgressCallback | None,
) -> _Timeline:
    timeline = _Timeline()
    cutter = _Cutter(folder, _header(stream), bundle_frames, timeline)
    try:
        for packet in _packets(container, stream):
            timeline.packets += 1
            timeline.corrupt += packet.is_corrupt
            if not packet.is_discard:
                timeline.pts.append(packet.pts)
                if packet.pts is not None:
                    timeline.last = max(timeline.last, (packet.pts, packet.duration or 0))
            cutter.add(
                PacketRecord(
                    payload=bytes(packet),
                    pts=packet.pts,
                    dts=packet.dts,
                    key=packet.is_keyframe,
                    discard=packet.is_discard,
                )
            )
            if len(timeline.pts) > settings.max_frames:
                raise SourceRefused(
                    "too_large",
                    f"more than {settings.max_frames} frames (FRAMEWRIGHT_MAX_FRAMES).",
                )
            if progress and timeline.packets % _PROGRESS_EVERY_FRAMES == 0:
                progress(Progress("split", len(timeline.pts), stream.frames))
        cutter.close()
    except BaseException:
        cutter.abort()
        raise
    return timeline


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[Any]]:
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except av.error.FFmpegError as error:
        raise SourceRefused("damaged", f"the file cannot be read to its end: {error}.") from error


class _Cutter:
    """Distributes packets over bundle files, cutting at keyframes."""

    def __init__(
        self, folder: Path, header: StreamHeader, bundle_frames: int, timeline: _Timeline
    ) -> None:
        self._folder = folder
        self._header = header
        self._bundle_frames = bundle_frames
        self._timeline = timeline
        self._current: BundleWriter | None = None
        self._frames = 0
        self._waiting: _Waiting | None = None

    def add(self, packet: PacketRecord) -> None:
        """Take the next packet in decoding order."""
        begins = packet.key and packet.pts is not None and not packet.discard
        if self._current is None or (begins and self._frames >= self._bundle_frames):
            self._cut(packet)
        elif packet.key and self._waiting:
            self._release()
        if self._current is None:  # _cut has just opened it
            raise AssertionError
        self._current.add(packet)
        self._frames += not packet.discard
        if self._waiting and not self._waiting.offer(packet):
            self._release()

    def _cut(self, packet: PacketRecord) -> None:
        self._release()
        if self._current is not None and packet.pts is not None:
            self._waiting = _Waiting(self._current, packet.pts)
        path = self._folder / f"{len(self._timeline.keys):05d}.pkts"
        self._current = BundleWriter(path, self._header)
        self._timeline.keys.append(packet.pts if packet.pts is not None else 0)
        self._frames = 0

    def _release(self) -> None:
        if self._waiting:
            self._record(self._waiting.writer)
            self._waiting = None

    def _record(self, writer: BundleWriter) -> None:
        self._timeline.written.append((writer.close(), writer.size_bytes, writer.path))

    def close(self) -> None:
        """Finish the last bundles."""
        self._release()
        if self._current is not None:
            self._record(self._current)
            self._current = None

    def abort(self) -> None:
        """Remove what is unfinished."""
        for writer in (self._waiting.writer if self._waiting else None, self._current):
            if writer is not None:
                writer.abort()


class _Waiting:
    """A bundle that is complete but for its tail of leading pictures."""

    def __init__(self, writer: BundleWriter, next_key_pts: int) -> None:
        self.writer = writer
        self._next_key_pts = next_key_pts
        self._pending: list[PacketRecord] = []
        self._seen = 0

    def offer(self, packet: PacketRecord) -> bool:
        """Take a packet after the cut; return False when no leading picture can follow."""
        self._seen += 1
        self._pending.append(
            PacketRecord(packet.payload, packet.pts, packet.dts, packet.key, packet.discard, True)
        )
        if packet.pts is not None and packet.pts < self._next_key_pts:
            for waiting in self._pending:
                self.writer.add(waiting)
            self._pending.clear()
        return self._seen < _MAX_TAIL_PACKETS


def _check_whole(
    container: InputContainer, stream: VideoStream, timeline: _Timeline, path: Path
) -> None:
    if not timeline.pts:
        raise SourceRefused("no_frames", f"{path.name!r} has no frames; export it again.")
    declared = stream.frames
    if container.format.name.startswith("mov,") and timeline.packets < declared:
        raise SourceRefused(
            "truncated",
            f"{path.name!r} declares {declared} frames but holds {timeline.packets}: it was cut "
            "off while it was copied or recorded; get the whole file.",
        )
    if "matroska" in container.format.name and None not in timeline.pts and container.duration:
        _check_matroska_end(container, stream, timeline, path)


def _check_matroska_end(
    container: InputContainer, stream: VideoStream, timeline: _Timeline, path: Path
) -> None:
    """Matroska declares no number of frames; compare the end of its streams with its duration."""
    declared_seconds = (container.duration or 0) / av.time_base
    limit_seconds = declared_seconds - _TRUNCATION_TOLERANCE_SECONDS
    end_seconds = float(sum(timeline.last) * (stream.time_base or 0))
    if end_seconds < limit_seconds:
        end_seconds = max(end_seconds, _end_of_others(container))
    if end_seconds < limit_seconds:
        raise SourceRefused(
            "truncated",
            f"{path.name!r} declares {declared_seconds:.3f} s but ends after {end_seconds:.3f} s: "
            "it was cut off; get the whole file.",
        )


def _end_of_others(container: InputContainer) -> float:
    """End in seconds of the longest sound or subtitle stream, by demuxing them."""
    others = [stream for stream in container.streams if stream.type in ("audio", "subtitle")]
    end_seconds = 0.0
    if others:
        container.seek(0)
        for packet in container.demux(others):
            if packet.pts is not None and packet.time_base is not None:
                ticks = packet.pts + (packet.duration or 0)
                end_seconds = max(end_seconds, float(ticks * packet.time_base))
    return end_seconds


def _decoded_pts(path: Path, video: VideoInfo, settings: Settings) -> tuple[list[int], bool]:
    """Learn the time stamps by decoding everything: the slow way, for files that need it.

    Returns the time stamps, and whether they are synthetic: frame numbers, where the source has
    none that are usable.
    """
    pts: list[int | None] = []
    with open_source(path, settings) as container:
        stream = container.streams.video[_video_position(container, video.stream_index)]
        for frame in _frames(container, stream):
            pts.append(frame.pts)
            if len(pts) > settings.max_frames:
                raise SourceRefused(
                    "too_large",
                    f"more than {settings.max_frames} frames (FRAMEWRIGHT_MAX_FRAMES).",
                )
    ticks = [tick for tick in pts if tick is not None]
    if not pts:
        raise SourceRefused("no_frames", f"{path.name!r}: no frame could be decoded.")
    if len(ticks) < len(pts) or any(after <= before for before, after in pairwise(ticks)):
        return list(range(len(pts))), True
    return ticks, False


def _frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    for packet in container.demux(stream):
        try:
            for frame in packet.decode():
                if isinstance(frame, VideoFrame):
                    yield frame
        except av.error.FFmpegError as error:
            raise SourceRefused(
                "damaged", f"a frame near {_at(packet)} cannot be decoded: {error}."
            ) from error


def _at(packet: Packet[Any]) -> str:
    if packet.pts is None or packet.time_base is None:
        return "an unknown time"
    return f"{float(packet.pts * packet.time_base):.3f} s"


def _bundle_refs(timeline: _Timeline, pts: list[int], synthetic: bool) -> list[BundleRef]:
    starts = [0] if synthetic else [0, *(bisect_left(pts, key) for key in timeline.keys[1:])]
    edges = [*starts, len(pts)]
    if any(stop <= start for start, stop in pairwise(edges)):
        raise SourceRefused("unsupported", "its keyframes are not in the order of their times.")
    return [
        BundleRef(sha256=sha256, size_bytes=size_bytes, start_frame=start, stop_frame=stop)
        for (sha256, size_bytes, _), (start, stop) in zip(
            timeline.written, pairwise(edges), strict=True
        )
    ]


def _last_duration(timeline: _Timeline, pts: list[int], video: VideoInfo, synthetic: bool) -> int:
    if synthetic:
        return 1
    declared = timeline.last[1] if timeline.last[0] == pts[-1] else 0
    if declared > 0:
        return declared
    if len(pts) > 1:
        return pts[-1] - pts[-2]
    return max(1, math.floor(1 / (video.frame_rate * video.time_base)))
