"""Interlaced clips whose two fields are of different moments, and another FFmpeg's word on them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg

from tests.torture.tool import encode, ffmpeg, x264

__all__ = ["FLAGS", "field_flags", "interlaced", "mixed", "shown_info"]

FLAGS = ("-flags", "+ilme+ildct")


def interlaced(
    out: Path, codec: Sequence[str], order: str, *, frames: int = 30, size: tuple[int, int]
) -> Path:
    """Weave twice as many pictures, 50 a second, into the fields of 25 frames; once per file.

    ``order`` is ``tff`` or ``bff``, ``codec`` the options of the encoder.
    """
    if not out.exists():
        # Chroma first, or else a line of it would be made of both fields.
        wanted = codec[codec.index("-pix_fmt") + 1] if "-pix_fmt" in codec else "yuv420p"
        weave = f"format={wanted},interlace=scan={order}:lowpass=0"
        encode(out, "-vf", weave, *codec, *FLAGS, count=2 * frames, rate="50", size=size)
    return out


def mixed(out: Path, folder: Path) -> Path:
    """20 interlaced frames, then 20 progressive ones, then 20 interlaced ones, in one stream."""
    if not out.exists():
        parts = []
        for number, order in enumerate(("tff", "", "tff")):
            part = folder / f"part{number}.ts"
            coded = x264(f"{order}=1" if order else "", gop=10)
            coded += ["-output_ts_offset", str(0.8 * number), "-f", "mpegts"]
            if order:
                interlaced(part, coded, order, frames=20, size=(128, 96))
            else:
                encode(part, *coded, count=20)
            parts.append(part)
        joined = "concat:" + "|".join(str(part) for part in parts)
        ffmpeg("-i", joined, "-c", "copy", "-copyts", "-f", "mpegts", out)
    return out


def shown_info(path: Path, *, filters: str = "showinfo") -> str:
    """What the filter of imageio-ffmpeg's FFmpeg prints about every frame."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", "-v", "verbose"]
    command += ["-i", f"file:{path}", "-map", "0:V:0", "-vf", filters, "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return done.stderr.decode(errors="replace")


def field_flags(path: Path) -> str:
    """``T``, ``B`` or ``P`` for each frame: top field first, bottom field first, progressive."""
    return "".join(re.findall(r" i:([TBP]) ", shown_info(path)))
