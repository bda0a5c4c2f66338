"""Groups of pictures: open, closed, long, and streams that begin within one."""

from __future__ import annotations

from pathlib import Path

from tests.torture.kinds.kind import AAC, PLAIN, TS, add, sine
from tests.torture.tool import encode, ffmpeg, x264, x265

OPEN = "open-gop=1:b-adapt=0"
add("open_gop", "open_gop.mp4", [*x264(OPEN, gop=27), *AAC], inputs=sine(4), count=100, leading=3)
add(
    "open_gop_ts",
    "open_gop.ts",
    [*x264(OPEN, gop=27), *AAC, *TS],
    inputs=sine(4),
    count=100,
    leading=3,
)
add("hevc", "hevc.mp4", [*x265(), "-tag:v", "hvc1"], codec="hevc", leading=2)
add("hevc_mkv", "hevc.mkv", x265(), codec="hevc", leading=2)
MPEG2 = ("-c:v", "mpeg2video", "-q:v", "4", "-g", "12", "-bf", "2", "-threads", "1")
add(
    "mpeg2_ts",
    "mpeg2.ts",
    [*MPEG2, "-map", "0:v", "-map", "1:a", "-c:a", "mp2", "-b:a", "64k", *TS],
    inputs=sine(3),
    codec="mpeg2video",
    leading=6,
)
REFRESH = "intra-refresh=1:bframes=0:ref=1"
add("intra_refresh", "intra_refresh.mp4", x264(REFRESH), keys=3)
add("intra_refresh_ts", "intra_refresh.ts", [*x264(REFRESH), *TS])
add("long_gop", "long_gop.mp4", x264(gop=1000), count=100, keys=1)
add("all_intra", "all_intra.mp4", x264(gop=1), count=50, keys=50)
add("closed_no_b", "closed_no_b.mp4", x264("bframes=0", gop=10), count=50)
FRAGMENTED = ("-movflags", "frag_keyframe+empty_moov+default_base_moof")
add("fragmented", "fragmented.mp4", [*x264(), *AAC, *FRAGMENTED], inputs=sine(3))
add(
    "avi_b_frames",
    "b_frames.avi",
    [
        *("-c:v", "mpeg4", "-q:v", "3", "-bf", "2", "-g", "12", "-threads", "1"),
        *(*PLAIN, "-c:a", "mp3", "-b:a", "64k"),
    ],
    inputs=sine(3),
    codec="mpeg4",
)
add("raw_h264", "raw.h264", [*x264(), "-f", "h264"], has_times=False)
add("mjpeg_avi", "mjpeg.avi", ["-c:v", "mjpeg", "-q:v", "4", "-threads", "1"], codec="mjpeg")
add("gif", "moving.gif", ["-f", "gif"], count=50, codec="gif")


def _mid_gop(out: Path) -> None:
    """A recording that begins anywhere: the pictures before the first keyframe are lost."""
    whole = out.with_name("whole.ts")
    encode(whole, *x264(), *TS)
    ffmpeg("-i", whole, "-c", "copy", "-bsf:v", "noise=drop='lt(n,5)'", *TS, f"file:{out}")


add("mid_gop_ts", "mid_gop.ts", build=_mid_gop, codes=range(25, 75))
add("hevc_ts", "hevc.ts", [*x265(), *TS], codec="hevc", leading=2)
