"""A second opinion on a video: another build of FFmpeg's tools than the one that PyAV brings.

``look`` reads a file with the program that imageio-ffmpeg ships: it decodes every frame (for the
codes and the time stamps), hashes every other stream's packets, and lists tags and chapters.
``ffprobe_times`` asks the system's ffprobe as well, where there is one.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.torture.code import read_code, read_long_code
from tests.torture.expect import VOLATILE_TAGS, Chapter, Observed
from tests.torture.tool import program

__all__ = ["Opinion", "disagreements", "ffprobe_times", "look"]

FLAGS = ("default", "dub", "original", "comment", "lyrics", "karaoke", "forced")
FLAGS_MORE = {"hearing impaired": 0x80, "visual impaired": 0x100, "attached pic": 0x400}
_FLAG_BITS = {name: 1 << bit for bit, name in enumerate(FLAGS)} | FLAGS_MORE
_STREAM = re.compile(
    r"^  Stream #0:(\d+)(?:\[0x[0-9a-f]+\])?(?:\((\w+)\))?: (\w+): (\w+)(.*)$", re.M
)
_SHOWN = re.compile(
    r"n: *\d+ pts: *(-?\d+|NOPTS) .*?fmt:(\w+) .*?sar:(\d+)/(\d+) s:(\d+)x(\d+) i:(.)"
)
_BASE = re.compile(r"config in time_base: (\d+)/(\d+)")


@dataclass(frozen=True)
class Opinion:
    """What the program says of a file."""

    codes: list[int | None]
    times: list[Fraction | None]
    """Seconds of each frame."""
    field_orders: set[str]
    """P for progressive, T for top field first, B for bottom field first."""
    hashes: dict[int, str]
    """SHA-256 of all payloads of each copied stream, by its index."""
    languages: dict[int, str]
    dispositions: dict[int, int]
    """Only the flags that every version names alike."""
    tags: dict[str, str]
    chapters: tuple[Chapter, ...]


def look(path: Path, video_index: int, *, long: bool = False) -> Opinion:
    """Read a file front to back.

    Args:
        path: the file.
        video_index: the stream whose frames are looked at.
        long: its frames carry two codes.

    Raises:
        RuntimeError: the program failed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [program(), "-hide_banner", "-nostdin", "-nostats", "-y", "-copyts"]
        command += ["-noautorotate", "-i", f"file:{path}"]
        command += ["-map", f"0:{video_index}", "-fps_mode", "passthrough"]
        command += [
            "-vf",
            "showinfo=checksum=0,setparams=colorspace=bt709",
            "-pix_fmt",
            "gray",
            "-f",
            "rawvideo",
        ]
        command += [str(folder / "gray")]
        command += ["-map", f"0:{video_index}", "-map", "0:a?", "-map", "0:s?", "-c", "copy"]
        command += ["-f", "streamhash", "-hash", "sha256", str(folder / "hashes")]
        command += ["-map_metadata", "0", "-f", "ffmetadata", str(folder / "tags")]
        done = subprocess.run(command, capture_output=True, timeout=900, check=False)
        said = done.stderr.decode(errors="replace")
        if done.returncode:
            raise RuntimeError(f"{command} failed:\n{said[-2000:]}")
        return _opinion(folder, said, long)


def _opinion(folder: Path, said: str, long: bool) -> Opinion:
    shown = _SHOWN.findall(said)
    base = _BASE.search(said)
    unit = Fraction(int(base[1]), int(base[2])) if base else Fraction(0)
    streams = _STREAM.findall(said.partition("\nOutput #")[0])
    media = [-1]  # the video comes first, and is not compared
    media += [int(s[0]) for kind in ("Audio", "Subtitle") for s in streams if s[2] == kind]
    lines = (folder / "hashes").read_text().split()
    hashes = {media[int(w.split(",")[0])]: w.rpartition("=")[2].lower() for w in lines}
    tags, chapters = _tags((folder / "tags").read_text(encoding="utf-8", errors="replace"))
    if timecode := re.search(r"^ +timecode +: (\S+)", said.partition("\nOutput #")[0], re.M):
        tags.setdefault("timecode", timecode[1])
    return Opinion(
        codes=_codes(folder / "gray", shown, long),
        times=[None if one[0] == "NOPTS" else int(one[0]) * unit for one in shown],
        field_orders={one[6] for one in shown},
        hashes=hashes,
        languages={int(s[0]): s[1] for s in streams},
        dispositions={
            int(s[0]): sum(bit for flag, bit in _FLAG_BITS.items() if f"({flag})" in s[4])
            for s in streams
        },
        tags=tags,
        chapters=chapters,
    )


def _codes(path: Path, shown: list[tuple[str, ...]], long: bool) -> list[int | None]:
    read = read_long_code if long else read_code
    codes, at = [], 0
    data = np.memmap(path, np.uint8, "r") if shown else np.zeros(0, np.uint8)
    for one in shown:
        width, height = int(one[4]), int(one[5])
        codes.append(read(data[at : at + width * height].reshape(height, width)))
        at += width * height
    return codes


def _tags(text: str) -> tuple[dict[str, str], tuple[Chapter, ...]]:
    """Parse FFmpeg's metadata format: keys and values with ``\\`` before what has a meaning."""
    sections: list[tuple[str, dict[str, str]]] = [("", {})]
    for line in re.split(r"(?<!\\)\n", re.sub(r"\\\\", "\0", text)):
        if line.startswith(";"):
            continue
        if line.startswith("["):
            sections.append((line.strip("[]"), {}))
            continue
        key, mark, value = (
            re.split(r"(?<!\\)(=)", line, maxsplit=1) if "=" in line else ("", "", "")
        )
        if mark:
            plain = [
                re.sub(r"\\(.)", r"\1", w, flags=re.S).replace("\0", "\\") for w in (key, value)
            ]
            sections[-1][1][plain[0]] = plain[1]
    chapters = []
    for name, entries in sections[1:]:
        if name == "CHAPTER":
            unit = Fraction(entries["TIMEBASE"])
            start, end = int(entries["START"]) * unit, int(entries["END"]) * unit
            chapters.append(Chapter(start, end, entries.get("title", "")))
    kept = {k.lower(): v for k, v in sections[0][1].items() if k.lower() not in VOLATILE_TAGS}
    return kept, tuple(chapters)


def disagreements(seen: Observed, opinion: Opinion) -> list[str]:
    """In what PyAV and the program see differently in one file; empty where in nothing."""
    pairs: list[tuple[str, object, object]] = [
        ("frames", len(seen.frames), len(opinion.codes)),
        ("codes", seen.codes, opinion.codes),
        ("times", seen.times, opinion.times),
        ("interlaced", seen.interlaced, bool(opinion.field_orders - {"P"})),
        ("chapters", seen.chapters, opinion.chapters),
        ("tags", seen.metadata, opinion.tags),
    ]
    for track in [*seen.audio, *seen.subtitles]:
        name = f"stream {track.index}"
        pairs.append((f"language of {name}", track.language or "", opinion.languages[track.index]))
        known = sum(_FLAG_BITS.values())
        flags = opinion.dispositions[track.index]
        pairs.append((f"disposition of {name}", track.disposition & known, flags))
    for sound in seen.audio:
        pairs.append(
            (
                f"payload of {sound.index}",
                sound.sha256,
                opinion.hashes.get(sound.index, sound.sha256),
            )
        )
    return [
        f"judges disagree on {what}: PyAV {_short(a)}, ffmpeg {_short(b)}"
        for what, a, b in pairs
        if a != b
    ]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 160 else f"{text[:100]}…{text[-50:]}"


def ffprobe_times(path: Path, video_index: int) -> list[Fraction | None] | None:
    """Seconds of each frame by the system's ffprobe; None where there is no ffprobe."""
    found = shutil.which("ffprobe")
    if found is None:
        return None
    command = [found, "-v", "error", "-select_streams", str(video_index)]
    command += ["-show_entries", "frame=pts:stream=time_base", "-of", "json", f"file:{path}"]
    done = subprocess.run(command, capture_output=True, timeout=900, check=True)
    answer = json.loads(done.stdout)
    unit = Fraction(answer["streams"][0]["time_base"])
    frames = answer.get("frames", [])
    return [int(frame["pts"]) * unit if "pts" in frame else None for frame in frames]
