"""Cut a source's bundles into units: the ranges of frames that tasks score."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

from framewright.types import BundleRef, Unit

__all__ = ["cut_units", "frames_per_unit", "unit_frames"]

_OVERLONG = 0.25
"""By how much of itself a unit may exceed its length, so that none is left over."""
_MAX_UNITS_PER_LONG_BUNDLE = 16
_MAX_REDUNDANT_FRAMES = 16384
_FEWEST_UNITS, _SHORT_SECONDS = 4, 4.0
"""A short video gives so many units, while they are no shorter than that."""


def frames_per_unit(frame_rate: Fraction, unit_seconds: float) -> int:
    """Whole frames in a stretch of time, at least one."""
    return max(1, round(float(frame_rate) * unit_seconds))


def unit_frames(frames: int, frame_rate: Fraction, unit_seconds: float) -> int:
    """Frames of a unit: ``unit_seconds`` of them, or fewer so that a short video has several."""
    shared = max(frames // _FEWEST_UNITS, frames_per_unit(frame_rate, _SHORT_SECONDS))
    return min(shared, frames_per_unit(frame_rate, unit_seconds))


def cut_units(bundles: list[BundleRef], wanted_frames: int) -> list[Unit]:
    """Cut bundles into units of about ``wanted_frames`` frames; no unit crosses a bundle's end.

    Every unit decodes its bundle from the start, so that very long bundles (one keyframe in an
    hour) are cut into few units: what is decoded and thrown away stays bounded.
    """
    units: list[Unit] = []
    for bundle in bundles:
        frames = bundle.stop_frame - bundle.start_frame
        most = max(_MAX_UNITS_PER_LONG_BUNDLE, 2 * _MAX_REDUNDANT_FRAMES // frames)
        pieces = min(max(1, math.ceil(frames / wanted_frames - _OVERLONG)), frames, most)
        edges = [bundle.start_frame + frames * i // pieces for i in range(pieces + 1)]
        for start, stop in pairwise(edges):
            units.append(Unit(index=len(units), start=start, stop=stop))
    return units
