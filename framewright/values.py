"""Types of fields that records share, and what their fields must agree on."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

__all__ = [
    "MAX_FRAMES",
    "MAX_TICKS",
    "RESULT_SUFFIXES",
    "FrameRange",
    "Hdr",
    "Interlaced",
    "JsonObject",
    "OnDamage",
    "PositiveRatio",
    "Ratio",
    "Result",
    "Seconds",
    "Stability",
    "Stage",
    "check_held",
    "check_tiled",
]

OnDamage = Literal["refuse", "hold"]
Interlaced = Literal["keep", "deinterlace"]
Hdr = Literal["refuse", "tone-map", "pass"]
Result = Literal["pictures", "records"]
Stability = Annotated[float, Field(ge=0, le=1)]
Stage = Literal["fit", "split", "check", "upload", "score", "stitch", "verify"]

RESULT_SUFFIXES: dict[Result, str] = {"pictures": ".mp4", "records": ".parquet"}
"""How a scored unit is stored: as a clip, or as rows of a table."""
MAX_TICKS = 1 << 62
"""Time stamps are 64-bit integers with a sign; differences of two must be, too."""
MAX_FRAMES = 1 << 27
"""Frames of one video, far beyond what the settings allow: two months at 25 a second."""
_RATIO = re.compile(r"-?[0-9]{1,19}(/[0-9]{1,19})?")


def _ratio(value: Any) -> Any:
    """Read ``3/4``; not what else ``Fraction`` takes, such as an exponent of a billion."""
    if not isinstance(value, str):
        return value
    if not _RATIO.fullmatch(value):
        raise ValueError(f"{value[:40]!r} is not a ratio of two integers, such as 30000/1001")
    try:
        return Fraction(value)
    except ZeroDivisionError as error:
        raise ValueError(f"{value[:40]!r} divides by zero") from error


def _positive(value: Fraction) -> Fraction:
    if value <= 0:
        raise ValueError(f"{value} is not more than 0")
    return value


Ratio = Annotated[Fraction, BeforeValidator(_ratio), PlainSerializer(str, return_type=str)]
PositiveRatio = Annotated[Ratio, AfterValidator(_positive)]


def _said_in_json(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what JSON cannot say; NaN and infinity would be read back as null."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"{error}; use what JSON can say") from error
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_said_in_json)]
FrameRange = tuple[int, int]
"""Frames ``[start, stop)``."""
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def check_tiled(what: str, ranges: Sequence[FrameRange], frames: int) -> None:
    """Refuse ranges that overlap, leave gaps, are empty, or do not end with the last frame.

    Raises:
        ValueError: they do.
    """
    edges = [0, *(stop for _, stop in ranges)]
    starts = [start for start, _ in ranges]
    if starts != edges[:-1] or edges[-1] != frames or any(a >= b for a, b in pairwise(edges)):
        raise ValueError(f"{what} do not cover the frames [0, {frames}) one after the other")


def check_held(held: Sequence[FrameRange], frames: int) -> None:
    """Refuse held stretches that are empty, overlap, lie outside, or leave no frame to show.

    Raises:
        ValueError: they do.
    """
    edges = [-1, *(edge for span in held for edge in span)]
    # Two stretches have a good frame between them, which the second one shows.
    if any(a >= b for a, b in pairwise(edges)) or edges[-1] > frames or (0, frames) in held:
        raise ValueError(f"held frames {held[:3]} are not apart, within [0, {frames}), in order")
