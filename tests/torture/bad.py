"""Files that must be refused, and files that are damaged somewhere in the middle."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
from PIL import Image

from tests.torture.kinds import sample_mp4
from tests.torture.tool import encode, ffmpeg, x264

__all__ = ["BAD_KINDS", "DAMAGED_KINDS", "Bad"]


@dataclass(frozen=True)
class Bad:
    """A file that cannot be scored."""

    name: str
    file: str
    words: tuple[str, ...]
    """The reasons that are right; the refusal must give one of them."""
    build: Callable[[Path], list[str] | None]
    """Writes the file; returns the names of files beside it that must stay."""


BAD_KINDS: dict[str, Bad] = {}
"""Files that must be refused before anything is scored."""

DAMAGED_KINDS: dict[str, Bad] = {}
"""Files that look whole from outside; at the latest, decoding them must fail."""

Build = Callable[[Path], list[str] | None]


def _bad(name: str, file: str, *words: str) -> Callable[[Build], Build]:
    def enter(build: Build) -> Build:
        table = DAMAGED_KINDS if words[0] == "damaged" else BAD_KINDS
        table[name] = Bad(name, file, words, build)
        return build

    return enter


@_bad("empty", "empty.mp4", "empty", "unreadable")
def _empty(out: Path) -> None:
    out.touch()


@_bad("garbage", "garbage.mp4", "unreadable")
def _garbage(out: Path) -> None:
    out.write_bytes(random.Random(5).randbytes(50_000))  # noqa: S311


@_bad("text", "text.mp4", "unreadable")
def _text(out: Path) -> None:
    out.write_text("This is not a video.\n" * 200)


@_bad("folder", "folder.mp4", "unreadable", "not_found")
def _folder(out: Path) -> None:
    out.mkdir()


@_bad("audio_only", "audio.mp4", "no_video")
def _audio_only(out: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=2", "-c:a", "aac", f"file:{out}")


@_bad("song_with_cover", "song.mp4", "no_video")
def _song(out: Path) -> None:
    cover = out.with_name("cover.jpg")
    _still(cover)
    ffmpeg(
        *("-f", "lavfi", "-i", "sine=duration=2", "-i", cover, "-map", "0:a", "-map", "1:v"),
        *("-c:a", "aac", "-c:v", "copy", "-disposition:v:0", "attached_pic", f"file:{out}"),
    )


def _still(path: Path, form: str | None = None) -> None:
    Image.effect_mandelbrot((96, 64), (-2, -1.5, 1, 1.5), 50).convert("RGB").save(path, form)


@_bad("jpg", "still.jpg", "still_image")
def _jpg(out: Path) -> None:
    _still(out)


@_bad("png_as_mp4", "still.mp4", "still_image")
def _png(out: Path) -> None:
    _still(out, "PNG")


@_bad("jpg_as_mp4", "photo.mp4", "still_image")
def _jpg_as_mp4(out: Path) -> None:
    _still(out, "JPEG")


@_bad("no_moov", "no_moov.mp4", "unreadable", "truncated")
def _no_moov(out: Path) -> None:
    data = sample_mp4()
    out.write_bytes(data[: data.index(b"moov") - 100])


def _faststart(out: Path) -> bytes:
    whole = out.with_name("whole.mp4")
    encode(whole, *x264(), "-movflags", "+faststart", count=75)
    return whole.read_bytes()


@_bad("truncated", "truncated.mp4", "truncated")
def _truncated(out: Path) -> None:
    data = _faststart(out)
    out.write_bytes(data[: len(data) * 6 // 10])


@_bad("truncated_mkv", "truncated.mkv", "truncated")
def _truncated_mkv(out: Path) -> None:
    whole = out.with_name("whole.mkv")
    encode(whole, *x264(), count=100)
    data = whole.read_bytes()
    out.write_bytes(data[: len(data) * 6 // 10])


@_bad("no_samples", "no_samples.mp4", "no_frames")
def _no_samples(out: Path) -> None:
    sample = out.with_name("sample.mp4")
    sample.write_bytes(sample_mp4())
    options = {"movflags": "empty_moov+frag_keyframe"}
    with av.open(str(sample)) as source, av.open(str(out), "w", options=options) as target:
        target.add_stream_from_template(source.streams.video[0])
        target.start_encoding()


def _siblings(out: Path) -> list[str]:
    """Two good clips beside the file, so that following its references would work."""
    names = ["one.mp4", "two.mp4"]
    for name in names:
        out.with_name(name).write_bytes(sample_mp4())
    return names


@_bad("ffconcat_as_mp4", "concat.mp4", "unsafe")
def _ffconcat(out: Path) -> list[str]:
    names = _siblings(out)
    out.write_text("ffconcat version 1.0\n" + "".join(f"file '{name}'\n" for name in names))
    return names


@_bad("m3u8_as_mp4", "list.mp4", "unsafe")
def _m3u8(out: Path) -> list[str]:
    names = _siblings(out)
    lines = "".join(f"#EXTINF:1.6,\n{name}\n" for name in names)
    head = "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n"
    out.write_text(f"{head}{lines}#EXT-X-ENDLIST\n")
    return names


@_bad("sdp_as_mp4", "session.mp4", "unsafe", "unreadable")
def _sdp(out: Path) -> None:
    out.write_text(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
        "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    )


@_bad("size_change", "size_change.ts", "unsupported")
def _size_change(out: Path) -> None:
    parts = []
    for number, size in enumerate(((128, 96), (160, 120))):
        part = out.with_name(f"part{number}.ts")
        timing = ("-output_ts_offset", str(2 * number), "-muxdelay", "0", "-muxpreload", "0")
        encode(part, *x264(), *timing, count=50, size=size)
        parts.append(part.read_bytes())
    out.write_bytes(b"".join(parts))


def _overwrite(data: bytes, start: int, length: int) -> bytes:
    noise = random.Random(11).randbytes(length)  # noqa: S311
    return data[:start] + noise + data[start + length :]


@_bad("corrupt_mp4", "corrupt.mp4", "damaged")
def _corrupt(out: Path) -> None:
    data = _faststart(out)
    media = data.index(b"mdat")
    out.write_bytes(_overwrite(data, (media + len(data)) // 2, (len(data) - media) // 12))


@_bad("corrupt_ts", "corrupt.ts", "damaged")
def _corrupt_ts(out: Path) -> None:
    whole = out.with_name("whole.ts")
    encode(whole, *x264(), count=75)
    data = whole.read_bytes()
    start = len(data) // 188 // 2 * 188
    # Payloads only: the packets keep their headers, the pictures in them do not.
    broken = b""
    for at in range(start, start + 188 * 20, 188):
        broken += _overwrite(data[at : at + 188], 60, 100)
    out.write_bytes(data[:start] + broken + data[start + len(broken) :])


@_bad("wrong_offsets", "wrong_offsets.mp4", "damaged", "truncated", "unreadable")
def _wrong_offsets(out: Path) -> None:
    """Sample positions that lie behind the end of the file."""
    data = bytearray(_faststart(out))
    at = data.index(b"stco") + 8
    for number in range(struct.unpack_from(">I", data, at)[0]):
        place = at + 4 + 4 * number
        value = struct.unpack_from(">I", data, place)[0]
        struct.pack_into(">I", data, place, value + 10_000_000)
    out.write_bytes(data)
