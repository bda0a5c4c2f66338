"""Colour tags, HDR, and how a picture is turned, mirrored, stretched and cropped for showing."""

from __future__ import annotations

import struct
from fractions import Fraction
from functools import partial
from pathlib import Path

from tests.torture.kinds.kind import add, copy, sample_mp4
from tests.torture.kinds.pixels import MASTER, VP9
from tests.torture.tool import encode, x264, x265

DEEP = "yuv420p10le"


def _tags(primaries: str, transfer: str, space: str, color_range: str = "tv") -> tuple[str, ...]:
    return (
        "-vf",
        f"setparams=range={color_range}:color_primaries={primaries}:color_trc={transfer}"
        f":colorspace={space}",
    )


BT2020 = ("bt2020", "arib-std-b67", "bt2020nc")
add("hlg", "hlg.mp4", [*x265(pix_fmt=DEEP), *_tags(*BT2020), "-tag:v", "hvc1"], count=25)
add("hlg_h264", "hlg.mov", [*x264(pix_fmt=DEEP), *_tags(*BT2020)], count=25)
PQ = ("bt2020", "smpte2084", "bt2020nc")
add("pq_bare", "pq.mp4", [*x265(pix_fmt=DEEP), *_tags(*PQ), "-tag:v", "hvc1"], count=25)
add("pq_webm", "pq.webm", [*VP9, "-pix_fmt", DEEP, *_tags(*PQ)], count=25)
add(
    "hdr10_mkv",
    "hdr10.mkv",
    [*x265(f"hdr10=1:repeat-headers=1:{MASTER}:max-cll=800,300", pix_fmt=DEEP), *_tags(*PQ)],
    count=25,
)
add("bt2020_sdr", "sdr.mp4", [*x264(), *_tags("bt2020", "bt2020-10", "bt2020nc")], count=25)
add("full_range_10", "full10.mp4", [*x264("fullrange=on", pix_fmt=DEEP),
    *_tags("bt709", "bt709", "bt709", "pc")], count=25)  # fmt: skip
for _space in ("smpte240m", "fcc", "bt470bg", "smpte170m"):
    add(f"space_{_space}", f"{_space}.mkv", [*x264(), *_tags("bt709", "bt709", _space)], count=15)
add("srgb", "srgb.mp4", [*x264(), *_tags("bt709", "iec61966-2-1", "bt709", "pc")], count=15)
add("ycgco", "ycgco.mkv", [*x264(pix_fmt="yuv444p"), *_tags("bt709", "bt709", "ycgco")], count=15)

# Turned, mirrored, stretched.

add("rotated270", "rotated270.mp4", build=partial(copy, before=("-display_rotation", "270")))
add("rotated45", "rotated45.mp4", build=partial(copy, before=("-display_rotation", "45")))
add("mirrored", "mirrored.mp4", build=partial(copy, before=("-display_hflip",)))
add("flipped", "flipped.mov", build=partial(copy, before=("-display_vflip",)))
add(
    "mirrored_90",
    "mirrored90.mp4",
    build=partial(copy, before=("-display_rotation", "90", "-display_hflip")),
)
add("rotated_mkv", "rotated.mkv", build=partial(copy, before=("-display_rotation", "90")))


def _rotated_sar(out: Path) -> None:
    whole = out.with_name("whole.mp4")
    encode(whole, *x264(), "-vf", "setsar=16/11", count=50)
    from tests.torture.tool import ffmpeg

    ffmpeg("-display_rotation", "90", "-i", whole, "-c", "copy", f"file:{out}")


add("rotated_sar", "rotated_sar.mp4", build=_rotated_sar, count=50, sar=Fraction(16, 11))
for _suffix in ("mp4", "mov", "mkv"):
    add(
        f"sar_container_{_suffix}",
        f"stretched.{_suffix}",
        build=lambda out: copy(out, "-aspect", "16:9"),
        sar=Fraction(4, 3),
    )
add("sar_extreme", "extreme.mkv", [*x264(), "-vf", "setsar=1/4"], count=25, sar=Fraction(1, 4))
add("sar_ts", "sar.ts", [*x264(), "-vf", "setsar=64/45"], count=25, sar=Fraction(64, 45))


def _stated_size(out: Path) -> None:
    """A sample entry that states another size than the stream has."""
    data = bytearray(sample_mp4())
    entry = data.index(b"avc1", data.index(b"stsd"))
    struct.pack_into(">HH", data, entry + 28, 640, 480)
    out.write_bytes(data)


def _stated_size_mkv(out: Path) -> None:
    whole = out.with_name("whole.mkv")
    encode(whole, *x264(), count=40)
    data = bytearray(whole.read_bytes())
    place = data.index(b"\xb0\x81\x80\xba\x81\x60")  # PixelWidth 128, PixelHeight 96
    data[place : place + 6] = b"\xb0\x81\x70\xba\x81\x50"
    out.write_bytes(data)


add("stated_size_mp4", "stated.mp4", build=_stated_size, count=40)
add("stated_size_mkv", "stated.mkv", build=_stated_size_mkv, count=40)


def _bottom(out: Path, *args: str) -> None:
    encode(out, *args, "-flags", "+ilme+ildct", "-vf", "setfield=bff", count=30)


MPEG2 = ("-c:v", "mpeg2video", "-q:v", "4", "-g", "12", "-bf", "2")
add("bff_h264", "bff.mp4", build=lambda out: _bottom(out, *x264("bff=1")), count=30)
add("bff_mpeg2_mkv", "bff.mkv", build=lambda out: _bottom(out, *MPEG2), count=30)
add("bff_mpeg2_mpg", "bff.mpg", build=lambda out: _bottom(out, *MPEG2), count=30)
