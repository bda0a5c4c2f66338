"""Containers, and the ways in which each can be laid out."""

from __future__ import annotations

import struct
from fractions import Fraction
from functools import partial
from pathlib import Path

from tests.torture.boxes import Box, parse, write
from tests.torture.kinds.gops import MPEG2
from tests.torture.kinds.kind import AAC, PLAIN, TS, add, base, copy, sample_mp4, sine
from tests.torture.kinds.pixels import VP9
from tests.torture.tool import encode, ffmpeg, x264

MP2 = (*PLAIN, "-c:a", "mp2", "-b:a", "64k")
add("mxf_mpeg2", "mpeg2.mxf", [*MPEG2, *PLAIN, "-c:a", "pcm_s16le"], inputs=sine(3))
add("mxf_h264", "h264.mxf", [*x264(), *PLAIN, "-c:a", "pcm_s24le"], inputs=sine(3), misread=True)
add(
    "ogg_theora",
    "theora.ogv",
    ["-c:v", "libtheora", "-q:v", "9", "-g", "25", *PLAIN, "-c:a", "libvorbis"],
    inputs=sine(3),
)
add("ogg_theora_opus", "opus.ogg", ["-c:v", "libtheora", "-q:v", "9", *PLAIN, "-c:a", "libopus"],
    inputs=sine(3))  # fmt: skip
add("ogg_vp8", "vp8.ogv", ["-c:v", "libvpx", "-b:v", "1M", "-auto-alt-ref", "0"], count=40)
add("flv_h264", "h264.flv", [*x264(), *AAC], inputs=sine(3))
add("flv_h263", "flv1.flv", ["-c:v", "flv", "-q:v", "4", *PLAIN, "-c:a", "mp3", "-ar", "44100"],
    inputs=sine(3))  # fmt: skip
X265 = ("-c:v", "libx265", "-x265-params", "log-level=error:pools=1", "-preset", "ultrafast")
add("flv_hevc", "hevc.flv", X265, count=30)
add("flv_screen", "screen.flv", ["-c:v", "flashsv", "-pix_fmt", "bgr24"], count=30)
add("wmv", "wmv2.wmv", ["-c:v", "wmv2", "-q:v", "3", *PLAIN, "-c:a", "wmav2"], inputs=sine(3))
add("asf_h264", "h264.asf", [*x264(), *AAC], inputs=sine(3), misread=True)
add("msmpeg4_avi", "divx3.avi", ["-c:v", "msmpeg4", "-q:v", "3", *PLAIN, "-c:a", "mp3"],
    inputs=sine(3), times=(Fraction(0), *(Fraction(n + 1, 25) for n in range(1, 75))))  # fmt: skip
add("mpg_mpeg1", "mpeg1.mpg", ["-c:v", "mpeg1video", "-q:v", "3", "-bf", "2", *MP2], inputs=sine(3))
add("mpg_mpeg2", "mpeg2.mpg", [*MPEG2, *MP2], inputs=sine(3))
add("vob", "vts.vob", [*MPEG2, *PLAIN, "-c:a", "ac3", "-b:a", "96k"], inputs=sine(3))
add("3gp_h263", "h263.3gp", [
    *("-c:v", "h263", "-q:v", "4", *PLAIN, "-c:a", "libopencore_amrnb", "-ar", "8000", "-ac", "1"),
], inputs=sine(3), size=(176, 144), count=40)  # fmt: skip
add("3gp_h264", "h264.3gp", [*x264(), *AAC], inputs=sine(3))
add("3g2", "h264.3g2", [*x264(), *AAC], inputs=sine(3))
add("ivf_vp8", "vp8.ivf", ["-c:v", "libvpx", "-b:v", "1M", "-auto-alt-ref", "0"], count=40)
add("ivf_vp9", "vp9.ivf", [*VP9], count=40)
add("nut_h264", "h264.nut", [*x264(), *PLAIN, "-c:a", "libvorbis"], inputs=sine(3))
add("nut_ffv1", "ffv1.nut", ["-c:v", "ffv1", *PLAIN, "-c:a", "flac"], inputs=sine(1), count=25)
add("m2ts", "disc.m2ts", [*x264(), *PLAIN, "-c:a", "ac3", "-mpegts_m2ts_mode", "1", "-f", "mpegts"],
    inputs=sine(3))  # fmt: skip
add("f4v", "video.f4v", [*x264(), *AAC], inputs=sine(3))
add("m4v", "video.m4v", [*x264(), *AAC, "-f", "mp4"], inputs=sine(3))
add("mkv_live", "live.mkv", [*x264(), *AAC, "-live", "1"], inputs=sine(3))
add("mkv_front_index", "front.mkv", [*x264(), *AAC, "-cues_to_front", "1"], inputs=sine(3))
add("webm_dash", "dash.webm", [*VP9, "-dash", "1", "-f", "webm"], count=40)
add("avi_raw_audio", "pcm.avi", [*x264("bframes=0"), *PLAIN, "-c:a", "pcm_s16le"], inputs=sine(3))
add("ts_latm", "latm.ts", [*x264(), *AAC, "-mpegts_flags", "latm", *TS], inputs=sine(3))
add("ts_late_audio", "late.ts", build=lambda out: copy(out, *TS, before=("-itsoffset", "0")))


def _joined(out: Path) -> None:
    """Two recordings one after the other, the clock of each starting anew."""
    parts = []
    for first, name in ((0, "one.ts"), (40, "two.ts")):
        part = out.with_name(name)
        select = ("-vf", f"select='between(n,{first},{first + 39})',setpts=PTS-STARTPTS")
        encode(part, *x264("bframes=0"), *select, *TS, count=80)
        parts.append(part.read_bytes())
    out.write_bytes(b"".join(parts))


add("ts_clock_restarts", "joined.ts", build=_joined, count=80, misread=True)


def _cut_ts(out: Path) -> None:
    """A recording that begins and ends within a transport packet."""
    whole = out.with_name("whole.ts")
    encode(whole, *x264(gop=10), *TS)
    out.write_bytes(whole.read_bytes()[100:])


def _stops(out: Path) -> None:
    """A recording that stops within a picture, as they do: what is there is all there is."""
    whole = out.with_name("whole.ts")
    encode(whole, *x264(), count=100)
    data = whole.read_bytes()
    out.write_bytes(data[: int(len(data) * 0.6)])


add("ts_stops_anywhere", "stops.ts", build=_stops, count=58)
add("ts_begins_anywhere", "anywhere.ts", build=_cut_ts)

# MP4.

FRAGMENTS = "frag_keyframe+empty_moov+default_base_moof"
add("mp4_faststart", "front.mp4", [*x264(), *AAC, "-movflags", "+faststart"], inputs=sine(3))
add("mp4_dash", "dash.mp4", [*x264(), *AAC, "-movflags", f"{FRAGMENTS}+dash+global_sidx"],
    inputs=sine(3))  # fmt: skip
add("mp4_cmaf", "cmaf.mp4", [*x264(), "-movflags", f"{FRAGMENTS}+cmaf+delay_moov"])
add(
    "mp4_fragments_late",
    "late.mp4",
    [*x264(), *AAC, "-movflags", f"{FRAGMENTS}+frag_discont", "-output_ts_offset", "7200"],
    inputs=sine(3),
)
add("mp4_hybrid", "hybrid.mp4", [*x264(), *AAC, "-movflags", "+hybrid_fragmented"], inputs=sine(3))
add("mp4_every_frame", "every.mp4", [*x264(), "-movflags", f"{FRAGMENTS}+frag_every_frame"])


def _co64(out: Path) -> None:
    file = parse(sample_mp4())
    for box in file.all(b"stco"):
        count = struct.unpack_from(">I", box.data, 4)[0]
        places = struct.unpack_from(f">{count}I", box.data, 8)
        box.kind, box.data = b"co64", box.data[:8] + struct.pack(f">{count}Q", *places)
    out.write_bytes(write(file))  # the index lies at the end, so the samples stay where they are


add("mp4_co64", "co64.mp4", build=_co64, count=40)


def _wide_mdat(out: Path) -> None:
    """A media box of 64-bit size, and boxes that nobody knows before it."""
    file = parse(sample_mp4())
    place = [box.kind for box in file.boxes].index(b"mdat")
    strange = [Box(b"wide"), Box(b"free", b"\0" * 200), Box(b"uuid", b"\7" * 60)]
    before = write(Box(b"", boxes=file.boxes[:place] + strange))
    old = len(write(Box(b"", boxes=file.boxes[:place]))) + 8
    shift = len(before) + 16 - old
    media = file.boxes[place].data
    after = write(Box(b"", boxes=file.boxes[place + 1 :]), lambda at: at + shift)
    head = struct.pack(">I4sQ", 1, b"mdat", 16 + len(media))
    out.write_bytes(before + head + media + after)


add("mp4_wide_mdat", "wide.mp4", build=_wide_mdat, count=40)


def _edits(out: Path, edits: list[tuple[float, float | None]]) -> None:
    """Give the video of the plain clip a list of edits: seconds long, and from where."""
    whole = parse(base(out).read_bytes())
    track = whole.first(b"trak")
    movie = struct.unpack_from(">I", whole.first(b"mvhd").data, 12)[0]
    media = struct.unpack_from(">I", track.first(b"mdhd").data, 12)[0]
    elst = track.first(b"elst")
    start = struct.unpack_from(">i", elst.data, 12)[0]
    rows = [
        struct.pack(
            ">IiI", round(long * movie), -1 if at is None else start + round(at * media), 1 << 16
        )
        for long, at in edits
    ]
    elst.data = struct.pack(">II", 0, len(rows)) + b"".join(rows)
    out.write_bytes(write(whole))


add(
    "edits_two_parts",
    "edits.mp4",
    build=partial(_edits, edits=[(1, 0), (1, 2)]),
    codes=[*range(25), *range(50, 75)],
    times=tuple(Fraction(n, 25) for n in range(50)),
)
add(
    "edits_empty_and_cut",
    "edits.mp4",
    build=partial(_edits, edits=[(0.8, None), (2, 1)]),
    codes=range(25, 75),
    first_time=Fraction(4, 5),
)
add(
    "edits_inside_group",
    "edits.mp4",
    build=partial(_edits, edits=[(1.4, 0.6)]),
    codes=range(15, 50),
)


def _two_entries(out: Path) -> None:
    """Two sample descriptions of one size, as cameras write that stop and go on."""
    whole = parse(base(out).read_bytes())
    track = whole.first(b"trak")
    stsd, stsc = track.first(b"stsd"), track.first(b"stsc")
    entry = stsd.data[8:]
    stsd.data = struct.pack(">II", 0, 2) + entry + entry
    rows = struct.unpack_from(">I", stsc.data, 4)[0]
    place = 8 + 12 * (rows - 1) + 8
    stsc.data = stsc.data[:place] + struct.pack(">I", 2) + stsc.data[place + 4 :]
    out.write_bytes(write(whole))


add("mp4_two_entries", "entries.mp4", build=_two_entries)


def _from_base(out: Path, *options: str) -> None:
    ffmpeg("-i", base(out), "-map", "0", "-c", "copy", *options, f"file:{out}")


add("mp4_no_edits", "plain.mp4", build=lambda out: _from_base(out, "-use_editlist", "0"),
    times=tuple(Fraction(n, 25) for n in range(75)))  # fmt: skip
add("mkv_from_mp4", "copied.mkv", build=_from_base)
