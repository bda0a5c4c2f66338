"""Small pictures from the same moments of two videos."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
from av.video.frame import VideoFrame
from PIL import Image

from framewright.media.probe import select_video_stream
from framewright.media.source import open_media

__all__ = ["thumbnails"]

_WIDTH_PX = 280
_JPEG_QUALITY = 65


def thumbnails(source: Path, output: Path, count: int = 3) -> list[tuple[bytes, bytes]]:
    """Return ``count`` pairs of JPEG files, before and after, evenly spaced over the videos.

    Of each file the stream is shown that is scored, or that would be.
    """
    shares = [Fraction(2 * i + 1, 2 * count) for i in range(count)]
    pairs = zip(_pictures(source, shares), _pictures(output, shares), strict=True)
    return list(pairs)


def _pictures(path: Path, shares: list[Fraction]) -> list[bytes]:
    with open_media(path) as container:
        stream = select_video_stream(container, path)
        base = stream.time_base or Fraction(1, 90000)
        ticks = stream.duration or round(Fraction(container.duration or 0, av.time_base) / base)
        start = stream.start_time or 0
        return [_picture_at(container, stream, start + round(ticks * share)) for share in shares]


def _picture_at(container: av.container.InputContainer, stream: av.VideoStream, tick: int) -> bytes:
    try:
        container.seek(tick, stream=stream)
    except av.error.FFmpegError:
        container.seek(0)
    found = _decoded(container, stream, tick)
    if found is None:  # some containers cannot seek backwards, and land behind the last frame
        container.seek(stream.start_time or 0, stream=stream, any_frame=True)
        found = _decoded(container, stream, tick)
    return _jpeg(found)


def _decoded(
    container: av.container.InputContainer, stream: av.VideoStream, tick: int
) -> VideoFrame | None:
    """Return the first frame at ``tick`` or later, else the last before it; damage is skipped."""
    found: VideoFrame | None = None
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue
        for frame in frames:
            if isinstance(frame, VideoFrame):
                found = frame
                if frame.pts is None or frame.pts >= tick:
                    return found
    return found


def _jpeg(frame: VideoFrame | None) -> bytes:
    if frame is None:
        return b""
    image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    image = image.rotate(frame.rotation, expand=True)
    image.thumbnail((_WIDTH_PX, _WIDTH_PX))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_JPEG_QUALITY)
    return out.getvalue()
