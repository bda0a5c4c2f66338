"""The good clips, by topic: what each is, how it is made and what must be seen in it."""

from __future__ import annotations

from tests.torture.kinds import gops, names, pixels, times, tracks
from tests.torture.kinds.kind import KINDS, Kind, sample_mp4
from tests.torture.kinds.names import HOSTILE

__all__ = ["HOSTILE", "KINDS", "Kind", "gops", "names", "pixels", "sample_mp4", "times", "tracks"]
