"""Verification: it notices a frame less, a time moved, a byte of sound changed."""

from __future__ import annotations

import math
import tracemalloc
from array import array
from fractions import Fraction
from pathlib import Path

import pytest

from framewright.errors import FrameCountError, VerificationError
from framewright.media.verify import largest_error_seconds, verify_output
from tests.torture.make import Clip, make

MS = Fraction(1, 1000)


def verify(
    path: Path, planned: list[Fraction], audio_sha256: list[str | None], tick: Fraction | None
) -> Fraction:
    """Verify against times in seconds, as ticks of a time base that holds all of them."""
    base = Fraction(1, math.lcm(*(time.denominator for time in planned)))
    return verify_output(path, [int(time / base) for time in planned], base, audio_sha256, tick)


def times(clip: Clip) -> list[Fraction]:
    return [time for time in clip.seen.times if time is not None]


def sounds(clip: Clip) -> list[str | None]:
    return [track.sha256 for track in clip.audio]


@pytest.mark.parametrize("kind", ["cfr25", "open_gop", "edit_cut", "tracks_mp4", "no_audio", "gap"])
def test_a_file_that_is_as_planned(kind: str, clip_folder: Path) -> None:
    clip = make(kind, clip_folder)
    assert verify(clip.path, times(clip), sounds(clip), None) == 0


def test_cover_art_is_not_counted(clip_folder: Path) -> None:
    clip = make("cover", clip_folder)
    assert verify(clip.path, times(clip), sounds(clip), None) == 0


@pytest.mark.parametrize(("change", "actual"), [(1, 75), (-1, 75)])
def test_a_frame_more_or_less(change: int, actual: int, cfr25: Clip) -> None:
    planned = [*times(cfr25), Fraction(9)] if change > 0 else times(cfr25)[:-1]
    with pytest.raises(
        FrameCountError, match=f"finished file: expected {75 + change} frames, got 75"
    ) as caught:
        verify(cfr25.path, planned, sounds(cfr25), None)
    assert (caught.value.expected, caught.value.actual) == (75 + change, actual)


def test_a_time_that_is_moved(cfr25: Clip) -> None:
    planned = times(cfr25)
    planned[40] += Fraction(1, 90000)
    with pytest.raises(VerificationError, match=r"up to 0\.000011 s beside their times"):
        verify(cfr25.path, planned, sounds(cfr25), None)


def test_a_file_moved_as_a_whole(cfr25: Clip) -> None:
    planned = [time + MS for time in times(cfr25)]
    with pytest.raises(VerificationError, match="beside their times"):
        verify(cfr25.path, planned, sounds(cfr25), None)


def test_what_a_container_rounds_is_allowed_and_told(clip_folder: Path) -> None:
    clip = make("film_mkv", clip_folder)
    exact = [Fraction(1001 * n, 24000) for n in range(clip.count)]
    error = verify(clip.path, exact, sounds(clip), MS)
    assert 0 < error <= MS / 2
    with pytest.raises(VerificationError, match="beside their times"):
        verify(clip.path, exact, sounds(clip), None)
    late = [time + 2 * MS for time in exact]
    with pytest.raises(VerificationError, match="beside their times"):
        verify(clip.path, late, sounds(clip), MS)


def test_sound_that_differs(cfr25: Clip) -> None:
    with pytest.raises(VerificationError, match="not bit-identical"):
        verify(cfr25.path, times(cfr25), ["0" * 64], None)


@pytest.mark.parametrize("wanted", [[], [None, None]])
def test_a_track_more_or_less(wanted: list[str | None], cfr25: Clip) -> None:
    with pytest.raises(VerificationError, match="not bit-identical"):
        verify(cfr25.path, times(cfr25), wanted, None)


def test_converted_sound_is_not_compared(cfr25: Clip) -> None:
    assert verify(cfr25.path, times(cfr25), [None], None) == 0


def test_tracks_that_are_exchanged(clip_folder: Path) -> None:
    clip = make("tracks_mp4", clip_folder)
    with pytest.raises(VerificationError, match="not bit-identical"):
        verify(clip.path, times(clip), sounds(clip)[::-1], None)


def test_the_largest_error() -> None:
    half, third = Fraction(1, 2), Fraction(1, 3)
    assert largest_error_seconds([], half, [], third) == 0
    assert largest_error_seconds([0, 2, 3], half, [0, 3, 6], third) == half
    assert largest_error_seconds([1], Fraction(1001, 30000), [33], MS) == Fraction(11, 30000)


def test_memory_for_a_frame_is_some_bytes() -> None:
    """A fraction for each would be a hundred times the two integers."""
    ticks = array("q", range(300_000))
    tracemalloc.start()
    try:
        assert largest_error_seconds(ticks, MS, ticks, MS) == 0
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
