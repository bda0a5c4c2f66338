"""What a good clip is, and how one is entered into the table of all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from tests.torture.code import MAX_INDEX
from tests.torture.tool import encode, ffmpeg, x264

__all__ = [
    "AAC",
    "FILM",
    "KINDS",
    "NTSC",
    "PASS",
    "PLAIN",
    "TS",
    "Kind",
    "add",
    "base",
    "cfr",
    "copy",
    "sample_mp4",
    "sine",
]

NTSC = Fraction(30000, 1001)
FILM = Fraction(24000, 1001)


@dataclass(frozen=True)
class Kind:
    """One sort of clip."""

    name: str
    file: str
    """Name of the file."""
    build: Callable[[Path], None]
    """Writes the file; its folder is empty and may be used for scratch files."""
    codes: tuple[int, ...]
    """The indices that must be read from it, in order of presentation."""
    times: tuple[Fraction, ...]
    """Seconds of each frame after the first."""
    size: tuple[int, int] = (128, 96)
    facts: dict[str, Any] = field(default_factory=dict)
    """What ``Observed`` must say about it, by attribute."""
    has_times: bool = True
    """False for a bare elementary stream: times can only be made up from the frame rate."""

    misread: bool = False
    """The container says when a picture is decoded, not when it is shown, or repeats itself: the
    stamps that FFmpeg gives are not those it was made with."""

    @property
    def long(self) -> bool:
        """Whether its frames carry two codes."""
        return len(self.codes) > MAX_INDEX + 1


KINDS: dict[str, Kind] = {}


def cfr(codes: Iterable[int], rate: Fraction | int, base: int = 0) -> tuple[Fraction, ...]:
    """Even times, rounded to 1/base where the container cannot hold them."""
    exact = [Fraction(code) / Fraction(rate) for code in codes]
    if base:
        exact = [Fraction(int(time * base + Fraction(1, 2)), base) for time in exact]
    return tuple(time - exact[0] for time in exact)


def sine(seconds: float, hertz: int = 440, rate: int = 48000) -> tuple[str, ...]:
    sound = f"sine=frequency={hertz}:sample_rate={rate}:duration={seconds}"
    return ("-f", "lavfi", "-i", sound)


PLAIN = ("-map", "0:v", "-map", "1:a")
AAC = (*PLAIN, "-c:a", "aac", "-b:a", "64k")
PASS = ("-fps_mode", "passthrough")
TS = ("-muxdelay", "0", "-muxpreload", "0", "-f", "mpegts")


def add(
    name: str,
    file: str,
    args: Iterable[str] = (),
    *,
    inputs: tuple[str | Path, ...] = (),
    count: int = 75,
    rate: Fraction | int = 25,
    base: int = 0,
    size: tuple[int, int] = (128, 96),
    codes: Iterable[int] | None = None,
    times: tuple[Fraction, ...] | None = None,
    build: Callable[[Path], None] | None = None,
    has_times: bool = True,
    misread: bool = False,
    **facts: Any,
) -> None:
    """Enter a kind; without ``build`` it is one run of the encoder with ``args``."""
    made = tuple(range(count) if codes is None else codes)
    if build is None:
        build = partial(
            _encode, args=tuple(args), inputs=inputs, count=count, size=size, rate=str(rate)
        )
    if name in KINDS:
        raise ValueError(f"kind {name!r} is already there")
    KINDS[name] = Kind(
        name, file, build, made, times or cfr(made, rate, base), size, facts, has_times, misread
    )


def _encode(out: Path, *, args: tuple[str, ...], **options: Any) -> None:
    encode(out, *args, **options)


@lru_cache(maxsize=4)
def sample_mp4(count: int = 40) -> bytes:
    """A plain H.264 and AAC clip, for whatever needs some good file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample.mp4"
        encode(path, *x264(), *AAC, inputs=sine(count / 25), count=count)
        return path.read_bytes()


def base(out: Path) -> Path:
    """The plain clip of 75 frames beside ``out``, for kinds made by copying its packets."""
    path = out.with_name("base.mp4")
    path.write_bytes(sample_mp4(75))
    return path


def copy(out: Path, *args: str, before: tuple[str, ...] = ()) -> None:
    ffmpeg(*before, "-i", base(out), "-map", "0", "-c", "copy", *args, f"file:{out}")
