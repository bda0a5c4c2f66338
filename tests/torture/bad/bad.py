"""What a bad file is, and how one is entered into the tables of all."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.torture.kinds import sample_mp4
from tests.torture.tool import encode, x264

__all__ = ["BAD_KINDS", "DAMAGED_KINDS", "Bad", "bad", "faststart", "noise", "siblings"]


@dataclass(frozen=True)
class Bad:
    """A file that cannot be scored."""

    name: str
    file: str
    words: tuple[str, ...]
    """The reasons that are right; the refusal must give one of them."""
    build: Callable[[Path], list[str] | None]
    """Writes the file; returns the names of files beside it that must stay."""


BAD_KINDS: dict[str, Bad] = {}
"""Files that must be refused before anything is scored."""

DAMAGED_KINDS: dict[str, Bad] = {}
"""Files that look whole from outside; at the latest, decoding them must fail."""

Build = Callable[[Path], list[str] | None]


def bad(name: str, file: str, *words: str) -> Callable[[Build], Build]:
    def enter(build: Build) -> Build:
        table = DAMAGED_KINDS if words[0] == "damaged" else BAD_KINDS
        table[name] = Bad(name, file, words, build)
        return build

    return enter


def faststart(out: Path) -> bytes:
    """A good clip, its index before its samples."""
    whole = out.with_name("whole.mp4")
    encode(whole, *x264(), "-movflags", "+faststart", count=75)
    return whole.read_bytes()


def siblings(out: Path) -> list[str]:
    """Two good clips beside the file, so that following its references would work."""
    names = ["one.mp4", "two.mp4"]
    for name in names:
        out.with_name(name).write_bytes(sample_mp4())
    return names


def noise(data: bytes, start: int, length: int) -> bytes:
    """The bytes, some of them replaced by noise."""
    junk = random.Random(11).randbytes(length)  # noqa: S311
    return data[:start] + junk + data[start + length :]
