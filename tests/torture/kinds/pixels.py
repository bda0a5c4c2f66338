"""Formats of pixels, colour, and how the picture is to be shown."""

from __future__ import annotations

from fractions import Fraction
from functools import partial

from tests.torture.kinds.gops import MPEG2, OPEN
from tests.torture.kinds.kind import PLAIN, TS, add, copy, sine
from tests.torture.tool import x264, x265

HDR = "hdr10=1:repeat-headers=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
MASTER = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
add(
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
add("h264_10bit", "h264_10bit.mp4", x264(pix_fmt="yuv420p10le"), pix_fmt="yuv420p10le")
add(
    "full_range",
    "full_range.mp4",
    [*x264("fullrange=on", pix_fmt="yuvj420p"), "-color_range", "pc"],
    pix_fmt="yuvj420p",
)
BT709 = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
BT601 = "setparams=range=tv:color_primaries=smpte170m:color_trc=smpte170m:colorspace=smpte170m"
add("bt709", "bt709.mp4", [*x264(), "-vf", BT709], color_numbers=(1, 1, 1, 1))
add("bt601", "bt601.mp4", [*x264(), "-vf", BT601], color_numbers=(1, 6, 6, 6))
add("sar", "sar.mp4", [*x264(), "-vf", "setsar=4/3"], sar=Fraction(4, 3))
add("small", "small.mp4", x264(), size=(96, 64), count=50)
add("crf30", "crf30.mp4", x264(crf=30), size=(96, 64), count=50)
add("odd_444", "odd_444.mp4", x264(pix_fmt="yuv444p"), size=(161, 121), count=50, pix_fmt="yuv444p")
VP9 = ("-c:v", "libvpx-vp9", "-crf", "30", "-b:v", "0", "-cpu-used", "8", "-deadline", "realtime")
add(
    "odd_420",
    "odd_420.webm",
    [*VP9, "-pix_fmt", "yuv420p", "-g", "25"],
    size=(161, 121),
    count=50,
    pix_fmt="yuv420p",
)
add(
    "prores",
    "prores.mov",
    ["-c:v", "prores_ks", "-profile:v", "2", "-pix_fmt", "yuv422p10le", "-threads", "1"],
    count=50,
    pix_fmt="yuv422p10le",
)
add(
    "prores_4444",
    "prores_4444.mov",
    ["-c:v", "prores_ks", "-profile:v", "4", "-pix_fmt", "yuva444p10le", "-threads", "1"],
    count=25,
)
add(
    "interlaced_mpeg2",
    "interlaced.ts",
    [*MPEG2, "-flags", "+ilme+ildct", "-vf", "setfield=tff", *TS],
    count=50,
    interlaced=True,
)
add(
    "mbaff_ts",
    "mbaff.ts",
    [*x264(f"tff=1:{OPEN}", gop=27), "-flags", "+ilme+ildct", "-vf", "setfield=tff", *TS],
    interlaced=True,
)
add(
    "interlaced_h264",
    "interlaced.mp4",
    [*x264("tff=1"), "-flags", "+ilme+ildct", "-vf", "setfield=tff"],
    count=50,
    interlaced=True,
)
for turn in (90, 180):
    add(
        f"rotated{turn}",
        f"rotated{turn}.mp4",
        build=partial(copy, before=("-display_rotation", str(turn))),
        rotation=turn if turn < 180 else -180,
    )
add(
    "vp9_webm",
    "vp9.webm",
    [
        *("-c:v", "libvpx-vp9", "-crf", "30", "-b:v", "0", "-cpu-used", "6", "-g", "25"),
        *("-auto-alt-ref", "1", "-lag-in-frames", "16", "-pix_fmt", "yuv420p"),
        *("-threads", "1", *PLAIN, "-c:a", "libopus", "-b:a", "48k"),
    ],
    inputs=sine(3),
    codec="vp9",
)
AV1 = ("-c:v", "libsvtav1", "-preset", "10", "-crf", "35", "-g", "25", "-pix_fmt", "yuv420p")
add(
    "vp9_alpha",
    "alpha.webm",
    [*VP9, "-pix_fmt", "yuva420p", "-auto-alt-ref", "0", "-g", "25"],
    count=50,
)
add("av1", "av1.mp4", [*AV1, "-svtav1-params", "lp=1"], count=50, codec="libdav1d")
add("av1_mkv", "av1.mkv", [*AV1, "-svtav1-params", "lp=1"], count=50, codec="libdav1d")
