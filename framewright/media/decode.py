"""Decode exactly the frames of a unit from its packet bundles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

import av
import av.error
from av.codec.codec import UnknownCodecError
from av.codec.context import CodecContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from framewright.errors import ManifestError, SourceRefused
from framewright.media.bundle import BundleReader, PacketRecord, StreamHeader

__all__ = ["BundleSource", "MissingFrames", "decode_frames"]

BundleSource = Callable[[], AbstractContextManager[BinaryIO]]
"""Opens a stored bundle for reading."""


class MissingFrames(Exception):
    """The decoder did not give the frames that were asked for; an earlier start may.

    Attributes:
        pts: first time stamp that was not met.
        delivered: frames that had been yielded before.
    """

    def __init__(self, pts: int, delivered: int) -> None:
        super().__init__(f"no frame with pts {pts}")
        self.pts = pts
        self.delivered = delivered


def decode_frames(
    bundles: Sequence[BundleSource], wanted: Sequence[int], *, synthetic_pts: bool = False
) -> Iterator[VideoFrame]:
    """Yield the frames whose time stamps are ``wanted``, in that order.

    Args:
        bundles: consecutive bundles; decoding starts with the first packet of the first.
        wanted: increasing time stamps in the source's time base.
        synthetic_pts: the source has no time stamps, frames are counted instead.

    Raises:
        MissingFrames: a wanted frame was not there when its turn came.
        SourceRefused: the decoder reports that the data is damaged.
    """
    pending = iter(wanted)
    expected = next(pending, None)
    if expected is None:
        return
    delivered = 0
    for number, frame in enumerate(_decode(bundles)):
        pts = number if synthetic_pts else frame.pts
        if pts is None or pts < expected:
            continue
        if pts > expected:
            raise MissingFrames(expected, delivered)
        if frame.is_corrupt:
            raise SourceRefused(
                "damaged",
                f"the frame with time stamp {pts} is damaged; repair or re-export the file.",
            )
        yield frame
        delivered += 1
        expected = next(pending, None)
        if expected is None:
            return
    raise MissingFrames(expected, delivered)


def _decode(bundles: Sequence[BundleSource]) -> Iterator[VideoFrame]:
    context: VideoCodecContext | None = None
    last = len(bundles) - 1
    for position, source in enumerate(bundles):
        with source() as stream:
            reader = BundleReader(stream, f"bundle {position}")
            if context is None:
                context = _decoder(reader.header)
            for record in reader:
                if record.tail and position != last:
                    continue
                yield from _feed(context, record)
    if context is not None:
        yield from _flush(context)


def _decoder(header: StreamHeader) -> VideoCodecContext:
    try:
        context = CodecContext.create(header.codec, "r")
    except UnknownCodecError as error:
        raise ManifestError(f"{header.codec!r} is not a video decoder of this PyAV.") from error
    if not isinstance(context, VideoCodecContext):
        raise ManifestError(f"{header.codec!r} is not a video decoder of this PyAV.")
    if header.extradata:
        context.extradata = header.extradata
    context.codec_tag = header.codec_tag
    context.width, context.height = header.width, header.height
    if header.pixel_format:
        context.pix_fmt = header.pixel_format
    context.thread_type = "NONE"
    return context


def _feed(context: VideoCodecContext, record: PacketRecord) -> Iterator[VideoFrame]:
    # Not av.Packet(payload): that wraps the bytes without the zero padding decoders read into.
    packet = Packet(len(record.payload))
    packet.update(record.payload)
    packet.pts, packet.dts = record.pts, record.dts
    packet.is_keyframe = record.key
    try:
        yield from context.decode(packet)
    except av.error.FFmpegError as error:
        raise SourceRefused(
            "damaged",
            f"the packet with time stamp {record.pts} cannot be decoded ({error}); repair or "
            "re-export the file.",
        ) from error


def _flush(context: VideoCodecContext) -> Iterator[VideoFrame]:
    try:
        yield from context.decode(None)
    except av.error.EOFError:
        return
