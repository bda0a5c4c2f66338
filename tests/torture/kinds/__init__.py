"""The good clips, by topic: what each is, how it is made and what must be seen in it.

Not here, because no encoder or muxer at hand makes them and they are not written by hand: MPEG-2
field pictures (H.264's are, in ``tests.torture.paff``), DRM, Dolby Vision, DVD subtitles in MP4,
P010 in NUT, raw DV of PAL, sensor tracks in the words of real cameras (a track of that type is).
"""

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
