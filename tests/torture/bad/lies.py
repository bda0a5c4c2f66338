"""Headers that claim what is not so, in order to cost memory or time."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from tests.torture.bad.bad import bad, faststart
from tests.torture.boxes import Box, parse, write
from tests.torture.kinds import sample_mp4
from tests.torture.tool import encode, ffmpeg, x264


@bad("declared_65000", "declared.mkv", "too_large", "unsupported", "damaged")
def _declared(out: Path) -> None:
    """Matroska says 65000x65000, of uncompressed pictures that would be that large."""
    whole = out.with_name("whole.mkv")
    encode(whole, "-c:v", "ffv1", "-level", "1", "-pix_fmt", "yuv420p", count=10)
    data = whole.read_bytes()
    wide = b"\xb0\x82\xfd\xe8\xba\x82\xfd\xe8"
    place = data.index(b"\xb0\x81\x80\xba\x81\x60")
    out.write_bytes(data[:place] + wide[:8] + data[place + 6 + 2 :])


@bad("bomb_8192", "bomb.mp4", "too_large")
def _bomb(out: Path) -> None:
    flat = ("-f", "lavfi", "-i", "color=gray:size=8192x8192:rate=1", "-frames:v", "2")
    ffmpeg(*flat, "-c:v", "libx264", "-preset", "ultrafast", "-threads", "1", f"file:{out}")


@bad("bomb_png", "bomb.mov", "too_large", "damaged")
def _bomb_png(out: Path) -> None:
    """A picture of 16000x16000 pixels, all of them zero, in a few kilobytes."""
    whole = out.with_name("whole.mov")
    encode(whole, "-c:v", "png", "-pix_fmt", "gray", count=3)
    file = parse(whole.read_bytes())
    packed = zlib.compress(b"\0" * (1 << 20), 9)
    head = struct.pack(">II5B", 16000, 16000, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", packed), (b"IEND", b""))
    picture = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    sizes = file.first(b"stsz")
    sizes.data = struct.pack(">III", 0, len(picture), 3)
    media = next(box for box in file.boxes if box.kind == b"mdat")
    before = file.boxes[: file.boxes.index(media)]
    start = len(write(Box(b"", boxes=before))) + 8
    media.data = picture * 3
    runs = file.first(b"stsc")
    runs.data = struct.pack(">IIIII", 0, 1, 1, 3, 1)
    file.first(b"stco").data = struct.pack(">III", 0, 1, start)
    out.write_bytes(write(file))


@bad("sof_16000", "sof.avi", "too_large", "damaged")
def _sof(out: Path) -> None:
    """JPEG pictures whose frame header says 16000x16000."""
    whole = out.with_name("whole.avi")
    encode(whole, "-c:v", "mjpeg", "-q:v", "4", count=25)
    data = bytearray(whole.read_bytes())
    at = data.find(b"\xff\xc0\0\x11")
    while at >= 0:
        struct.pack_into(">HH", data, at + 5, 16000, 16000)
        at = data.find(b"\xff\xc0\0\x11", at + 4)
    out.write_bytes(data)


@bad("frames_lie_mp4", "frames.mp4", "truncated", "damaged", "unreadable", "too_large")
def _frames_lie(out: Path) -> None:
    """Ten times as many samples declared as there are."""
    file = parse(faststart(out))
    for box in file.all(b"stsz"):
        count = struct.unpack_from(">I", box.data, 8)[0]
        box.data = box.data[:8] + struct.pack(">I", 10 * count) + box.data[12:] * 10
    for box in file.all(b"stts"):
        count, step = struct.unpack_from(">II", box.data, 8)
        box.data = box.data[:8] + struct.pack(">II", 10 * count, step)
    out.write_bytes(write(file))


@bad("samples_2_31", "samples.mp4", "truncated", "damaged", "unreadable", "too_large", "no_frames")
def _samples_many(out: Path) -> None:
    """Two thousand million samples of one size, in a file of a few kilobytes."""
    file = parse(sample_mp4())
    sizes = file.first(b"stsz")
    sizes.data = struct.pack(">III", 0, 1, 0x7FFFFFFF)
    file.first(b"stts").data = struct.pack(">IIII", 0, 1, 0x7FFFFFFF, 1)
    file.first(b"stsc").data = struct.pack(">IIIII", 0, 1, 1, 0x7FFFFFFF, 1)
    out.write_bytes(write(file))


@bad("duration_lies_mkv", "duration.mkv", "truncated")
def _duration_lies(out: Path) -> None:
    """An hour declared, three seconds there: as a file that was cut off between two clusters."""
    whole = out.with_name("whole.mkv")
    encode(whole, *x264(), count=75)
    data = bytearray(whole.read_bytes())
    place = data.index(b"\x44\x89\x88")
    struct.pack_into(">d", data, place + 3, 3_600_000.0)
    out.write_bytes(data)


@bad("streams_1000", "streams.mkv", "too_large", "unreadable")
def _streams(out: Path) -> None:
    base = out.with_name("base.mkv")
    ffmpeg("-f", "lavfi", "-i", "sine=duration=0.05:sample_rate=8000", "-c:a", "pcm_s16le", base)
    maps = ["-map", "0:v"] + ["-map", "1:a"] * 999
    encode(out, *maps, *x264(), "-c:a", "copy", inputs=("-i", base), count=10)


@bad("streams_900_mp4", "streams.mp4", "too_large", "unreadable")
def _tracks(out: Path) -> None:
    file = parse(sample_mp4())
    movie = file.first(b"moov") if file.kind else next(b for b in file.boxes if b.kind == b"moov")
    movie.boxes += [movie.all(b"trak")[1]] * 900
    out.write_bytes(write(file))


@bad("nested_boxes", "nested.mp4", "unreadable", "truncated", "no_video")
def _nested(out: Path) -> None:
    """Boxes in boxes, twenty thousand deep."""
    data = b""
    for depth in range(20_000):
        data = struct.pack(">I4s", 8 + 8 * depth, b"moov" if depth % 2 else b"trak") + data
    out.write_bytes(struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0) + data)


@bad("huge_box", "huge.mp4", "unreadable", "truncated", "no_video")
def _huge_box(out: Path) -> None:
    """A movie box that claims to be longer than any disk."""
    data = struct.pack(">I4s4sI", 16, b"ftyp", b"isom", 0)
    out.write_bytes(data + struct.pack(">I4sQ", 1, b"moov", (1 << 63) - 1) + b"\0" * 5000)


@bad("avi_no_rate", "rate.avi", "unreadable", "damaged", "truncated")
def _no_rate(out: Path) -> None:
    """A frame rate of 0/0, and no picture that would tell another."""
    whole = out.with_name("whole.avi")
    encode(whole, "-c:v", "mjpeg", "-q:v", "4", count=10)
    data = bytearray(whole.read_bytes())
    place = data.index(b"strh") + 8
    struct.pack_into("<II", data, place + 20, 0, 0)
    data[data.index(b"movi") + 4 :] = b"\0" * 5000
    out.write_bytes(data)
