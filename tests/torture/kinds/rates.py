"""Rates from one frame a minute to 240 a second, pulldown, and streams that are far apart."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from itertools import accumulate
from pathlib import Path

from tests.torture.code import draw_code
from tests.torture.kinds.gops import MPEG2
from tests.torture.kinds.kind import AAC, NTSC, PASS, TS, add, base, copy, sine
from tests.torture.picture import picture
from tests.torture.tool import encode, ffmpeg, x264

add("fps1", "fps1.mp4", [*x264(), *AAC], inputs=sine(12), rate=1, count=12)
add("fps1_mkv", "fps1.mkv", x264(), rate=1, count=12)
add("fps240", "fps240.mp4", [*x264(gop=60), *AAC], inputs=sine(1), rate=240, count=240)
add("fps240_mkv", "fps240.mkv", x264(gop=60), rate=240, base=1000, count=240)
add("fps5994_mov", "fps5994.mov", x264(), rate=Fraction(60000, 1001), count=90)
FAST = ("-vf", "settb=1001/120000,setpts=N", *PASS, "-enc_time_base", "1001/120000")
add("fps119_88", "fps119.mp4", [*FAST, *x264()], rate=Fraction(120000, 1001), count=120,
    times=tuple(Fraction(1001 * n, 120000) for n in range(120)))  # fmt: skip

SPARSE = ("-vf", "setpts='N*1500'", *PASS, "-enc_time_base", "1/25")
MINUTES = tuple(Fraction(60 * n) for n in range(60))
add("sparse_hour", "sparse.mp4", [*SPARSE, *x264(gop=10)], count=60, times=MINUTES)
add("sparse_hour_mkv", "sparse.mkv", [*SPARSE, *x264(gop=10)], count=60, times=MINUTES)
STEPS = [0, *accumulate(1 + 7**n % 97 * (1 + n % 3) for n in range(39))]
EXPRESSION = "+".join(f"eq(N,{n})*{ticks}" for n, ticks in enumerate(STEPS))
add(
    "slideshow",
    "slideshow.mp4",
    ["-vf", f"setpts='{EXPRESSION}'", *PASS, "-enc_time_base", "1/25", *x264(), *AAC],
    inputs=sine(8),
    count=40,
    times=tuple(Fraction(ticks, 25) for ticks in STEPS),
)


def _apart(out: Path, *, video: str = "0", audio: str = "0") -> None:
    whole = base(out)
    inputs = ("-itsoffset", video, "-i", whole, "-itsoffset", audio, "-i", whole)
    ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", "-c", "copy", f"file:{out}")


for _suffix in ("mp4", "mkv", "mov"):
    add(f"video_minutes_late_{_suffix}", f"late.{_suffix}", build=partial(_apart, video="185.48"))
    add(f"audio_minutes_late_{_suffix}", f"late.{_suffix}", build=partial(_apart, audio="185.5"))
add("start_48h", "start_48h.mp4", build=lambda out: copy(out, "-output_ts_offset", "172800"))
add(
    "start_26h_ts",
    "start_26h.ts",
    build=lambda out: copy(out, "-output_ts_offset", "93000", *TS),
)
GAP = ("-bsf:a", "noise=drop='between(n,30,80)'")
add("audio_gap", "gap.mp4", build=lambda out: copy(out, *GAP))
add("audio_gap_mkv", "gap.mkv", build=lambda out: copy(out, *GAP))
add("audio_gap_ts", "gap.ts", build=lambda out: copy(out, *GAP, *TS))

# Pulldown.

CADENCE = ((1, 1), (0, 0), (0, 1), (1, 0))
"""Top field first, and first field repeated, of four film frames that fill five of video."""
FIELDS = [0, *accumulate(3 if CADENCE[n % 4][1] else 2 for n in range(59))]


def _soft_telecine(out: Path, *options: str) -> None:
    """Film at 24 frames a second, whose fields a player is told to repeat."""
    film = out.with_name("film.m2v")
    encode(film, *MPEG2, "-bf", "0", "-f", "mpeg2video", rate="30000/1001", count=60)
    data = bytearray(film.read_bytes())
    place, picture_number = data.find(b"\0\0\1\xb5"), 0
    while place >= 0:
        if data[place + 4] >> 4 == 1:
            data[place + 5] &= ~8  # not a progressive sequence
        elif data[place + 4] >> 4 == 8:
            top, repeat = CADENCE[picture_number % 4]
            data[place + 7] = data[place + 7] & 0x7D | top << 7 | repeat << 1
            picture_number += 1
        place = data.find(b"\0\0\1\xb5", place + 4)
    film.write_bytes(data)
    ticks = "+".join(f"eq(N,{n})*{fields * 20020}" for n, fields in enumerate(FIELDS))
    stamps = f"setts=pts='{ticks}':dts='{ticks}'"  # the demuxer counts in 1/1200000 s
    ffmpeg("-f", "mpegvideo", "-i", film, "-c", "copy", "-bsf:v", stamps, *options, f"file:{out}")


SHOWN = tuple(Fraction((fields * 3003 + 1) // 2, 90000) for fields in FIELDS)
add(
    "soft_telecine_ts",
    "film.ts",
    build=lambda out: _soft_telecine(out, *TS),
    count=60,
    times=SHOWN,
    codec="mpeg2video",
)
add(
    "soft_telecine_mkv",
    "film.mkv",
    build=_soft_telecine,
    count=60,
    times=tuple(
        Fraction(int(Fraction(fields * 1001, 60) + Fraction(1, 2)), 1000) for fields in FIELDS
    ),
)


def _telecined(width: int, height: int, count: int) -> Iterator[bytes]:
    """Film frames woven into video, 2:3; the code counts the frames of the video."""
    film = [n for n in range(count) for _ in range(3 if n % 2 else 2)]
    for index in range(count):
        top, bottom = (picture(film[2 * index + field], width, height) for field in (0, 1))
        top[:, 1::2] = bottom[:, 1::2]
        draw_code(top[0], index)
        yield top.tobytes()


def _hard_telecine(out: Path) -> None:
    raw = out.with_name("raw.yuv")
    raw.write_bytes(b"".join(_telecined(128, 96, 60)))
    ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "yuv444p", "-s", "128x96", "-framerate", "30000/1001"),
        *("-i", raw, "-vf", "setfield=tff", *MPEG2, "-flags", "+ilme+ildct"),
        *("-pix_fmt", "yuv420p", *TS, f"file:{out}"),
    )


add("hard_telecine", "woven.ts", build=_hard_telecine, count=60, rate=NTSC, interlaced=True)
