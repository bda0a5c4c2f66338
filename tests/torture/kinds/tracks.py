"""Tracks, tags and pictures that come along with the video."""

from __future__ import annotations

import struct
from functools import partial
from pathlib import Path

from PIL import Image

from tests.torture.kinds.kind import PLAIN, add, sine
from tests.torture.tool import encode, x264

LINES = ("First line", "Zweite Zeile: äöü", "third <i>line</i>")
SRT = "".join(
    f"{n + 1}\n00:00:0{n},200 --> 00:00:0{n},900\n{line}\n\n" for n, line in enumerate(LINES)
)
CHAPTERS = ";FFMETADATA1\ntitle=A test\nartist=Nobody\ncomment=made by a test\n" + "".join(
    f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\ntitle={title}\n"
    for start, end, title in ((0, 1200, "One"), (1200, 3000, "Two \u2013 the end"))
)


def _tracks(out: Path, *, subtitle: str, more: tuple[str, ...] = ()) -> None:
    srt, tags = out.with_name("lines.srt"), out.with_name("tags.txt")
    srt.write_text(SRT, encoding="utf-8")
    tags.write_text(CHAPTERS, encoding="utf-8")
    encode(
        out,
        *("-map", "0:v", "-map", "1:a", "-map", "2:a", "-map", "3:s", "-map_metadata", "4"),
        *(*x264(), "-c:a:0", "aac", "-c:a:1", "ac3", "-b:a", "64k", "-c:s", subtitle),
        *("-metadata:s:v:0", "language=fra", "-metadata:s:a:0", "language=eng"),
        *("-metadata:s:a:1", "language=deu", "-metadata:s:s:0", "language=jpn"),
        *("-metadata:s:a:1", "title=Kommentar", "-disposition:a:0", "0"),
        *("-disposition:a:1", "default", "-disposition:s:0", "forced", *more),
        inputs=(*sine(3), *sine(3, 660), "-i", srt, "-i", tags),
    )


TAGS = {"title": "A test", "artist": "Nobody", "comment": "made by a test"}
TITLES = ("One", "Two \u2013 the end")


def _tracks_mkv(out: Path) -> None:
    note = out.with_name("note.txt")
    note.write_text("An attached file.\n", encoding="utf-8")
    mime = ("-metadata:s:t:0", "mimetype=text/plain")
    _tracks(out, subtitle="srt", more=("-attach", str(note), *mime))


add(
    "tracks_mkv",
    "tracks.mkv",
    build=_tracks_mkv,
    languages=("eng", "deu"),
    titles=TITLES,
    lines=LINES,
    metadata=TAGS,
    attached=1,
)
add(
    "tracks_mp4",
    "tracks.mp4",
    build=partial(_tracks, subtitle="mov_text"),
    languages=("eng", "deu"),
    titles=TITLES,
    metadata=TAGS,
)


def _cover(out: Path) -> Path:
    path = out.with_name("cover.jpg")
    Image.effect_mandelbrot((200, 200), (-2, -1.5, 1, 1.5), 50).convert("RGB").save(path)
    return path


def _with_cover(out: Path) -> None:
    encode(
        out,
        *("-map", "0:v", "-map", "1:a", "-map", "2:v", *x264(), "-c:a", "aac"),
        *("-c:v:1", "copy", "-disposition:v:1", "attached_pic"),
        inputs=(*sine(3), "-i", _cover(out)),
    )


def _mkv_cover(out: Path) -> None:
    attach = ("-attach", str(_cover(out)), "-metadata:s:t:0", "mimetype=image/jpeg")
    encode(out, *x264(), *attach)


def _cover_first(out: Path) -> None:
    """Move the user data, and with it the picture, before the tracks of the movie box."""
    _with_cover(out)
    data = bytearray(out.read_bytes())
    start = data.index(b"moov") - 4
    boxes, at = [], start + 8
    while at < start + struct.unpack_from(">I", data, start)[0]:
        size = struct.unpack_from(">I", data, at)[0]
        boxes.append(bytes(data[at : at + size]))
        at += size
    order = {b"mvhd": 0, b"udta": 1}
    boxes.sort(key=lambda box: order.get(box[4:8], 2))
    data[start + 8 : at] = b"".join(boxes)
    out.write_bytes(data)


add("cover", "cover.mp4", build=_with_cover, pictures=1)
add("cover_first", "cover_first.mp4", build=_cover_first, pictures=1, video_index=1)
add(
    "cover_mkv",
    "cover.mkv",
    build=_mkv_cover,
    pictures=1,
)
add(
    "timecode_mov",
    "timecode.mov",
    [*x264(), *PLAIN, "-c:a", "pcm_s24le", "-timecode", "01:00:00:00"],
    inputs=sine(3),
)
add(
    "two_videos",
    "two_videos.mp4",
    ["-map", "0:v", "-map", "1:v", "-map", "2:a", *x264(), "-c:a", "aac"],
    inputs=("-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=3", *sine(3)),
)
add("pcm_mov", "pcm.mov", [*x264(), *PLAIN, "-c:a", "pcm_s16le"], inputs=sine(3), sound="pcm_s16le")
add("flac_mkv", "flac.mkv", [*x264(), *PLAIN, "-c:a", "flac"], inputs=sine(3), sound="flac")
add("mp3_mp4", "mp3.mp4", [*x264(), *PLAIN, "-c:a", "mp3"], inputs=sine(3), sound="mp3float")
add("opus_mkv", "opus.mkv", [*x264(), *PLAIN, "-c:a", "libopus"], inputs=sine(3))
