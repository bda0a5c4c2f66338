"""The good files that are broken: one of each container and of the codecs that are met in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.torture.make import make
from tests.torture.tool import encode, x264

__all__ = ["Seed", "seeds"]

_FROM_TORTURE = (
    "cfr25",
    "open_gop",
    "fragmented",
    "edit_cut",
    "hevc",
    "av1",
    "vfr_jitter_mp4",
    "closed_no_b",
    "pcm_mov",
    "prores",
    "tracks_mkv",
    "hevc_mkv",
    "vp9_webm",
    "open_gop_ts",
    "mpeg2_ts",
    "avi_b_frames",
    "mjpeg_avi",
    "gif",
    "raw_h264",
)
_SOUND = ("-f", "lavfi", "-i", "sine=duration=2")
_OWN: dict[str, tuple[str, ...]] = {
    "own.flv": (*x264(), "-c:a", "aac", "-shortest"),
    "own.ogg": ("-c:v", "libtheora", "-c:a", "libvorbis", "-q:v", "6"),
    "own.mxf": ("-c:v", "mpeg2video", "-q:v", "4", "-c:a", "pcm_s16le", "-ar", "48000"),
    "own.asf": ("-c:v", "wmv2", "-q:v", "4", "-c:a", "wmav2"),
    "own.mpg": ("-c:v", "mpeg2video", "-q:v", "4", "-bf", "2", "-c:a", "mp2"),
    "own.nut": ("-c:v", "mpeg4", "-q:v", "4", "-c:a", "mp2"),
}


@dataclass(frozen=True)
class Seed:
    """A good file."""

    name: str
    suffix: str
    data: bytes


def seeds(folder: Path) -> list[Seed]:
    """Make the good files in a folder, or find them there."""
    found = []
    for kind in _FROM_TORTURE:
        path = make(kind, folder).path
        found.append(Seed(kind, path.suffix, path.read_bytes()))
    for name, options in _OWN.items():
        path = folder / name
        if not path.exists():
            partial = path.with_name(f"partial-{name}")
            encode(partial, *options, inputs=_SOUND, count=50)
            partial.rename(path)
        found.append(Seed(name, path.suffix, path.read_bytes()))
    return found
