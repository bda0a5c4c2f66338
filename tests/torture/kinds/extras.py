"""Further video, data, timecode and subtitle streams; chapters and tags of all sorts."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.torture.kinds.kind import AAC, PLAIN, TS, add, base, sine
from tests.torture.kinds.tracks import SRT
from tests.torture.tool import encode, ffmpeg, x264

TEST = ("-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=3")
BARS = ("-f", "lavfi", "-i", "smptebars=size=96x64:rate=30:duration=3")
THREE = ("-map", "0:v", "-map", "1:v", "-map", "2:v", "-map", "3:a", *x264(), "-c:a", "aac")
for _suffix in ("mp4", "mkv", "ts"):
    add(f"three_videos_{_suffix}", f"three.{_suffix}", THREE, inputs=(*TEST, *BARS, *sine(3)))
add(
    "default_is_second",
    "second.mkv",
    [*("-map", "1:v", "-map", "0:v", *x264()), "-disposition:v:0", "0", "-disposition:v:1",
     "default"],
    inputs=TEST,
)  # fmt: skip


def _with_data(out: Path, *options: str) -> None:
    """Packets of data beside the pictures, as cameras and drones write them."""
    payload = out.with_name("data.bin")
    payload.write_bytes(bytes(range(256)) * 20)
    ffmpeg(
        *("-i", base(out), "-f", "data", "-i", payload, "-map", "0", "-map", "1:d"),
        *("-c", "copy", *options, f"file:{out}"),
    )


add("data_ts", "data.ts", build=lambda out: _with_data(out, *TS))
add("data_klv_ts", "klv.ts", build=lambda out: _with_data(out, "-tag:d", "KLVA", *TS))


def _telemetry(out: Path) -> None:
    """A subtitle track turned into one of sensor data, as action cameras write it."""
    _subtitled(out, ("mov_text",))
    data = out.read_bytes()
    out.write_bytes(data.replace(b"sbtl", b"meta").replace(b"tx3g", b"gpmd"))


add("data_gpmd_mp4", "action.mp4", build=_telemetry)
for _suffix in ("mp4", "mov", "mxf"):
    add(
        f"timecode_{_suffix}_tc",
        f"timecode.{_suffix}",
        [*x264(), *PLAIN, "-c:a", "aac" if _suffix == "mp4" else "pcm_s16le",
         "-timecode", "10:59:58:20"],
        inputs=sine(3),
        misread=_suffix == "mxf",
    )  # fmt: skip

# Subtitles.


def _subtitled(out: Path, codecs: Sequence[str], *more: str) -> None:
    srt = out.with_name("lines.srt")
    srt.write_text(SRT, encoding="utf-8")
    maps = [word for n in range(len(codecs)) for word in ("-map", "1:s", f"-c:s:{n}", codecs[n])]
    encode(out, "-map", "0:v", *x264(), *maps, *more, inputs=("-i", srt))


add("subtitles_ass", "ass.mkv", build=partial(_subtitled, codecs=("ass",)))
add("subtitles_webvtt", "vtt.mkv", build=partial(_subtitled, codecs=("webvtt",)))
add("subtitles_three_mp4", "three.mp4", build=lambda out: _subtitled(
    out, ("mov_text", "mov_text", "mov_text"), "-metadata:s:s:0", "language=eng",
    "-metadata:s:s:1", "language=spa", "-metadata:s:s:2", "language=rus",
    "-disposition:s:1", "forced", "-disposition:s:2", "hearing_impaired",
))  # fmt: skip
add("subtitles_four_mkv", "four.mkv", build=lambda out: _subtitled(
    out, ("srt", "ass", "webvtt", "srt"), "-metadata:s:s:3", "title=Für Hörgeschädigte 字幕",
    "-disposition:s:3", "hearing_impaired+captions", "-disposition:s:0", "default+forced",
))  # fmt: skip


def _with_fonts(out: Path) -> None:
    more: list[str] = []
    for number, name in enumerate(("Font A.ttf", "schrift_ü.otf")):
        font = out.with_name(name)
        font.write_bytes(b"\0\1\0\0" + bytes(range(200)))
        more += ["-attach", str(font)]
        more += [f"-metadata:s:t:{number}", "mimetype=application/x-truetype-font"]
    _subtitled(out, ("ass",), *more)


add("subtitles_fonts", "fonts.mkv", build=_with_fonts, attached=2)


def _webvtt_webm(out: Path) -> None:
    srt = out.with_name("lines.srt")
    srt.write_text(SRT, encoding="utf-8")
    vp9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "500k")
    encode(out, *("-map", "0:v", "-map", "1:s", *vp9, "-c:s", "webvtt"), inputs=("-i", srt))


add("subtitles_webm", "vtt.webm", build=_webvtt_webm)


def _segment(kind: int, body: bytes, seconds: float) -> bytes:
    ticks = round(seconds * 90000)
    return struct.pack(">2sIIBH", b"PG", ticks, ticks, kind, len(body)) + body


def _pgs(shown: Sequence[tuple[float, float]]) -> bytes:
    """Presentation graphics as on Blu-ray: a grey box of 8x8, shown between two times each."""
    out = b""
    picture = b"".join(b"\0\x88\1\0\0" for _ in range(8))  # eight times colour 1, end of line
    for number, (start, stop) in enumerate(shown):
        screen = struct.pack(">HHBHBBBB", 128, 96, 16, 2 * number, 0x80, 0, 0, 1)
        out += _segment(0x16, screen + struct.pack(">HBBHH", 0, 0, 0, 60, 60), start)
        out += _segment(0x17, struct.pack(">BBHHHH", 1, 0, 60, 60, 8, 8), start)
        out += _segment(0x14, bytes((0, 0, 1, 180, 128, 128, 255)), start)
        size = (len(picture) + 4).to_bytes(3, "big")
        head = struct.pack(">HBB", 0, 0, 0xC0) + size + struct.pack(">HH", 8, 8)
        out += _segment(0x15, head + picture, start) + _segment(0x80, b"", start)
        empty = struct.pack(">HHBHBBBB", 128, 96, 16, 2 * number + 1, 0, 0, 0, 0)
        out += _segment(0x16, empty, stop)
        out += _segment(0x17, struct.pack(">BBHHHH", 1, 0, 60, 60, 8, 8), stop)
        out += _segment(0x80, b"", stop)
    return out


def _bitmaps(out: Path, codec: str, *more: str) -> None:
    sup = out.with_name("lines.sup")
    sup.write_bytes(_pgs([(0.4, 0.9), (1.2, 2.0), (2.2, 2.8)]))
    encode(out, "-map", "0:v", "-map", "1:s", *x264(), "-c:s", codec, *more, inputs=("-i", sup))


add("bitmaps_pgs", "pgs.mkv", build=lambda out: _bitmaps(out, "copy"))
add("bitmaps_dvd", "dvd.mkv", build=lambda out: _bitmaps(
    out, "dvdsub", "-bsf:s", "setts=duration=400"))  # fmt: skip
add("bitmaps_dvb_ts", "dvb.ts", build=lambda out: _bitmaps(out, "dvbsub", *TS))

# Chapters and tags.

Chapters = Sequence[tuple[int, int, str]]
ESCAPED = str.maketrans({c: f"\\{c}" for c in "=;#\\\n"})


def _described(
    out: Path,
    *,
    chapters: Chapters = (),
    tags: dict[str, str] | None = None,
    more: tuple[str, ...] = (),
) -> None:
    text = ";FFMETADATA1\n"
    for key, value in (tags or {}).items():
        text += f"{key.translate(ESCAPED)}={value.translate(ESCAPED)}\n"
    for start, end, title in chapters:
        text += f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\n"
        text += f"title={title.translate(ESCAPED)}\n" if title else ""
    file = out.with_name("tags.txt")
    file.write_text(text, encoding="utf-8")
    inputs = (*sine(3), "-i", file)
    encode(out, *x264(), *AAC, "-map_metadata", "2", *more, inputs=inputs)


ODD_TITLES = ("Zeile 1\nZeile 2", "a;b=c#d\\e", "'quoted' \"twice\"", "章节 три العربية 🎬", "")
ODD = [(600 * n, 600 * (n + 1), title) for n, title in enumerate(ODD_TITLES)]
NESTED = [(0, 2500, "whole"), (500, 1500, "inside"), (1000, 2000, "across"), (1000, 1000, "empty")]
BEYOND = [(0, 1000, "in"), (2900, 9000, "over the end"), (60000, 70000, "after the end")]
MANY = [(10 * n, 10 * n + 10, f"Chapter {n}") for n in range(250)]
GAPS = [(100, 400, "late"), (1500, 1800, "after a gap")]
for _suffix in ("mkv", "mp4", "mov"):
    for _name, _chapters in (
        ("odd_titles", ODD), ("nested", NESTED), ("beyond", BEYOND), ("many", MANY), ("gaps", GAPS)
    ):  # fmt: skip
        add(
            f"chapters_{_name}_{_suffix}",
            f"{_name}.{_suffix}",
            build=partial(_described, chapters=_chapters),
        )

FOREIGN = {
    "title": "映画 «Кино» فيلم 🎬",
    "artist": "Bjørk & Ñandú",
    "comment": "first line\nsecond line; with = and # and \\ and 'quotes\"",
    "description": "x" * 20_000,
    "date": "2026-11-24",
    "genre": "Ποίηση",
    "copyright": "© nobody",
}
OWN = {"title": "A", "my_own_key": "value", "com.example.Take": "7", "LOCATION-note": "ß"}
PHONE = {
    "com.apple.quicktime.make": "Maker",
    "com.apple.quicktime.location.ISO6709": "+48.8577+002.295+035/",
    "com.apple.quicktime.creationdate": "2026-11-24T10:00:00+0100",
    "title": "Phone",
}
CREATED = {"creation_time": "2026-11-24T10:00:00.000000Z", "title": "dated"}
for _suffix in ("mkv", "mp4", "mov", "avi", "flv", "webm", "wmv", "ogv", "nut", "mxf"):
    _codec = {
        "webm": ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-c:a",
                 "libopus"),
        "ogv": ("-c:v", "libtheora", "-q:v", "8", "-c:a", "libvorbis"),
        "mxf": ("-c:a", "pcm_s16le"),
        "avi": ("-c:a", "mp3"),
    }.get(_suffix, ())  # fmt: skip
    add(
        f"tags_foreign_{_suffix}",
        f"tags.{_suffix}",
        build=partial(_described, tags=FOREIGN, more=_codec),
        misread=_suffix in ("avi", "wmv", "mxf"),
    )
for _suffix in ("mkv", "mp4", "mov"):
    mdta = ("-movflags", "use_metadata_tags") if _suffix != "mkv" else ()
    add(f"tags_own_{_suffix}", f"own.{_suffix}", build=partial(_described, tags=OWN, more=mdta))
    add(
        f"tags_created_{_suffix}",
        f"created.{_suffix}",
        build=partial(_described, tags=CREATED),
    )
add("tags_phone", "phone.mov", build=partial(
    _described, tags=PHONE, more=("-movflags", "use_metadata_tags")))  # fmt: skip


def _services(out: Path) -> None:
    """A programme with a name, and a stream that is not of it."""
    encode(out, *x264(), *AAC, "-metadata", "service_name=Kanal Ü", "-metadata",
           "service_provider=Anbieter", *TS, inputs=sine(3))  # fmt: skip


add("tags_service_ts", "service.ts", build=_services)


def _titled_streams(out: Path) -> None:
    encode(
        out,
        *(*x264(), *AAC, "-metadata:s:v", "title=Kamera 1 📷", "-metadata:s:a", "title=Ton; links"),
        *("-metadata:s:v", "language=ita", "-metadata:s:a", "handler_name=Mikrofon"),
        inputs=sine(3),
    )


for _suffix in ("mkv", "mp4", "mov"):
    add(f"titled_streams_{_suffix}", f"titled.{_suffix}", build=_titled_streams)


def _cover(out: Path, form: str) -> None:
    art = out.with_name(f"cover.{form}")
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=80x60", "-frames:v", "1", "-update", "1", art)
    encode(
        out,
        *("-map", "0:v", "-map", "1:v", *x264(), "-c:v:1", "copy"),
        *("-disposition:v:1", "attached_pic"),
        inputs=("-i", art),
    )


add("cover_png_mp4", "png.mp4", build=partial(_cover, form="png"), pictures=1)
add("cover_png_mov", "png.mov", build=partial(_cover, form="png"))
