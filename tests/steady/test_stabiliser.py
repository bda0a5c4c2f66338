"""Stabilised pictures: steadier, no ghosts, nothing across cuts, the same bits every time."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from framewright.steady.measure import FlickerMeter, fine_detail
from framewright.steady.stabiliser import (
    Stabiliser,
    _contrast,
    history_frames,
    kept_share,
)
from tests.steady.clips import Rgb, pan, planar, repainted, texture

STABILITY = 0.95


def steadied(frames: list[Rgb], pictures: list[Rgb], stability: float = STABILITY) -> list[Rgb]:
    stabiliser = Stabiliser(stability)
    return [
        np.ascontiguousarray(stabiliser(planar(frame), planar(picture)).transpose(1, 2, 0))
        for frame, picture in zip(frames, pictures, strict=True)
    ]


@pytest.fixture(scope="module")
def frames() -> list[Rgb]:
    return pan(16)


def test_0_changes_no_bit(frames: list[Rgb]) -> None:
    stabiliser = Stabiliser(0)
    for frame, picture in zip(frames, repainted(frames), strict=True):
        given = planar(picture)
        assert stabiliser(planar(frame), given) is given
    assert history_frames(0) == 0


@pytest.mark.parametrize("scale", [1, 2])
def test_flicker_falls_and_detail_stays(frames: list[Rgb], scale: int) -> None:
    painted = repainted(frames, scale=scale)
    steady = steadied(frames, painted)
    meter = FlickerMeter()
    for pictures in zip(frames, painted, steady, strict=True):
        meter.add(*pictures)
    _, before, after = meter.flickers
    assert after < 0.4 * before
    kept = [fine_detail(a) / fine_detail(b) for a, b in zip(steady, painted, strict=True)]
    assert np.mean(kept[4:]) > 0.6


def test_more_stability_is_steadier(frames: list[Rgb]) -> None:
    painted = repainted(frames)
    meter = FlickerMeter()
    runs = [steadied(frames, painted, stability) for stability in (0.0, 0.5, 0.8, 1.0)]
    for pictures in zip(frames, *runs, strict=True):
        meter.add(*pictures)
    assert all(more > less for more, less in pairwise(meter.flickers[1:]))
    shares = [kept_share(stability) for stability in (0.0, 0.5, 0.8, 1.0)]
    histories = [history_frames(stability) for stability in (0.0, 0.5, 0.8, 1.0)]
    assert shares == sorted(shares)
    assert histories == sorted(histories)


def test_nothing_goes_across_a_cut(frames: list[Rgb]) -> None:
    others = [texture(*frame.shape[:2], seed=number) for number, frame in enumerate(frames[:2], 50)]
    cut = [*frames[:4], *others[:1], *frames[:2]]
    painted = repainted(cut)
    steady = steadied(cut, painted)
    same = [np.array_equal(a, b) for a, b in zip(painted, steady, strict=True)]
    assert same == [True, False, False, False, True, True, False]


def test_what_appears_or_goes_leaves_no_ghost() -> None:
    wall = texture(96, 160)
    square = wall.copy()
    square[30:60, 60:100] = (250, 20, 20)
    seen = [wall] * 3 + [square] * 3 + [wall] * 3
    painted = [255 - frame for frame in seen]
    for picture, steady in zip(painted, steadied(seen, painted), strict=True):
        # A share of each edge's neighbourhood is blurred in the test for change, no more.
        inside = np.abs(picture.astype(int) - steady)[33:57, 63:97]
        assert inside.max() <= 2


def test_a_fade_is_followed() -> None:
    wall, other = texture(96, 160, 1).astype(np.float32), texture(96, 160, 2)
    seen = [np.uint8(wall + (other - wall) * share) for share in np.linspace(0, 1, 20)]
    painted = [255 - frame for frame in seen]
    late = [
        np.abs(cv2.blur(a.astype(np.float32) - b, (9, 9))).mean()
        for a, b in zip(steadied(seen, painted), painted, strict=True)
    ]
    assert max(late) < 8, "at most so many levels late, and less in the mean"


def test_16_bits_are_as_steady_as_8(frames: list[Rgb]) -> None:
    painted = repainted(frames)
    shallow, deep = Stabiliser(STABILITY), Stabiliser(STABILITY)
    for frame, picture in zip(frames, painted, strict=True):
        eight = shallow(planar(frame), planar(picture))
        sixteen = deep(
            planar(frame).astype(np.uint16) * 257, planar(picture).astype(np.uint16) * 257
        )
        assert sixteen.dtype == np.uint16
        assert np.abs(sixteen / 257 - eight).max() <= 0.51


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (63, 300), (64, 64), (65, 67), (64, 700)])
def test_any_size_is_taken(size: tuple[int, int]) -> None:
    seen = [texture(*size, seed=number) for number in (0, 0, 0)]
    for picture, steady in zip(seen, steadied(seen, repainted(seen)), strict=True):
        assert steady.shape == picture.shape


def test_flat_beside_detail_has_no_negative_contrast() -> None:
    """Rounding once made it -1e-16, its root no number, and cells of the picture black."""
    dice = np.random.default_rng(6)
    detail = np.zeros((180, 320), np.float32)
    detail[:50] = dice.normal(0, 1, (50, 320)) * 10 ** dice.uniform(-6, 1, (50, 1))
    assert _contrast(detail).min() >= 0


def test_equal_runs_give_equal_bits(frames: list[Rgb]) -> None:
    painted = repainted(frames)
    first = steadied(frames, painted)
    cv2.setNumThreads(4)
    again = Stabiliser(STABILITY)
    again(planar(painted[3]), planar(painted[4]))
    again.begin(0)
    for frame, picture, expected in zip(frames, painted, first, strict=True):
        assert np.array_equal(again(planar(frame), planar(picture)), planar(expected))
    assert cv2.getNumThreads() == 1
