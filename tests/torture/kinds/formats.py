"""Formats of samples: sampling, depth, RGB, alpha, size, and what each codec makes of them."""

from __future__ import annotations

from tests.torture.kinds.kind import PLAIN, add, sine
from tests.torture.kinds.pixels import VP9
from tests.torture.tool import x264, x265

# Sampling and depth.

for _format in ("yuv422p", "yuv422p10le", "yuv444p10le", "gray", "gray10le"):
    add(f"h264_{_format}", f"{_format}.mp4", x264(pix_fmt=_format), count=30)
for _format in ("yuv422p12le", "yuv420p12le", "yuv444p12le", "gray", "gray12le", "yuv444p"):
    add(
        f"hevc_{_format}",
        f"{_format}.mp4",
        [*x265(pix_fmt=_format), "-tag:v", "hvc1"],
        count=30,
        pix_fmt=_format,
    )
FFV1 = ("-c:v", "ffv1", "-level", "3", "-g", "1")
for _format in (
    *("gray", "gray10le", "gray12le", "gray16le", "ya8", "yuv410p", "yuv411p", "yuv440p"),
    *("yuv420p16le", "yuv444p16le", "yuv422p14le", "yuva420p", "yuva444p16le", "gbrp10le"),
    *("gbrp16le", "gbrap", "bgra", "rgb48le", "yuv420p9le"),
):
    add(
        f"ffv1_{_format}",
        f"{_format}.mkv",
        [*FFV1, "-pix_fmt", _format, "-strict", "-2"],
        count=15,
    )
for _format in ("bgr24", "uyvy422", "yuyv422", "yuv420p", "yuv411p", "gray", "rgb555le"):
    add(
        f"raw_{_format}_avi",
        f"{_format}.avi",
        ["-c:v", "rawvideo", "-pix_fmt", _format],
        count=15,
    )
for _format in ("rgb24", "nv12", "yuv444p", "yuv420p10le", "rgba", "gray16le", "monow"):
    add(
        f"raw_{_format}_nut",
        f"{_format}.nut",
        ["-c:v", "rawvideo", "-pix_fmt", _format],
        count=15,
    )

# Sizes.

add("tiny_16", "tiny.mp4", x264(crf=10), size=(16, 16), count=40)
add("tiny_16_mkv", "tiny.mkv", ["-c:v", "ffv1", "-pix_fmt", "yuv420p"], size=(16, 16), count=40)
add("tiny_18x10", "tiny.mov", ["-c:v", "png", "-pix_fmt", "rgb24"], size=(18, 10), count=10)
add("tall", "tall.mp4", x264(), size=(90, 160), count=50)
add("very_tall", "very_tall.mp4", x264(), size=(32, 512), count=25)
add("very_wide", "very_wide.webm", [*VP9, "-pix_fmt", "yuv420p"], size=(512, 32), count=25)
add("cropped", "cropped.mp4", x264(), size=(130, 98), count=30)
add("hevc_cropped", "cropped.mkv", x265(), size=(130, 98), count=30)
add("odd_hevc_422", "odd.mkv", [*FFV1, "-pix_fmt", "yuv422p"], size=(161, 121), count=15)
add("uhd", "uhd.mp4", x264(gop=4), size=(3840, 2160), count=4)

# Codecs of cameras, editors and screens.

add(
    "prores_xq",
    "xq.mov",
    ["-c:v", "prores_ks", "-profile:v", "5", "-pix_fmt", "yuv444p10le"],
    count=15,
)
add(
    "prores_interlaced",
    "interlaced.mov",
    ["-c:v", "prores_ks", "-profile:v", "1", "-flags", "+ildct", "-vf", "setfield=tff"],
    count=15,
    interlaced=True,
)
for _profile, _format in (("hq", "yuv422p"), ("hqx", "yuv422p10le"), ("444", "yuv444p10le")):
    for _suffix in ("mov", "mxf"):
        add(
            f"dnxhr_{_profile}_{_suffix}",
            f"dnxhr_{_profile}.{_suffix}",
            ["-c:v", "dnxhd", "-profile:v", f"dnxhr_{_profile}", "-pix_fmt", _format],
            size=(256, 144),
            count=15,
        )
add(
    "dnxhd_mxf",
    "dnxhd.mxf",
    ["-c:v", "dnxhd", "-b:v", "36M", "-pix_fmt", "yuv422p", *PLAIN, "-c:a", "pcm_s16le"],
    inputs=sine(0.4),
    size=(1920, 1080),
    count=10,
)
DV = ("-c:v", "dvvideo", "-s", "720x480", "-pix_fmt", "yuv411p")
for _suffix, _sound in (("avi", "pcm_s16le"), ("mov", "pcm_s16le"), ("mkv", "pcm_s16le")):
    add(
        f"dv_ntsc_{_suffix}",
        f"dv.{_suffix}",
        [*DV, *PLAIN, "-c:a", _sound],
        inputs=sine(1),
        rate="30000/1001",
        size=(720, 480),
        count=20,
        base=1000 if _suffix == "mkv" else 0,
    )
add(
    "dv_pal_avi",
    "pal.avi",
    ["-c:v", "dvvideo", "-s", "720x576", "-pix_fmt", "yuv420p"],
    size=(720, 576),
    count=15,
)
add(
    "dv_raw",
    "raw.dv",
    [*DV, *PLAIN, "-ac", "2", "-c:a", "pcm_s16le"],
    inputs=sine(1),
    rate="30000/1001",
    size=(720, 480),
    count=20,
)
for _name, _file, _args in (
    ("mjpeg_mov", "mjpeg.mov", ("mjpeg", "-q:v", "4")),
    ("mjpeg_444", "mjpeg444.avi", ("mjpeg", "-q:v", "4", "-pix_fmt", "yuvj444p")),
    ("mjpeg_422_tv", "tv.mkv", ("mjpeg", "-q:v", "4", "-pix_fmt", "yuv422p", "-strict", "-2")),
    ("ljpeg", "ljpeg.avi", ("ljpeg", "-pix_fmt", "yuvj420p")),
    ("png_mov", "png.mov", ("png", "-pix_fmt", "rgb24")),
    ("png_mov_alpha", "alpha.mov", ("png", "-pix_fmt", "rgba")),
    ("png_mov_48", "deep.mov", ("png", "-pix_fmt", "rgb48be")),
    ("png_pal8_mkv", "pal8.mkv", ("png", "-pix_fmt", "pal8")),
    ("qtrle", "qtrle.mov", ("qtrle", "-pix_fmt", "argb")),
    ("qtrle_24", "qtrle24.mov", ("qtrle", "-pix_fmt", "rgb24")),
    ("huffyuv", "huffyuv.avi", ("huffyuv", "-pix_fmt", "yuv422p")),
    ("huffyuv_rgb", "huffrgb.avi", ("huffyuv", "-pix_fmt", "bgra")),
    ("ffvhuff", "ffvhuff.mkv", ("ffvhuff", "-pix_fmt", "yuv420p")),
    ("utvideo", "utvideo.avi", ("utvideo", "-pix_fmt", "yuv420p")),
    ("magicyuv", "magicyuv.avi", ("magicyuv", "-pix_fmt", "gbrp")),
    ("v210", "v210.mov", ("v210", "-pix_fmt", "yuv422p10le")),
    ("r210", "r210.mov", ("r210", "-pix_fmt", "gbrp10le")),
    ("jpeg2000_mov", "j2k.mov", ("jpeg2000", "-pix_fmt", "yuv422p10le")),
    ("cineform", "cfhd.mov", ("cfhd", "-pix_fmt", "yuv422p10le")),
    ("hap", "hap.mov", ("hap",)),
    ("cinepak", "cinepak.avi", ("cinepak",)),
    ("svq1", "svq1.mov", ("svq1", "-pix_fmt", "yuv410p", "-q:v", "2")),
    ("zmbv", "zmbv.avi", ("zmbv", "-pix_fmt", "bgr0")),
    ("dirac_vc2", "vc2.mkv", ("vc2", "-pix_fmt", "yuv420p")),
    ("mpeg2_422", "422.mpg", ("mpeg2video", "-pix_fmt", "yuv422p", "-q:v", "4")),
    ("h264_rgb", "rgb.mp4", ("libx264rgb", "-pix_fmt", "bgr24", "-crf", "10")),
):
    add(_name, _file, ["-c:v", *_args], count=15)

for _name, _format in (
    ("vp9_444", "yuv444p"),
    ("vp9_422", "yuv422p"),
    ("vp9_440", "yuv440p"),
    ("vp9_10bit", "yuv420p10le"),
    ("vp9_12bit", "yuv420p12le"),
    ("vp9_444_10bit", "yuv444p10le"),
    ("vp9_gbr", "gbrp"),
):
    add(_name, f"{_name}.webm", [*VP9, "-pix_fmt", _format, "-g", "25"], count=30, pix_fmt=_format)
SVT = ("-c:v", "libsvtav1", "-preset", "10", "-crf", "35", "-g", "25", "-svtav1-params", "lp=1")
add("av1_10bit", "av1.mp4", [*SVT, "-pix_fmt", "yuv420p10le"], count=30, pix_fmt="yuv420p10le")
add("av1_10bit_webm", "av1.webm", [*SVT, "-pix_fmt", "yuv420p10le"], count=30)
AOM = ("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-crf", "35", "-g", "25")
add("av1_444", "444.mkv", [*AOM, "-pix_fmt", "yuv444p"], count=15)
add("av1_gray", "gray.mp4", [*AOM, "-pix_fmt", "gray"], count=15)
add("vp8_alpha", "alpha8.webm", [
    *("-c:v", "libvpx", "-pix_fmt", "yuva420p", "-auto-alt-ref", "0", "-b:v", "1M"),
], count=30)  # fmt: skip
