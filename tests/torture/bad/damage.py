"""Damage in the middle, and pictures that change their size."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

from tests.torture.bad.bad import bad, faststart, noise
from tests.torture.tool import encode, ffmpeg, x264, x265


@bad("size_change", "size_change.ts", "damaged", "unsupported")
def _size_change(out: Path) -> None:
    parts = []
    for number, size in enumerate(((128, 96), (160, 120))):
        part = out.with_name(f"part{number}.ts")
        timing = ("-output_ts_offset", str(2 * number), "-muxdelay", "0", "-muxpreload", "0")
        encode(part, *x264(), *timing, count=50, size=size)
        parts.append(part.read_bytes())
    out.write_bytes(b"".join(parts))


@bad("corrupt_mp4", "corrupt.mp4", "damaged")
def _corrupt(out: Path) -> None:
    data = faststart(out)
    media = data.index(b"mdat")
    out.write_bytes(noise(data, (media + len(data)) // 2, (len(data) - media) // 12))


@bad("corrupt_ts", "corrupt.ts", "damaged")
def _corrupt_ts(out: Path) -> None:
    whole = out.with_name("whole.ts")
    encode(whole, *x264(), count=75)
    data = whole.read_bytes()
    start = len(data) // 188 // 2 * 188
    # Payloads only: the packets keep their headers, the pictures in them do not.
    broken = b""
    for at in range(start, start + 188 * 20, 188):
        broken += noise(data[at : at + 188], 60, 100)
    out.write_bytes(data[:start] + broken + data[start + len(broken) :])


@bad("wrong_offsets", "wrong_offsets.mp4", "damaged", "truncated", "unreadable")
def _wrong_offsets(out: Path) -> None:
    """Sample positions that lie behind the end of the file."""
    data = bytearray(faststart(out))
    at = data.index(b"stco") + 8
    for number in range(struct.unpack_from(">I", data, at)[0]):
        place = at + 4 + 4 * number
        value = struct.unpack_from(">I", data, place)[0]
        struct.pack_into(">I", data, place, value + 10_000_000)
    out.write_bytes(data)


def _two_sizes(out: Path, *options: str) -> None:
    """One elementary stream whose parameter sets change on the way."""
    parts = []
    for number, size in enumerate(((128, 96), (160, 120))):
        part = out.with_name(f"part{number}.h264")
        encode(part, *x264("repeat-headers=1:bframes=0"), "-f", "h264", count=40, size=size)
        parts.append(part.read_bytes())
    whole = out.with_name("whole.h264")
    whole.write_bytes(b"".join(parts))
    ffmpeg("-f", "h264", "-framerate", "25", "-i", whole, "-c", "copy", *options, f"file:{out}")


@bad("size_change_mp4", "size_change.mp4", "damaged", "unsupported")
def _size_change_mp4(out: Path) -> None:
    _two_sizes(out, "-tag:v", "avc3")


@bad("size_change_mkv", "size_change.mkv", "damaged", "unsupported")
def _size_change_mkv(out: Path) -> None:
    _two_sizes(out)


@bad("size_change_raw", "size_change.h264", "damaged", "unsupported")
def _size_change_raw(out: Path) -> None:
    _two_sizes(out, "-f", "h264")


@bad("size_change_webm", "size_change.webm", "damaged", "unsupported")
def _size_change_webm(out: Path) -> None:
    parts = []
    for number, size in enumerate(((128, 96), (160, 120))):
        part = out.with_name(f"part{number}.ivf")
        encode(part, *VP9, count=30, size=size)
        parts.append(part.read_bytes())
    whole = out.with_name("whole.ivf")
    tail = bytearray(parts[1][32:])
    at = 0
    while at < len(tail):  # the clock of the second part goes on where the first one ends
        size_bytes, ticks = struct.unpack_from("<IQ", tail, at)
        struct.pack_into("<IQ", tail, at, size_bytes, ticks + 30)
        at += 12 + size_bytes
    whole.write_bytes(parts[0] + tail)
    ffmpeg("-i", whole, "-c", "copy", f"file:{out}")


@bad("pixel_change", "pixel_change.mkv", "damaged", "unsupported")
def _pixel_change(out: Path) -> None:
    """From 4:2:0 to 4:4:4 on the way."""
    parts = []
    for number, pix_fmt in enumerate(("yuv420p", "yuv444p")):
        part = out.with_name(f"part{number}.h264")
        options = x264("repeat-headers=1:bframes=0", pix_fmt=pix_fmt)
        encode(part, *options, "-f", "h264", count=40)
        parts.append(part.read_bytes())
    whole = out.with_name("whole.h264")
    whole.write_bytes(b"".join(parts))
    ffmpeg("-f", "h264", "-framerate", "25", "-i", whole, "-c", "copy", f"file:{out}")


VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "500k", "-g", "25")
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "4", "-g", "12", "-bf", "2")
AV1 = ("-c:v", "libsvtav1", "-preset", "10", "-crf", "35", "-g", "25", "-svtav1-params", "lp=1")


def _spoiled(out: Path, args: Sequence[str], length: int = 0) -> None:
    """Encode a whole file and put noise into its middle, over several packets."""
    whole = out.with_name(f"whole{out.suffix}")
    encode(whole, *args, count=75)
    data = whole.read_bytes()
    out.write_bytes(noise(data, len(data) // 2, length or len(data) // 8))


for _name, _suffix, _args in (
    ("mkv", "mkv", x264()),
    ("hevc", "mkv", x265()),
    ("hevc_mp4", "mp4", [*x265(), "-tag:v", "hvc1"]),
    ("vp9", "webm", VP9),
    ("vp8", "webm", ["-c:v", "libvpx", "-b:v", "500k", "-g", "25"]),
    ("av1", "mp4", AV1),
    ("mpeg2", "mpg", MPEG2),
    ("mpeg2_ts", "ts", MPEG2),
    ("mpeg4", "avi", ["-c:v", "mpeg4", "-q:v", "4"]),
    ("flv", "flv", x264()),
    ("theora", "ogv", ["-c:v", "libtheora", "-q:v", "8"]),
    ("mjpeg", "mov", ["-c:v", "mjpeg", "-q:v", "4"]),
    ("prores", "mov", ["-c:v", "prores_ks", "-pix_fmt", "yuv422p10le"]),
    ("ffv1", "mkv", ["-c:v", "ffv1", "-level", "3", "-slicecrc", "1"]),
    ("png", "mov", ["-c:v", "png", "-pix_fmt", "rgb24"]),
):

    def _spoil(out: Path, args: Sequence[str] = _args) -> None:
        _spoiled(out, args)

    bad(f"corrupt_{_name}", f"spoiled.{_suffix}", "damaged", "truncated", "unreadable")(_spoil)


@bad("hole", "hole.mp4", "damaged", "truncated")
def _hole(out: Path) -> None:
    """A stretch of zeros, as a download leaves that was not finished."""
    data = faststart(out)
    start, length = len(data) // 2, len(data) // 10
    out.write_bytes(data[:start] + b"\0" * length + data[start + length :])


@bad("lost_packets_ts", "lost.ts", "damaged")
def _lost_packets(out: Path) -> None:
    """Transport packets that never arrived."""
    whole = out.with_name("whole.ts")
    encode(whole, *x264(), count=75)
    data = whole.read_bytes()
    middle = len(data) // 188 // 2 * 188
    out.write_bytes(data[:middle] + data[middle + 188 * 12 :])
