"""Decode exactly the frames of a unit from its packet bundles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import av
import av.error
from av.codec.codec import UnknownCodecError
from av.codec.context import CodecContext
from av.packet import Packet, PacketSideData, packet_sidedata_type_from_literal
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from framewright.errors import ManifestError, SourceRefused
from framewright.media.bundle import BundleReader, PacketRecord, StreamHeader

__all__ = [
    "BundleSource",
    "MissingFrames",
    "OnDamage",
    "bundle_file",
    "decode_frames",
    "first_decoded",
    "shown_frames",
]

BundleSource = Callable[[], AbstractContextManager[BinaryIO]]
"""Opens a stored bundle for reading."""


OnDamage = Callable[[PacketRecord], None]
"""Told of each packet that cannot be decoded; decoding goes on behind it."""

_ERROR_DETECTION = {"mjpeg": "explode"}
"""By default this decoder fills what it cannot read with grey, and does not mark the frame."""

_FIRST_PACKETS = (1, 2, 1024)
"""Packets after which a decoder is asked for its first picture: nearly always one is enough."""


class _Hidden:
    """Goes through the decoder with a packet that is never shown, to its frame; one for each."""


class MissingFrames(Exception):
    """The decoder did not give the frames that were asked for; an earlier start may.

    Attributes:
        pts: first time stamp, or frame number where frames are counted, that was not met.
        delivered: frames that had been yielded before.
    """

    def __init__(self, pts: int, delivered: int) -> None:
        super().__init__(f"no frame with pts {pts}")
        self.pts = pts
        self.delivered = delivered


def bundle_file(path: Path) -> BundleSource:
    """Return what opens a bundle that is a local file."""
    return lambda: path.open("rb")


def decode_frames(
    bundles: Sequence[BundleSource],
    wanted: Sequence[int],
    *,
    counted: bool = False,
    tolerant: bool = False,
    strict: bool = False,
    on_skipped: Callable[[], None] = lambda: None,
) -> Iterator[VideoFrame]:
    """Yield the frames whose time stamps are ``wanted``, in that order.

    Args:
        bundles: consecutive bundles; decoding starts with the first packet of the first.
        wanted: increasing time stamps in the source's time base, or frame numbers.
        counted: ``wanted`` are frame numbers, counted from the first bundle's first frame.
        tolerant: only damage to the wanted frames matters, not to others.
        strict: so do errors that the decoder would conceal, unless in what is shown earlier.
        on_skipped: called for each frame that is decoded only because others need it.

    Raises:
        MissingFrames: a wanted frame was not there when its turn came.
        SourceRefused: the decoder reports that the data is damaged.
    """
    pending = iter(wanted)
    expected = next(pending, None)
    if expected is None:
        return
    delivered = 0
    on_damage: OnDamage | None = (lambda packet: None) if tolerant else None
    if strict and not counted:
        on_damage = _refuser(expected)
    known = frozenset(wanted) if tolerant else frozenset()
    for number, frame in enumerate(shown_frames(bundles, on_damage, strict)):
        pts = number if counted else frame.pts
        if pts is None or pts < expected:
            on_skipped()
            continue
        if tolerant and pts not in known:
            continue  # a damaged frame may come out anywhere
        if pts > expected:
            raise MissingFrames(expected, delivered)
        if frame.is_corrupt:
            raise SourceRefused(
                "damaged",
                f"the frame with time stamp {frame.pts} is damaged; repair or re-export the file.",
            )
        yield frame
        delivered += 1
        expected = next(pending, None)
        if expected is None:
            return
    raise MissingFrames(expected, delivered)


def shown_frames(
    bundles: Sequence[BundleSource], on_damage: OnDamage | None = None, strict: bool = False
) -> Iterator[VideoFrame]:
    """Yield all frames of consecutive bundles in order of presentation, without those never shown.

    Args:
        bundles: consecutive bundles.
        on_damage: told of each packet that the decoder refuses; None to stop at the first.
        strict: let it refuse what it would conceal.

    Raises:
        SourceRefused: the decoder refuses a packet, and ``on_damage`` is None.
        ManifestError: a bundle is not whole, or names no decoder.
    """
    for frame in _decode(bundles, on_damage, strict):
        if not isinstance(frame.opaque, _Hidden):
            yield frame


def first_decoded(bundle: BundleSource) -> VideoFrame | None:
    """Decode the first picture in order of storage, from hardly more packets than it needs.

    Returns:
        The picture, which need not be the first that is shown; None where there is none.

    Raises:
        SourceRefused: the decoder reports that the data is damaged.
        ManifestError: the bundle is not whole, or names no decoder.
    """
    for packets in _FIRST_PACKETS:  # then the decoder need not wait for what is shown earlier
        with bundle() as stream:
            reader = BundleReader(stream, "bundle 0")
            context = _decoder(reader.header)
            for record in islice(reader, packets):
                for frame in _feed(context, record, None):
                    return frame
            for frame in _flush(context, None):
                return frame
    return None


def _refuser(first: int) -> OnDamage:
    """Refuse packets from the first wanted time stamp on; what is shown before leads up to it."""

    def refuse(packet: PacketRecord) -> None:
        if packet.pts is None or packet.pts >= first:
            raise SourceRefused("damaged", f"the packet with time stamp {packet.pts} is damaged.")

    return refuse


def _decode(
    bundles: Sequence[BundleSource], on_damage: OnDamage | None, strict: bool
) -> Iterator[VideoFrame]:
    context: VideoCodecContext | None = None
    last = len(bundles) - 1
    for position, source in enumerate(bundles):
        with source() as stream:
            reader = BundleReader(stream, f"bundle {position}")
            if context is None:
                context = _decoder(reader.header, strict)
            for record in reader:
                if record.tail and position != last:
                    continue
                if strict and record.corrupt and not record.discard:
                    _report_incomplete(record, on_damage)
                yield from _feed(context, record, on_damage)
    if context is not None:
        yield from _flush(context, on_damage)


def _report_incomplete(record: PacketRecord, on_damage: OnDamage | None) -> None:
    """Tell what the decoder may not notice: that the container misses a part of a packet."""
    if on_damage is None:
        raise SourceRefused(
            "damaged",
            f"the packet with time stamp {record.pts} is incomplete, its container says; repair or "
            "re-export the file.",
        )
    on_damage(record)


def _decoder(header: StreamHeader, strict: bool = False) -> VideoCodecContext:
    try:
        context = CodecContext.create(header.codec, "r")
    except UnknownCodecError as error:
        raise ManifestError(f"{header.codec!r} is not a video decoder of this PyAV.") from error
    if not isinstance(context, VideoCodecContext):
        raise ManifestError(f"{header.codec!r} is not a video decoder of this PyAV.")
    try:
        if header.extradata:
            context.extradata = header.extradata
        context.codec_tag = header.codec_tag
        context.width, context.height = header.width, header.height
        if header.pixel_format:
            context.pix_fmt = header.pixel_format
    except (ValueError, OverflowError) as error:
        raise ManifestError(f"no {header.codec} stream is like that: {error}.") from error
    context.bits_per_coded_sample = header.bits_per_coded_sample
    context.thread_type = "NONE"
    context.copy_opaque = True
    if detection := "explode" if strict else _ERROR_DETECTION.get(header.codec):
        context.options = {"err_detect": detection}
    return context


def _feed(
    context: VideoCodecContext, record: PacketRecord, on_damage: OnDamage | None
) -> Iterator[VideoFrame]:
    # Not av.Packet(payload): that wraps the bytes without the zero padding decoders read into.
    packet = Packet(len(record.payload))
    packet.update(record.payload)
    packet.pts, packet.dts = record.pts, record.dts
    packet.is_keyframe = record.key
    if record.discard:
        packet.opaque = _Hidden()
    if record.palette:
        kind = packet_sidedata_type_from_literal("palette")
        palette = PacketSideData(kind, len(record.palette))  # type: ignore[call-arg]
        palette.update(record.palette)
        packet.set_sidedata(palette)
    try:
        yield from context.decode(packet)
    except av.error.MemoryError:
        raise
    except av.error.FFmpegError as error:
        if on_damage is not None:
            on_damage(record)
            return
        raise SourceRefused(
            "damaged",
            f"the packet with time stamp {record.pts} cannot be decoded ({error}); repair or "
            "re-export the file.",
        ) from error


def _flush(context: VideoCodecContext, on_damage: OnDamage | None) -> Iterator[VideoFrame]:
    try:
        yield from context.decode(None)
    except av.error.EOFError:
        return
    except av.error.MemoryError:
        raise
    except av.error.FFmpegError as error:
        if on_damage is None:
            raise SourceRefused(
                "damaged", f"the last frames cannot be decoded ({error}); re-export the file."
            ) from error
