"""The good clips, by topic: what each is, how it is made and what must be seen in it."""

from __future__ import annotations

from tests.torture.kinds import (
    coding,
    containers,
    display,
    extras,
    formats,
    gops,
    names,
    pixels,
    rates,
    sound,
    times,
    tracks,
)
from tests.torture.kinds.kind import KINDS, Kind, sample_mp4
from tests.torture.kinds.names import HOSTILE

TOPICS = (
    times, rates, gops, coding, pixels, formats, display, containers, sound, tracks, extras, names
)  # fmt: skip

__all__ = ["HOSTILE", "KINDS", "TOPICS", "Kind", "sample_mp4"]
