"""Make a test clip once per folder and say what it holds."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.torture.bad import BAD_KINDS, DAMAGED_KINDS, Bad
from tests.torture.expect import AudioTrack, Chapter, Color, Observed, SubtitleTrack, observe
from tests.torture.kinds import KINDS, Kind

__all__ = [
    "BAD_KINDS",
    "DAMAGED_KINDS",
    "KINDS",
    "QUICK_BAD_KINDS",
    "QUICK_KINDS",
    "Bad",
    "Clip",
    "Kind",
    "make",
    "make_bad",
]

HARD = (
    *("cfr25", "vfr_jitter", "open_gop_ts", "hevc_mkv", "intra_refresh_ts", "edit_cut", "gif"),
    *("mid_gop_ts", "paff_ts", "tracks_mkv", "b_frames_16", "edits_empty_and_cut"),
    *("ts_clock_restarts", "paff_mp4", "dv_raw"),
)
QUICK_KINDS = {name: KINDS[name] for name in [*HARD, *list(KINDS)[::4]] if name != "uhd"}
"""Every fourth good kind, and some that cutting is hard on: for the tests of every day.

All of them, at all unit sizes, are for ``make torture``.
"""

QUICK_BAD_KINDS = dict(list((BAD_KINDS | DAMAGED_KINDS).items())[::4])
"""Every fourth bad or damaged kind."""


@dataclass(frozen=True)
class Clip:
    """A clip on disk, with what it must hold.

    ``codes`` and ``times`` come from how it was made; the rest is read from the file when first
    asked for, by ``expect.observe``.
    """

    kind: Kind
    path: Path

    @property
    def codes(self) -> list[int]:
        """The indices of the frames in order of presentation."""
        return list(self.kind.codes)

    @property
    def count(self) -> int:
        """How many frames are shown."""
        return len(self.kind.codes)

    @property
    def times(self) -> list[Fraction]:
        """Seconds of each frame after the first frame."""
        return list(self.kind.times)

    @property
    def width(self) -> int:
        """Width of the coded picture."""
        return self.kind.size[0]

    @property
    def height(self) -> int:
        """Height of the coded picture."""
        return self.kind.size[1]

    @cached_property
    def seen(self) -> Observed:
        """What the file holds, read front to back."""
        return observe(self.path, long=self.kind.long)

    @property
    def pts(self) -> list[int | None]:
        """Presentation times in units of ``time_base``; None for a bare elementary stream."""
        return self.seen.pts

    @property
    def time_base(self) -> Fraction:
        """The unit of ``pts``."""
        return self.seen.time_base

    @property
    def offsets(self) -> list[Fraction | None]:
        """First times of the audio and subtitle tracks less the video's."""
        return self.seen.offsets

    @property
    def audio(self) -> tuple[AudioTrack, ...]:
        """The audio tracks."""
        return self.seen.audio

    @property
    def subtitles(self) -> tuple[SubtitleTrack, ...]:
        """The subtitle tracks."""
        return self.seen.subtitles

    @property
    def chapters(self) -> tuple[Chapter, ...]:
        """The chapters."""
        return self.seen.chapters

    @property
    def metadata(self) -> dict[str, str]:
        """The tags of the file."""
        return self.seen.metadata

    @property
    def rotation(self) -> int:
        """Degrees of the display matrix."""
        return self.seen.rotation

    @property
    def sar(self) -> Fraction:
        """Shape of a pixel."""
        return self.seen.sar

    @property
    def color(self) -> Color:
        """Colour tags."""
        return self.seen.color

    @property
    def pix_fmt(self) -> str:
        """Pixel format as decoded."""
        return self.seen.pix_fmt


def _built(name: str, file: str, build: Callable[[Path], Any], folder: Path) -> Path:
    """Build a file in its own folder below ``folder``, unless an earlier call has."""
    home = folder / name
    if not home.exists():
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=folder))
        try:
            keep = build(scratch / file) or []
            for path in scratch.iterdir():
                if path.name != file and path.name not in keep:
                    path.unlink()
            os.replace(scratch, home)
        except OSError:
            if not home.exists():
                raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return home / file


def make(kind_name: str, folder: Path) -> Clip:
    """Make a good clip in ``folder``, or find it there from an earlier call."""
    kind = KINDS[kind_name]
    return Clip(kind, _built(kind.name, kind.file, kind.build, folder))


def make_bad(kind_name: str, folder: Path) -> Path:
    """Make a file of ``BAD_KINDS`` or ``DAMAGED_KINDS`` in ``folder``, or find it there."""
    bad = (BAD_KINDS | DAMAGED_KINDS)[kind_name]
    return _built(f"bad_{bad.name}", bad.file, bad.build, folder)
