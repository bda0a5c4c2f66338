"""Rates, gaps, offsets and wraps of time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from tests.torture.kinds.kind import AAC, FILM, NTSC, PASS, TS, add, base, copy, sine
from tests.torture.tool import ffmpeg, x264

add("cfr25", "cfr25.mp4", [*x264(), *AAC], inputs=sine(3), count=75, codec="h264")
add("ntsc", "ntsc.mp4", [*x264(), *AAC], inputs=sine(2.5), rate=NTSC)
add("film_mkv", "film.mkv", x264(), rate=FILM, base=1000)

DROPPED = [n for n in range(100) if not (n % 7 == 3 or 20 <= n < 28)]
DROP = ("-vf", "select='not(eq(mod(n,7),3)+between(n,20,27))'")
add(
    "vfr_drop",
    "vfr_drop.mp4",
    [*DROP, *PASS, "-enc_time_base", "1/25", *x264(), *AAC],
    inputs=sine(4),
    count=100,
    codes=DROPPED,
)


def _jitter(n: int) -> int:
    return n * 40 + n * 17 % 31


add(
    "vfr_jitter",
    "vfr_jitter.mkv",
    [
        *("-vf", "settb=1/1000,setpts='N*40+mod(N*17,31)'", *PASS),
        *("-enc_time_base", "1/1000", *x264(), *AAC),
    ],
    inputs=sine(3),
    times=tuple(Fraction(_jitter(n), 1000) for n in range(75)),
)
add(
    "vfr_jitter_mp4",
    "vfr_jitter.mp4",
    [
        *("-vf", "settb=1/90000,setpts='N*3003+mod(N*1571,2797)'", *PASS),
        *("-enc_time_base", "1/90000", "-video_track_timescale", "90000", *x264()),
    ],
    times=tuple(Fraction(n * 3003 + n * 1571 % 2797, 90000) for n in range(75)),
)
add(
    "base600",
    "base600.mp4",
    [*x264(), "-video_track_timescale", "600"],
    time_base=Fraction(1, 600),
)
add(
    "gap",
    "gap.mp4",
    ["-vf", "setpts='N+gte(N,30)*50'", *PASS, "-enc_time_base", "1/25", *x264()],
    times=tuple(Fraction(n + (50 if n >= 30 else 0), 25) for n in range(75)),
)
add("one_frame", "one.mp4", x264(), count=1)
add("two_frames", "two.mp4", x264(), count=2)
add(
    "video_late",
    "video_late.mp4",
    build=lambda out: _late(out, video="1"),
    first_time=Fraction(1),
)
add(
    "audio_late",
    "audio_late.mp4",
    build=lambda out: _late(out, audio="0.52"),
)
add(
    "audio_late_mkv",
    "audio_late.mkv",
    build=lambda out: _late(out, audio="0.52"),
)
add("audio_longer", "audio_longer.mp4", [*x264(), *AAC], inputs=sine(5), count=50)
add("audio_shorter", "audio_shorter.mp4", [*x264(), *AAC], inputs=sine(1.1))
add("no_audio", "no_audio.mp4", x264(), audio=())


def _late(out: Path, *, video: str = "0", audio: str = "0") -> None:
    whole = base(out)
    inputs = ("-itsoffset", video, "-i", whole, "-itsoffset", audio, "-i", whole)
    ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", "-c", "copy", f"file:{out}")


add(
    "edit_cut",
    "edit_cut.mp4",
    build=lambda out: copy(out, before=("-ss", "1.32")),
    codes=range(33, 75),
)
add(
    "negative_dts",
    "negative_dts.mp4",
    [*x264(), "-use_editlist", "0", "-movflags", "+negative_cts_offsets"],
)
add(
    "start_10h",
    "start_10h.mp4",
    build=lambda out: copy(out, "-output_ts_offset", "36000"),
    first_time=Fraction(36000),
)
add(
    "start_10h_mkv",
    "start_10h.mkv",
    build=lambda out: copy(out, "-output_ts_offset", "36000"),
    first_time=Fraction(36000),
)
add(
    "ts_wrap",
    "ts_wrap.ts",
    [*x264(), *AAC, "-output_ts_offset", "95442.7", *TS],
    inputs=sine(3),
)
