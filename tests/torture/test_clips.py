"""The clips are what they say they are: otherwise no test that uses them means anything."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.torture.code import MAX_INDEX, MAX_LONG_INDEX, draw_code, read_code, read_long_code
from tests.torture.expect import Observed
from tests.torture.make import BAD_KINDS, DAMAGED_KINDS, KINDS, QUICK_KINDS, Clip, make, make_bad


def test_every_index_reads_back() -> None:
    frame = np.zeros((64, 96), np.uint8)
    for index in range(MAX_INDEX + 1):
        draw_code(frame, index)
        assert read_code(frame) == index


def test_every_index_of_a_long_clip_reads_back() -> None:
    frame = np.zeros((48, 32), np.uint8)
    for index in [*range(0, 100_000, 997), MAX_INDEX + 1, MAX_LONG_INDEX]:
        draw_code(frame, index, long=True)
        assert read_long_code(frame) == index


def test_the_smallest_picture_holds_a_code() -> None:
    frame = np.zeros((16, 16), np.uint8)
    for index in range(0, MAX_INDEX + 1, 13):
        draw_code(frame, index)
        assert read_code(frame) == index


def test_a_flat_picture_has_no_code() -> None:
    for level in (0, 16, 128, 235, 255):
        assert read_code(np.full((64, 96), level, np.uint8)) is None


def test_a_flipped_block_is_noticed() -> None:
    frame = np.zeros((64, 96), np.uint8)
    for index in (0, 1, 77, 2048):
        for column in range(8):
            draw_code(frame, index)
            block = frame[:12, column * 12 : column * 12 + 12]
            block[:] = 252 - block
            assert read_code(frame) is None


def _check_facts(clip: Clip, seen: Observed) -> None:
    special: dict[str, Callable[[], Any]] = {
        "first_time": lambda: seen.times[0],
        "color_numbers": lambda: (
            seen.color.range,
            seen.color.primaries,
            seen.color.trc,
            seen.color.space,
        ),
        "languages": lambda: tuple(track.language for track in seen.audio),
        "titles": lambda: tuple(chapter.title for chapter in seen.chapters),
        "lines": lambda: tuple(line.text for line in seen.subtitles[0].lines),
        "attached": lambda: len(seen.attachments),
        "pictures": lambda: len(seen.covers),
        "sound": lambda: seen.audio[0].codec,
    }
    for name, expected in clip.kind.facts.items():
        actual = special[name]() if name in special else getattr(seen, name)
        assert actual == expected, name


@pytest.mark.parametrize("name", QUICK_KINDS)
def test_kind(name: str, clip_folder: Path) -> None:
    clip = make(name, clip_folder)
    seen = clip.seen
    assert list(seen.codes) == clip.codes
    assert {(frame.width, frame.height) for frame in seen.frames} == {clip.kind.size}
    assert not any(frame.corrupt for frame in seen.frames)
    if clip.kind.misread:
        pass
    elif clip.kind.has_times:
        assert seen.relative_times == clip.times
        assert all(isinstance(time, Fraction) for time in seen.times)
    elif seen.container != "mpegvideo":  # that demuxer makes some up
        assert set(seen.pts) == {None}
    _check_facts(clip, seen)


def test_times_grow() -> None:
    for kind in KINDS.values():
        assert len(kind.times) == len(kind.codes)
        assert all(a < b for a, b in zip(kind.times, kind.times[1:], strict=False)), kind.name


def test_a_clip_is_made_once(clip_folder: Path) -> None:
    first = make("cfr25", clip_folder).path.stat().st_mtime_ns
    assert make("cfr25", clip_folder).path.stat().st_mtime_ns == first


@pytest.mark.parametrize("name", BAD_KINDS | DAMAGED_KINDS)
def test_bad_kind_is_made(name: str, clip_folder: Path) -> None:
    path = make_bad(name, clip_folder)
    assert path.is_dir() if name == "folder" else path.is_file()
