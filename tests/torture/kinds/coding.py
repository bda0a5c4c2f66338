"""Coding that is hard to cut: long groups, many B-frames, leading pictures, fields, packing."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from tests.torture.kinds.gops import MPEG2
from tests.torture.kinds.kind import PLAIN, TS, add, sine
from tests.torture.paff import field_pictures
from tests.torture.tool import ffmpeg, x264, x265

add("gop_4200", "gop_4200.mp4", x264("keyint=infinite"), size=(48, 32), count=4200, keys=1)
add("gop_2000_ts", "gop_2000.ts", [*x264("keyint=infinite"), *TS], size=(48, 32), count=2000)
MANY_B = "bframes=16:b-adapt=0:ref=4"
add("b_frames_16", "b16.mp4", x264(f"{MANY_B}:b-pyramid=normal"), count=100)
add("b_strict_ts", "strict.ts", [*x264(f"{MANY_B}:b-pyramid=strict:open-gop=1", gop=40), *TS])
add("b_frames_16_mkv", "b16.mkv", x264(f"{MANY_B}:b-pyramid=none:open-gop=1", gop=34), count=100)
add("h264_avi", "h264.avi", [*x264(), *PLAIN, "-c:a", "mp3"], inputs=sine(3), misread=True)
add("h264_annexb_mkv", "annexb.mkv", [*x264("repeat-headers=1:aud=1"), "-flags", "-global_header"])
add("h264_slices", "slices.mp4", x264("slices=4:sliced-threads=1"), count=50)
add("h264_lossless", "lossless.mp4", [*x264("qp=0", pix_fmt="yuv444p")], count=25)
HEVC_RADL = "radl=2:bframes=4:open-gop=0"
add("hevc_radl", "radl.mp4", [*x265(HEVC_RADL), "-tag:v", "hvc1"], codec="hevc")
add("hevc_radl_ts", "radl.ts", [*x265(HEVC_RADL), *TS], codec="hevc")
HEVC_DEEP = "bframes=8:b-pyramid=1:open-gop=1:keyint=20:min-keyint=20"
add("hevc_rasl_deep", "deep.mkv", x265(HEVC_DEEP), count=100, codec="hevc")
add("hevc_hev1", "hev1.mp4", [*x265("repeat-headers=1"), "-tag:v", "hev1"], codec="hevc")
add("raw_hevc", "raw.hevc", [*x265("b-adapt=0"), "-f", "hevc"], has_times=False)
add("raw_mpeg2", "raw.m2v", [*MPEG2, "-f", "mpeg2video"], has_times=False)
XVID = ("-c:v", "libxvid", "-q:v", "4", "-bf", "2", "-g", "25")
add(
    "packed_b_avi",
    "packed.avi",
    [*XVID, *PLAIN, "-c:a", "mp3"],
    inputs=sine(3),
    codes=[*range(72), 74],  # the encoder writes no picture for the last two B-frames
    times=(Fraction(0), *(Fraction(n, 25) for n in range(3, 75))),  # empty chunks hold the first
    misread=True,
)
add("mpeg4_mp4", "asp.mp4", ["-c:v", "mpeg4", "-q:v", "4", "-bf", "2", "-g", "25"], codec="mpeg4")
add("mpeg4_qpel", "qpel.mkv", ["-c:v", "mpeg4", "-q:v", "4", "-flags", "+qpel+mv4", "-bf", "1"])
add("vp8", "vp8.webm", [
    *("-c:v", "libvpx", "-crf", "20", "-b:v", "1M", "-cpu-used", "8", "-g", "25"),
    *("-auto-alt-ref", "1", "-lag-in-frames", "10", *PLAIN, "-c:a", "libvorbis"),
], inputs=sine(3), codec="vp8")  # fmt: skip
add("av1_alt_ref", "alt_ref.mp4", [
    *("-c:v", "libaom-av1", "-cpu-used", "8", "-crf", "40", "-g", "25", "-row-mt", "0"),
    *("-usage", "realtime", "-lag-in-frames", "0"),
], count=30)  # fmt: skip
add("ffv1_long_gop", "ffv1.mkv", ["-c:v", "ffv1", "-g", "300", "-level", "3"])
add("snow", "snow.mkv", ["-c:v", "snow", "-strict", "-2", "-q:v", "4"], count=25)
add("vvc", "vvc.mp4", ["-c:v", "libvvenc", "-preset", "faster", "-qp", "30", "-period", "1"],
    count=30)  # fmt: skip


def _paff(out: Path, *options: str) -> None:
    raw = out.with_name("fields.h264")
    raw.write_bytes(field_pictures(128, 96, 30))
    ffmpeg("-framerate", "25", "-i", raw, "-c", "copy", *options, f"file:{out}")


add("paff_raw", "paff.h264", build=lambda out: _raw_paff(out), count=30, has_times=False)
add("paff_ts", "paff.ts", build=lambda out: _paff(out, *TS), count=30, interlaced=True)
add("paff_mkv", "paff.mkv", build=lambda out: _paff(out), count=30, interlaced=True)
add("paff_mp4", "paff.mp4", build=lambda out: _paff(out), count=30, interlaced=True)


def _raw_paff(out: Path) -> None:
    out.write_bytes(field_pictures(128, 96, 30))
