"""Split a source into packet bundles and learn every frame's time stamp, in one demux pass.

Nothing is decoded but the first frames, which prove that packets and pictures agree; where they do
not, everything is decoded once to learn the times (see ``framewright.media.times``). Bundles begin
at keyframes. With open GOPs, the leading pictures that follow a keyframe in decoding order
but are shown before it belong to the bundle before; so each bundle ends with a copy of the packets
that those pictures need (marked as its tail).
"""

from __future__ import annotations

import base64
import math
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from framewright.errors import SourceRefused
from framewright.media.bundle import MAX_SAMPLE_BITS, PacketRecord, StreamHeader
from framewright.media.containers import MOST_STEP_TICKS
from framewright.media.cutter import CutBundle, Cutter
from framewright.media.messages import begun_streams
from framewright.media.probe import probe_container
from framewright.media.source import open_source, packets_of
from framewright.media.structure import structural_defect
from framewright.media.times import FrameTimes, frame_times
from framewright.media.units import frames_per_unit
from framewright.media.whole import Missing, missing_end
from framewright.settings import Settings
from framewright.types import BundleRef, Progress, ProgressCallback, VideoInfo

__all__ = ["SplitVideo", "split_video"]

_MIN_BUNDLE_FRAMES = 24
_BEFORE_A_JOINT = 2
"""By so many packets the mark may lie before the clock that starts anew."""


@dataclass(frozen=True, slots=True)
class SplitVideo:
    """Result of ``split_video``."""

    video: VideoInfo
    pts: list[int]
    last_duration_ticks: int
    counted: bool
    """Frames are found by counting, not by their time stamps; there is one bundle then."""
    bundles: list[BundleRef]
    paths: list[Path]
    """The bundle files, in the order of ``bundles``."""


@dataclass(slots=True)
class _Timeline:
    """What one demux pass saw."""

    pts: list[int | None] = field(default_factory=list)
    last: tuple[int, int] = (-(1 << 63), 0)
    """Largest time stamp so far, and the duration that its packet declares."""
    packets: int = 0
    bundles: tuple[CutBundle, ...] = ()
    begun_streams: int = 0
    """Streams that began within the file."""


def split_video(
    path: Path,
    folder: Path,
    unit_seconds: float,
    settings: Settings,
    progress: ProgressCallback | None = None,
    *,
    tolerant: bool = False,
) -> SplitVideo:
    """Write the bundles of a video into ``folder``.

    Args:
        path: the source.
        folder: an existing folder for the bundle files.
        unit_seconds: target length of a unit, which sets the least length of a bundle.
        settings: limits.
        progress: told about frames read.
        tolerant: pass over damage, and over an end that is missing, which a warning then names.

    Raises:
        SourceRefused: the source is not readable, has no frames, ends too early, or is beyond a
            limit.
    """
    with open_source(path, settings) as container:
        video, first_pts = probe_container(container, path, settings)
        bundle_frames = max(_MIN_BUNDLE_FRAMES, frames_per_unit(video.frame_rate, unit_seconds))
    with open_source(path, settings) as container:
        stream = container.streams.video[_video_position(container, video.stream_index)]
        _check_duration(_declared_microseconds(stream), settings)
        timeline = _demux(container, stream, folder, bundle_frames, settings, progress)

        def tell(done: int = len(timeline.pts)) -> None:
            _tell(progress, done, len(timeline.pts))

        missing = _check_whole(
            container, stream, timeline, tell, lambda: _stored(path, video, settings, tell)
        ) or _broken(path, video, tell)
        if missing is not None and not tolerant:
            raise _refusal(missing)
        times = frame_times(
            video,
            timeline.pts,
            [cut.path for cut in timeline.bundles],
            first_pts=first_pts,
            reordered=stream.codec_context.has_b_frames,
            tolerant=tolerant,
            on_frame=tell,
        )
    if times.counted:
        timeline = _one_bundle(path, video, folder, settings, progress)
    bundles = _bundle_refs(timeline, times)
    _tell(progress, len(times.pts), len(times.pts))
    return SplitVideo(
        video=_described(video, timeline, times, missing),
        pts=times.pts,
        last_duration_ticks=_last_duration(timeline, times, video, missing),
        counted=times.counted,
        bundles=bundles,
        paths=[cut.path for cut in timeline.bundles],
    )


def _tell(progress: ProgressCallback | None, done: int, total: int) -> None:
    if progress:
        progress(Progress("split", done, total))


def _described(
    video: VideoInfo, timeline: _Timeline, times: FrameTimes, missing: Missing | None
) -> VideoInfo:
    """Add to the probe's words what reading to the end has shown."""
    warnings = list(video.warnings)
    if timeline.begun_streams:
        warnings.append(
            f"streams that begin within the file: {timeline.begun_streams}, which are not kept; "
            "only those that are there at its start are."
        )
    if times.repaired:
        warnings.append(
            f"{times.repaired} of {len(times.pts)} time stamps are missing, repeated or run "
            "backwards: these were placed between their neighbours."
        )
    if times.left_out:
        warnings.append(
            f"the recording begins between keyframes: its first {times.left_out} pictures cannot "
            "be decoded and are left out."
        )
    if missing:
        held = "the last frame is held until then" if missing.end else "it ends there"
        what = ("damaged", "frames may be missing there") if missing.inside else ("cut off", held)
        warnings.append(f"{what[0]}: the source {missing.words}; {what[1]}.")
    base = 1 / video.frame_rate if times.numbered else video.time_base
    return video.model_copy(update={"time_base": base, "warnings": tuple(warnings)})


def _one_bundle(
    path: Path,
    video: VideoInfo,
    folder: Path,
    settings: Settings,
    progress: ProgressCallback | None,
) -> _Timeline:
    """Split without any cut: frames that are counted are counted from the first."""
    for old in folder.glob("*.pkts"):
        old.unlink()
    with open_source(path, settings) as container:
        stream = container.streams.video[_video_position(container, video.stream_index)]
        return _demux(container, stream, folder, settings.max_frames, settings, progress)


def _video_position(container: InputContainer, index: int) -> int:
    return [stream.index for stream in container.streams.video].index(index)


def _header(stream: VideoStream) -> StreamHeader:
    context = stream.codec_context
    bits = context.bits_per_coded_sample
    return StreamHeader(
        codec=context.name,
        codec_tag=context.codec_tag,
        width=context.width,
        height=context.height,
        pixel_format=context.pix_fmt or "",
        extradata_base64=base64.b64encode(context.extradata or b"").decode(),
        bits_per_coded_sample=bits if 0 <= bits <= MAX_SAMPLE_BITS else 0,
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
    cutter = Cutter(folder, _header(stream), bundle_frames)
    has_palettes = stream.codec_context.pix_fmt == "pal8"
    try:
        for packet, incomplete in _judged(_packets(container, stream, timeline)):
            timeline.packets += 1
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
                    corrupt=incomplete,
                    palette=bytes(packet.get_sidedata("palette")) if has_palettes else b"",
                )
            )
            _check_length(timeline, cutter.bundles, stream, settings)
            _tell(progress, len(timeline.pts), stream.frames)
        timeline.bundles = cutter.close()
        timeline.begun_streams = begun_streams(container)
    except BaseException:
        cutter.abort()
        raise
    return timeline


def _declared_microseconds(stream: VideoStream) -> int:
    """What the container says of the video alone: others may claim anything."""
    return math.floor((stream.duration or 0) * (stream.time_base or 0) * av.time_base)


def _check_duration(microseconds: int, settings: Settings) -> None:
    """Refuse by what the container declares before anything is read, or by what was read."""
    seconds = microseconds / av.time_base
    if seconds > settings.max_duration_seconds:
        raise SourceRefused(
            "too_large",
            f"it lasts {seconds:.0f} s; at most {settings.max_duration_seconds:.0f} s are accepted "
            "(FRAMEWRIGHT_MAX_DURATION_SECONDS).",
        )


def _check_length(
    timeline: _Timeline, bundles: int, stream: VideoStream, settings: Settings
) -> None:
    """Refuse by what was read so far."""
    for found, most, what in (
        (len(timeline.pts), settings.max_frames, "frames"),
        (bundles, settings.max_bundles, "bundles"),
    ):
        if found > most:
            raise SourceRefused(
                "too_large",
                f"it has more than {most} {what} (FRAMEWRIGHT_MAX_{what.upper()}); cut it into "
                "shorter files.",
            )
    first = timeline.pts[0] if timeline.pts else None
    if first is not None and stream.time_base:
        span = (timeline.last[0] - first) * stream.time_base
        _check_duration(math.floor(span * av.time_base), settings)


def _packets(
    container: InputContainer, stream: VideoStream, timeline: _Timeline | None = None
) -> Iterator[Packet[Any]]:
    """Yield packets that hold something; ``timeline`` counts those that hold nothing."""
    try:
        for packet in packets_of(container, stream):
            if packet.size:
                yield packet
            elif timeline is not None and packet.dts is not None:
                timeline.packets += 1
    except av.error.MemoryError:
        raise
    except av.error.FFmpegError as error:
        raise SourceRefused("damaged", f"the file cannot be read to its end: {error}.") from error


def _judged(packets: Iterator[Packet[Any]]) -> Iterator[tuple[Packet[Any], bool]]:
    """Yield packets, and whether a part of each is missing, by what the container says.

    Where two transport streams are joined, their counters do not meet, and FFmpeg marks one of the
    last packets before the joint as corrupt, which is whole: there the clock starts anew.
    """
    waiting: deque[Packet[Any]] = deque()
    for packet in packets:
        waiting.append(packet)
        if len(waiting) > _BEFORE_A_JOINT:
            yield waiting[0], _is_incomplete(waiting)
            waiting.popleft()
    while waiting:
        yield waiting[0], _is_incomplete(waiting)
        waiting.popleft()


def _is_incomplete(packets: deque[Packet[Any]]) -> bool:
    stamps = [packet.dts for packet in packets if packet.dts is not None]
    return packets[0].is_corrupt and all(a <= b for a, b in pairwise(stamps))


def _check_whole(
    container: InputContainer,
    stream: VideoStream,
    timeline: _Timeline,
    tell: Callable[[], None],
    stored: Callable[[], int],
) -> Missing | None:
    """Refuse a file without frames, and say what is missing of one that was cut off."""
    if not timeline.pts:
        raise SourceRefused("no_frames", "it has no frames; export it again.")
    known = None not in timeline.pts
    end_seconds = float(sum(timeline.last) * (stream.time_base or 0)) if known else None
    return missing_end(container, stream, timeline.packets, end_seconds, tell, stored)


def _broken(path: Path, video: VideoInfo, tell: Callable[[], None]) -> Missing | None:
    """Say what is wrong with the container itself: FFmpeg reads past a hole without a word."""
    defect = structural_defect(path, video.container, tell)
    return None if defect is None else Missing(defect.words, None, inside=not defect.cut)


def _refusal(missing: Missing) -> SourceRefused:
    how = "it was cut off while it was copied or recorded"
    if missing.inside:
        how = "a stretch of it was lost or overwritten"
    return SourceRefused(
        "damaged" if missing.inside else "truncated",
        f"it {missing.words}: {how}; get the whole file, or score what is there with on-damage "
        "hold.",
    )


def _stored(path: Path, video: VideoInfo, settings: Settings, tell: Callable[[], None]) -> int:
    """Count all packets of the video, also those that an edit list leaves out."""
    with open_source(path, settings, edits=False) as container:
        stream = container.streams.video[_video_position(container, video.stream_index)]
        stored = 0
        for _ in _packets(container, stream):
            stored += 1
            tell()
        return stored


def _bundle_refs(timeline: _Timeline, times: FrameTimes) -> list[BundleRef]:
    pts = times.pts
    later = () if times.counted else (bisect_left(pts, cut.key_pts) for cut in timeline.bundles[1:])
    edges = [0, *later, len(pts)]
    if any(stop <= start for start, stop in pairwise(edges)):
        raise SourceRefused("unsupported", "its keyframes are not in the order of their times.")
    return [
        BundleRef(sha256=cut.sha256, size_bytes=cut.size_bytes, start_frame=start, stop_frame=stop)
        for cut, (start, stop) in zip(timeline.bundles, pairwise(edges), strict=True)
    ]


def _last_duration(
    timeline: _Timeline, times: FrameTimes, video: VideoInfo, missing: Missing | None
) -> int:
    """Ticks for which the last frame is shown."""
    if times.numbered:
        return 1
    pts = times.pts
    if (
        missing
        and missing.end
        and (rest := math.floor(missing.end / video.time_base) - pts[-1]) > 0
    ):
        return rest
    declared = timeline.last[1] if timeline.last[0] == pts[-1] else 0
    if 0 < declared <= MOST_STEP_TICKS:
        return declared
    if len(pts) > 1:
        return pts[-1] - pts[-2]
    return max(1, math.floor(1 / (video.frame_rate * video.time_base)))
