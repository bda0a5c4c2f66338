"""What is fed with bytes: each reader of stored data, and all that it promises of them.

A target returns or raises what its reader documents; anything else is a finding.
"""

from __future__ import annotations

import base64
import contextlib
import io
import tempfile
from collections.abc import Callable
from functools import lru_cache, partial
from itertools import islice, pairwise
from pathlib import Path

from pydantic import ValidationError

from framewright.errors import ManifestError, SourceRefused
from framewright.media.bundle import BundleReader, BundleWriter, PacketRecord, StreamHeader
from framewright.media.decode import MissingFrames, decode_frames, shown_frames
from framewright.media.split import split_video
from framewright.plan import _parse
from framewright.results import ScoredUnit
from framewright.settings import Settings
from framewright.types import (
    BundleRef,
    ColorSpec,
    EncoderSpec,
    Manifest,
    ScorerIdentity,
    SourceInfo,
    TickRuns,
    Unit,
    VideoInfo,
)
from tests.torture.tool import ffmpeg

__all__ = ["TARGETS", "corpus"]

_FEW = 64
"""Frames that are looked at where there may be many."""


class Broken(Exception):
    """A promise that was not kept."""


def _promise(kept: bool, words: str) -> None:
    if not kept:
        raise Broken(words)


def bundle(data: bytes) -> None:
    """Read a bundle: it comes back from what was read, byte for byte, or is refused."""
    with contextlib.suppress(ManifestError):
        reader = BundleReader(io.BytesIO(data), "fuzz")
        packets = list(reader)
        with tempfile.TemporaryDirectory() as folder:
            writer = BundleWriter(Path(folder) / "again.pkts", reader.header)
            for packet in packets:
                writer.add(packet)
            writer.close()
            again = BundleReader(io.BytesIO(writer.path.read_bytes()), "again")
            _promise(again.header == reader.header, "header changes")
            _promise(list(again) == packets, "packets change")


def decode(data: bytes) -> None:
    """Decode a bundle: at most what it holds comes out, and damage is an error of ours."""
    source = partial(io.BytesIO, data)
    with contextlib.suppress(ManifestError, SourceRefused, MissingFrames):
        wanted = [frame.pts for frame in islice(shown_frames([source]), _FEW)]
        numbers = list(range(len(wanted)))
        found = [frame.pts for frame in decode_frames([source], numbers, counted=True)]
        _promise(found == wanted, f"{wanted} become {found}")


def manifest(data: bytes) -> None:
    """Read a manifest: it agrees with itself, and can be used, or is refused."""
    with contextlib.suppress(ManifestError):
        read = _parse(data, "fuzz")
        frames = read.frames
        _promise(_parse(read.model_dump_json().encode(), "again") == read, "it changes")
        for parts in (read.units, read.bundles):
            _promise(bool(parts), "nothing in it")
        _promise([read.units[0].start, read.bundles[0].start_frame] == [0, 0], "no beginning")
        _promise(read.bundles[-1].stop_frame == frames, "no end")
        _promise(all(a.stop == b.start for a, b in pairwise(read.units)), "units have gaps")
        _promise(read.pts.count == frames, "not as many times as frames")
        if frames <= 1 << 16:
            ticks = read.pts.unpack()
            _promise(len(ticks) == frames, "not as many times as frames")
            _promise(all(a < b for a, b in pairwise(ticks)), "times do not increase")
            shown = read.pictures(0, frames)
            _promise(all(a <= b for a, b in pairwise(shown)), "pictures run backwards")
            _promise(shown[0] >= 0 and shown[-1] < frames, "pictures of no frame")
            held = {n for start, stop in read.held for n in range(start, stop)}
            _promise(not held & set(shown), "a held frame is shown")
            float(ticks[-1] * read.video.time_base)


def record(data: bytes) -> None:
    """Read the record of a scored unit: it agrees with itself, or is none."""
    with contextlib.suppress(ValidationError):
        read = ScoredUnit.model_validate_json(data)
        _promise(read.stop - read.start == read.frames > read.reorder_frames >= 0, "not a range")
        _promise(ScoredUnit.model_validate_json(read.model_dump_json()) == read, "it changes")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "bundle": bundle,
    "decode": decode,
    "manifest": manifest,
    "record": record,
}


def _written(packets: list[PacketRecord], **changes: object) -> bytes:
    header = StreamHeader(
        codec="h264",
        codec_tag="avc1",
        width=128,
        height=96,
        pixel_format="yuv420p",
        extradata_base64=base64.b64encode(b"\x01\x64\x00").decode(),
    ).model_copy(update=changes)
    with tempfile.TemporaryDirectory() as folder:
        writer = BundleWriter(Path(folder) / "one.pkts", header)
        for packet in packets:
            writer.add(packet)
        writer.close()
        return writer.path.read_bytes()


def _bundles() -> list[bytes]:
    packets = [
        PacketRecord(b"key frame", 0, -2, True, False),
        PacketRecord(b"", 3, -1, False, True),
        PacketRecord(b"\xff" * 40, None, None, False, False),
        PacketRecord(b"tail", -5, 9, True, False, tail=True),
        PacketRecord(b"colours", 7, 7, True, False, palette=bytes(1024)),
    ]
    return [_written([]), _written(packets[:1]), _written(packets)]


_TINY = {
    "h264.mp4": ("-c:v", "libx264", "-x264-params", "keyint=3:bframes=1:threads=1"),
    "mjpeg.avi": ("-c:v", "mjpeg", "-pix_fmt", "yuvj420p"),
    "mpeg4.avi": (
        "-c:v",
        "mpeg4",
    ),
    "mpeg2.ts": (
        "-c:v",
        "mpeg2video",
    ),
    "gif.gif": (),
    "vp9.webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime"),
}


def _real_bundles() -> list[bytes]:
    found = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, options in _TINY.items():
            path = folder / file
            source = ("-f", "lavfi", "-i", "testsrc2=size=32x32:rate=25:duration=0.2")
            ffmpeg(*source, "-pix_fmt", "yuv420p", *options, path)
            parts = split_video(path, folder, 1.0, Settings())
            found += [part.read_bytes() for part in parts.paths]
    return found


def _manifests() -> list[bytes]:
    color = ColorSpec(
        primaries=1, transfer=1, matrix=1, matrix_used="ITU709", full_range=False, range_tag=1
    )
    video = VideoInfo(
        container="mov,mp4,m4a,3gp,3g2,mj2",
        container_suffix=".mp4",
        stream_index=0,
        codec="h264",
        width=128,
        height=96,
        pixel_format="yuv420p",
        time_base="1/30000",  # type: ignore[arg-type]
        frame_rate="30000/1001",  # type: ignore[arg-type]
        sample_aspect_ratio="0",  # type: ignore[arg-type]
        rotation=0,
        field_order="progressive",
        color=color,
    )
    whole = Manifest(
        job_key="a" * 64,
        source=SourceInfo(name="x.mp4", size_bytes=7, sha256="b" * 64),
        video=video,
        pts=TickRuns.pack([0, 1001, 2002, 3003]),
        last_duration_ticks=1001,
        bundles=(BundleRef(sha256="c" * 64, size_bytes=5, start_frame=0, stop_frame=4),),
        units=(Unit(index=0, start=0, stop=3), Unit(index=1, start=3, stop=4)),
        scorer=ScorerIdentity(name="identity", version="1", params={"style": "wave"}),
        encoder=EncoderSpec(codec="libx264", pixel_format="yuv420p", options={"crf": "18"}),
    )
    held = whole.model_copy(update={"held": ((0, 1), (2, 4))})
    counted = whole.model_copy(update={"counted": True, "pts": TickRuns(first=-5, runs=((2, 3),))})
    return [one.model_dump_json().encode() for one in (whole, held, counted)]


def _records() -> list[bytes]:
    whole = ScoredUnit(
        job_key="a" * 64,
        index=1,
        start=3,
        stop=8,
        frames=5,
        width=128,
        height=96,
        reorder_frames=2,
        result_sha256="d" * 64,
        size_bytes=1000,
        started_at=1.5e9,
        seconds=1.25,
        model_seconds=1.0,
        batch_frames=1,
        device="cpu",
    )
    return [whole.model_dump_json().encode()]


@lru_cache(maxsize=4)
def corpus(target: str) -> tuple[bytes, ...]:
    """Return good inputs of a target, to begin with."""
    makers = {
        "bundle": _bundles,
        "decode": _real_bundles,
        "manifest": _manifests,
        "record": _records,
    }
    return tuple(makers[target]())
