"""The good clips: what each is, how it is made and what must be seen in it."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from PIL import Image

from tests.torture.tool import encode, ffmpeg, x264, x265

__all__ = ["KINDS", "Kind", "sample_mp4"]

NTSC = Fraction(30000, 1001)
FILM = Fraction(24000, 1001)


@dataclass(frozen=True)
class Kind:
    """One sort of clip."""

    name: str
    file: str
    """Name of the file."""
    build: Callable[[Path], None]
    """Writes the file; its folder is empty and may be used for scratch files."""
    codes: tuple[int, ...]
    """The indices that must be read from it, in order of presentation."""
    times: tuple[Fraction, ...]
    """Seconds of each frame after the first."""
    size: tuple[int, int] = (128, 96)
    facts: dict[str, Any] = field(default_factory=dict)
    """What ``Observed`` must say about it, by attribute."""
    has_times: bool = True
    """False for a bare elementary stream: times can only be made up from the frame rate."""


KINDS: dict[str, Kind] = {}


def _cfr(codes: Iterable[int], rate: Fraction | int, base: int = 0) -> tuple[Fraction, ...]:
    """Even times, rounded to 1/base where the container cannot hold them."""
    exact = [Fraction(code) / Fraction(rate) for code in codes]
    if base:
        exact = [Fraction(int(time * base + Fraction(1, 2)), base) for time in exact]
    return tuple(time - exact[0] for time in exact)


def _sine(seconds: float, hertz: int = 440, rate: int = 48000) -> tuple[str, ...]:
    sound = f"sine=frequency={hertz}:sample_rate={rate}:duration={seconds}"
    return ("-f", "lavfi", "-i", sound)


PLAIN = ("-map", "0:v", "-map", "1:a")
AAC = (*PLAIN, "-c:a", "aac", "-b:a", "64k")
TS = ("-muxdelay", "0", "-muxpreload", "0", "-f", "mpegts")


def _add(
    name: str,
    file: str,
    args: Iterable[str] = (),
    *,
    inputs: tuple[str | Path, ...] = (),
    count: int = 75,
    rate: Fraction | int = 25,
    base: int = 0,
    size: tuple[int, int] = (128, 96),
    codes: Iterable[int] | None = None,
    times: tuple[Fraction, ...] | None = None,
    build: Callable[[Path], None] | None = None,
    has_times: bool = True,
    **facts: Any,
) -> None:
    """Enter a kind; without ``build`` it is one run of the encoder with ``args``."""
    made = tuple(range(count) if codes is None else codes)
    if build is None:
        build = partial(
            _encode, args=tuple(args), inputs=inputs, count=count, size=size, rate=str(rate)
        )
    if name in KINDS:
        raise ValueError(f"kind {name!r} is already there")
    KINDS[name] = Kind(
        name, file, build, made, times or _cfr(made, rate, base), size, facts, has_times
    )


def _encode(out: Path, *, args: tuple[str, ...], **options: Any) -> None:
    encode(out, *args, **options)


@lru_cache(maxsize=4)
def sample_mp4(count: int = 40) -> bytes:
    """A plain H.264 and AAC clip, for whatever needs some good file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.mp4"
        encode(path, *x264(), *AAC, inputs=_sine(count / 25), count=count)
        return path.read_bytes()


# Time: rates, gaps, offsets, wraps.

_add("cfr25", "cfr25.mp4", [*x264(), *AAC], inputs=_sine(3), count=75, codec="h264")
_add("ntsc", "ntsc.mp4", [*x264(), *AAC], inputs=_sine(2.5), rate=NTSC)
_add("film_mkv", "film.mkv", x264(), rate=FILM, base=1000)

DROPPED = [n for n in range(100) if not (n % 7 == 3 or 20 <= n < 28)]
DROP = ("-vf", "select='not(eq(mod(n,7),3)+between(n,20,27))'")
PASS = ("-fps_mode", "passthrough")
_add(
    "vfr_drop",
    "vfr_drop.mp4",
    [*DROP, *PASS, "-enc_time_base", "1/25", *x264(), *AAC],
    inputs=_sine(4),
    count=100,
    codes=DROPPED,
)


def _jitter(n: int) -> int:
    return n * 40 + n * 17 % 31


_add(
    "vfr_jitter",
    "vfr_jitter.mkv",
    [
        *("-vf", "settb=1/1000,setpts='N*40+mod(N*17,31)'", *PASS),
        *("-enc_time_base", "1/1000", *x264(), *AAC),
    ],
    inputs=_sine(3),
    times=tuple(Fraction(_jitter(n), 1000) for n in range(75)),
)
_add(
    "vfr_jitter_mp4",
    "vfr_jitter.mp4",
    [
        *("-vf", "settb=1/90000,setpts='N*3003+mod(N*1571,2797)'", *PASS),
        *("-enc_time_base", "1/90000", "-video_track_timescale", "90000", *x264()),
    ],
    times=tuple(Fraction(n * 3003 + n * 1571 % 2797, 90000) for n in range(75)),
)
_add(
    "base600",
    "base600.mp4",
    [*x264(), "-video_track_timescale", "600"],
    time_base=Fraction(1, 600),
)
_add(
    "gap",
    "gap.mp4",
    ["-vf", "setpts='N+gte(N,30)*50'", *PASS, "-enc_time_base", "1/25", *x264()],
    times=tuple(Fraction(n + (50 if n >= 30 else 0), 25) for n in range(75)),
)
_add("one_frame", "one.mp4", x264(), count=1)
_add("two_frames", "two.mp4", x264(), count=2)
_add(
    "video_late",
    "video_late.mp4",
    build=lambda out: _late(out, video="1"),
    first_time=Fraction(1),
)
_add(
    "audio_late",
    "audio_late.mp4",
    build=lambda out: _late(out, audio="0.52"),
)
_add(
    "audio_late_mkv",
    "audio_late.mkv",
    build=lambda out: _late(out, audio="0.52"),
)
_add("audio_longer", "audio_longer.mp4", [*x264(), *AAC], inputs=_sine(5), count=50)
_add("audio_shorter", "audio_shorter.mp4", [*x264(), *AAC], inputs=_sine(1.1))
_add("no_audio", "no_audio.mp4", x264(), audio=())


def _base(out: Path) -> Path:
    """The plain clip of 75 frames beside ``out``, for kinds made by copying its packets."""
    path = out.with_name("base.mp4")
    path.write_bytes(sample_mp4(75))
    return path


def _late(out: Path, *, video: str = "0", audio: str = "0") -> None:
    base = _base(out)
    inputs = ("-itsoffset", video, "-i", base, "-itsoffset", audio, "-i", base)
    ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", "-c", "copy", f"file:{out}")


def _copy(out: Path, *args: str, before: tuple[str, ...] = ()) -> None:
    ffmpeg(*before, "-i", _base(out), "-map", "0", "-c", "copy", *args, f"file:{out}")


_add(
    "edit_cut",
    "edit_cut.mp4",
    build=lambda out: _copy(out, before=("-ss", "1.32")),
    codes=range(33, 75),
)
_add(
    "negative_dts",
    "negative_dts.mp4",
    [*x264(), "-use_editlist", "0", "-movflags", "+negative_cts_offsets"],
)
_add(
    "start_10h",
    "start_10h.mp4",
    build=lambda out: _copy(out, "-output_ts_offset", "36000"),
    first_time=Fraction(36000),
)
_add(
    "start_10h_mkv",
    "start_10h.mkv",
    build=lambda out: _copy(out, "-output_ts_offset", "36000"),
    first_time=Fraction(36000),
)
_add(
    "ts_wrap",
    "ts_wrap.ts",
    [*x264(), *AAC, "-output_ts_offset", "95442.7", *TS],
    inputs=_sine(3),
)

# Groups of pictures.

OPEN = "open-gop=1:b-adapt=0"
_add("open_gop", "open_gop.mp4", [*x264(OPEN, gop=27), *AAC], inputs=_sine(4), count=100, leading=3)
_add(
    "open_gop_ts",
    "open_gop.ts",
    [*x264(OPEN, gop=27), *AAC, *TS],
    inputs=_sine(4),
    count=100,
    leading=3,
)
_add("hevc", "hevc.mp4", [*x265(), "-tag:v", "hvc1"], codec="hevc", leading=2)
_add("hevc_mkv", "hevc.mkv", x265(), codec="hevc", leading=2)
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "4", "-g", "12", "-bf", "2", "-threads", "1")
_add(
    "mpeg2_ts",
    "mpeg2.ts",
    [*MPEG2, "-map", "0:v", "-map", "1:a", "-c:a", "mp2", "-b:a", "64k", *TS],
    inputs=_sine(3),
    codec="mpeg2video",
    leading=6,
)
REFRESH = "intra-refresh=1:bframes=0:ref=1"
_add("intra_refresh", "intra_refresh.mp4", x264(REFRESH), keys=3)
_add("intra_refresh_ts", "intra_refresh.ts", [*x264(REFRESH), *TS])
_add("long_gop", "long_gop.mp4", x264(gop=1000), count=100, keys=1)
_add("all_intra", "all_intra.mp4", x264(gop=1), count=50, keys=50)
_add("closed_no_b", "closed_no_b.mp4", x264("bframes=0", gop=10), count=50)
FRAGMENTED = ("-movflags", "frag_keyframe+empty_moov+default_base_moof")
_add("fragmented", "fragmented.mp4", [*x264(), *AAC, *FRAGMENTED], inputs=_sine(3))
_add(
    "avi_b_frames",
    "b_frames.avi",
    [
        *("-c:v", "mpeg4", "-q:v", "3", "-bf", "2", "-g", "12", "-threads", "1"),
        *(*PLAIN, "-c:a", "mp3", "-b:a", "64k"),
    ],
    inputs=_sine(3),
    codec="mpeg4",
)
_add("raw_h264", "raw.h264", [*x264(), "-f", "h264"], has_times=False)
_add("mjpeg_avi", "mjpeg.avi", ["-c:v", "mjpeg", "-q:v", "4", "-threads", "1"], codec="mjpeg")
_add("gif", "moving.gif", ["-f", "gif"], count=50, codec="gif")


def _mid_gop(out: Path) -> None:
    """A recording that begins anywhere: the pictures before the first keyframe are lost."""
    whole = out.with_name("whole.ts")
    encode(whole, *x264(), *TS)
    ffmpeg("-i", whole, "-c", "copy", "-bsf:v", "noise=drop='lt(n,5)'", *TS, f"file:{out}")


_add("mid_gop_ts", "mid_gop.ts", build=_mid_gop, codes=range(25, 75))
_add("hevc_ts", "hevc.ts", [*x265(), *TS], codec="hevc", leading=2)


# Formats of pixels and colour.

HDR = "hdr10=1:repeat-headers=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
MASTER = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
_add(
    "hdr10",
    "hdr10.mp4",
    [
        *x265(f"{HDR}:{MASTER}:max-cll=1000,400", pix_fmt="yuv420p10le"),
        *("-tag:v", "hvc1", "-color_primaries", "bt2020", "-color_trc", "smpte2084"),
        *("-colorspace", "bt2020nc", "-color_range", "tv"),
    ],
    count=50,
    pix_fmt="yuv420p10le",
    color_numbers=(1, 9, 16, 9),
)
_add("h264_10bit", "h264_10bit.mp4", x264(pix_fmt="yuv420p10le"), pix_fmt="yuv420p10le")
_add(
    "full_range",
    "full_range.mp4",
    [*x264("fullrange=on", pix_fmt="yuvj420p"), "-color_range", "pc"],
    pix_fmt="yuvj420p",
)
BT709 = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
BT601 = "setparams=range=tv:color_primaries=smpte170m:color_trc=smpte170m:colorspace=smpte170m"
_add("bt709", "bt709.mp4", [*x264(), "-vf", BT709], color_numbers=(1, 1, 1, 1))
_add("bt601", "bt601.mp4", [*x264(), "-vf", BT601], color_numbers=(1, 6, 6, 6))
_add("sar", "sar.mp4", [*x264(), "-vf", "setsar=4/3"], sar=Fraction(4, 3))
_add("small", "small.mp4", x264(), size=(96, 64), count=50)
_add("crf30", "crf30.mp4", x264(crf=30), size=(96, 64), count=50)
_add(
    "odd_444", "odd_444.mp4", x264(pix_fmt="yuv444p"), size=(161, 121), count=50, pix_fmt="yuv444p"
)
VP9 = ("-c:v", "libvpx-vp9", "-crf", "30", "-b:v", "0", "-cpu-used", "8", "-deadline", "realtime")
_add(
    "odd_420",
    "odd_420.webm",
    [*VP9, "-pix_fmt", "yuv420p", "-g", "25"],
    size=(161, 121),
    count=50,
    pix_fmt="yuv420p",
)
_add(
    "prores",
    "prores.mov",
    ["-c:v", "prores_ks", "-profile:v", "2", "-pix_fmt", "yuv422p10le", "-threads", "1"],
    count=50,
    pix_fmt="yuv422p10le",
)
_add(
    "prores_4444",
    "prores_4444.mov",
    ["-c:v", "prores_ks", "-profile:v", "4", "-pix_fmt", "yuva444p10le", "-threads", "1"],
    count=25,
)
_add(
    "interlaced_mpeg2",
    "interlaced.ts",
    [*MPEG2, "-flags", "+ilme+ildct", "-vf", "setfield=tff", *TS],
    count=50,
    interlaced=True,
)
_add(
    "mbaff_ts",
    "mbaff.ts",
    [*x264(f"tff=1:{OPEN}", gop=27), "-flags", "+ilme+ildct", "-vf", "setfield=tff", *TS],
    interlaced=True,
)
_add(
    "interlaced_h264",
    "interlaced.mp4",
    [*x264("tff=1"), "-flags", "+ilme+ildct", "-vf", "setfield=tff"],
    count=50,
    interlaced=True,
)
for turn in (90, 180):
    _add(
        f"rotated{turn}",
        f"rotated{turn}.mp4",
        build=partial(_copy, before=("-display_rotation", str(turn))),
        rotation=turn if turn < 180 else -180,
    )
_add(
    "vp9_webm",
    "vp9.webm",
    [
        *("-c:v", "libvpx-vp9", "-crf", "30", "-b:v", "0", "-cpu-used", "6", "-g", "25"),
        *("-auto-alt-ref", "1", "-lag-in-frames", "16", "-pix_fmt", "yuv420p"),
        *("-threads", "1", *PLAIN, "-c:a", "libopus", "-b:a", "48k"),
    ],
    inputs=_sine(3),
    codec="vp9",
)
AV1 = ("-c:v", "libsvtav1", "-preset", "10", "-crf", "35", "-g", "25", "-pix_fmt", "yuv420p")
_add(
    "vp9_alpha",
    "alpha.webm",
    [*VP9, "-pix_fmt", "yuva420p", "-auto-alt-ref", "0", "-g", "25"],
    count=50,
)
_add("av1", "av1.mp4", [*AV1, "-svtav1-params", "lp=1"], count=50, codec="libdav1d")
_add("av1_mkv", "av1.mkv", [*AV1, "-svtav1-params", "lp=1"], count=50, codec="libdav1d")

# Tracks, tags and pictures that come along.

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
        inputs=(*_sine(3), *_sine(3, 660), "-i", srt, "-i", tags),
    )


TAGS = {"title": "A test", "artist": "Nobody", "comment": "made by a test"}
TITLES = ("One", "Two \u2013 the end")


def _tracks_mkv(out: Path) -> None:
    note = out.with_name("note.txt")
    note.write_text("An attached file.\n", encoding="utf-8")
    mime = ("-metadata:s:t:0", "mimetype=text/plain")
    _tracks(out, subtitle="srt", more=("-attach", str(note), *mime))


_add(
    "tracks_mkv",
    "tracks.mkv",
    build=_tracks_mkv,
    languages=("eng", "deu"),
    titles=TITLES,
    lines=LINES,
    metadata=TAGS,
    attached=1,
)
_add(
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
        inputs=(*_sine(3), "-i", _cover(out)),
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


_add("cover", "cover.mp4", build=_with_cover, pictures=1)
_add("cover_first", "cover_first.mp4", build=_cover_first, pictures=1, video_index=1)
_add(
    "cover_mkv",
    "cover.mkv",
    build=_mkv_cover,
    pictures=1,
)
_add(
    "timecode_mov",
    "timecode.mov",
    [*x264(), *PLAIN, "-c:a", "pcm_s24le", "-timecode", "01:00:00:00"],
    inputs=_sine(3),
)
_add(
    "two_videos",
    "two_videos.mp4",
    ["-map", "0:v", "-map", "1:v", "-map", "2:a", *x264(), "-c:a", "aac"],
    inputs=("-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=3", *_sine(3)),
)
_add(
    "pcm_mov", "pcm.mov", [*x264(), *PLAIN, "-c:a", "pcm_s16le"], inputs=_sine(3), sound="pcm_s16le"
)
_add("flac_mkv", "flac.mkv", [*x264(), *PLAIN, "-c:a", "flac"], inputs=_sine(3), sound="flac")
_add("mp3_mp4", "mp3.mp4", [*x264(), *PLAIN, "-c:a", "mp3"], inputs=_sine(3), sound="mp3float")
_add("opus_mkv", "opus.mkv", [*x264(), *PLAIN, "-c:a", "libopus"], inputs=_sine(3))


def _write_sample(out: Path) -> None:
    out.write_bytes(sample_mp4())


# Names that a program may trip over. The clips are the same.

HOSTILE = {
    "quotes": "a b'c\".mp4",
    "dash": "-dash.mp4",
    "percent": "100%05d.mp4",
    "colon": "co:lon.mp4",
    "unicode": "日本語.mp4",
    "newline": "new\nline.mp4",
    "brackets": "[1]{2}*?$(x).mp4",
    "no_suffix": "video",
}
for _name, _file in HOSTILE.items():
    _add(f"name_{_name}", _file, build=_write_sample, count=40)
