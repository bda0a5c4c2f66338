"""The ffmpeg program that imageio-ffmpeg brings along: it makes the clips, and nothing else."""

from __future__ import annotations

import subprocess
from functools import lru_cache
from pathlib import Path

import imageio_ffmpeg

from tests.torture.picture import raw_frames

__all__ = ["encode", "ffmpeg", "program", "x264", "x265"]


@lru_cache(maxsize=1)
def program() -> str:
    """Path of the program."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


def ffmpeg(*args: str | Path, stdin: bytes = b"") -> None:
    """Run ffmpeg; RuntimeError with what it printed if it fails."""
    command = [program(), "-hide_banner", "-loglevel", "error", "-nostdin", "-y"]
    command += [str(arg) for arg in args]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{done.stderr.decode(errors='replace')}")


def encode(
    out: Path,
    *args: str | Path,
    inputs: tuple[str | Path, ...] = (),
    count: int = 75,
    size: tuple[int, int] = (128, 96),
    rate: str = "25",
) -> None:
    """Encode the picture with its codes into ``out``.

    ``inputs`` are further inputs (numbered from 1), ``args`` the options of the output.
    """
    width, height = size
    ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "yuv444p", "-s", f"{width}x{height}"),
        *("-framerate", rate, "-i", "pipe:0", *inputs, *args, f"file:{out}"),
        stdin=raw_frames(width, height, count),
    )


def x264(params: str = "", *, crf: int = 25, pix_fmt: str = "yuv420p", gop: int = 25) -> list[str]:
    """Options for H.264: no scene cuts, B-frames, a keyframe every ``gop`` frames."""
    common = f"keyint={gop}:min-keyint={min(gop, 25)}:scenecut=0:threads=1:bframes=3"
    joined = f"{common}:{params}" if params else common
    options = ["-c:v", "libx264", "-preset", "veryfast", "-crf", str(crf)]
    return [*options, "-pix_fmt", pix_fmt, "-x264-params", joined]


def x265(params: str = "", *, pix_fmt: str = "yuv420p") -> list[str]:
    """Options for HEVC with open groups of pictures: CRA keyframes with RASL pictures."""
    common = (
        "keyint=27:min-keyint=27:scenecut=0:open-gop=1:bframes=3:b-adapt=0:ctu=32:log-level=error"
    )
    joined = f"{common}:pools=1:frame-threads=1" + (f":{params}" if params else "")
    options = ["-c:v", "libx265", "-preset", "superfast", "-crf", "24", "-pix_fmt", pix_fmt]
    return [*options, "-x265-params", joined]
