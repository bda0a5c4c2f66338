"""The measure of flicker, on clips of which it is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from framewright.steady.measure import FlickerMeter, fine_detail
from tests.steady.clips import Rgb, pan, texture


def measured(*videos: list[Rgb]) -> FlickerMeter:
    meter = FlickerMeter()
    for pictures in zip(*videos, strict=True):
        meter.add(*pictures)
    return meter


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_what_goes_up_and_down_flickers_by_so_much(scale: int) -> None:
    still = [texture(96, 160) // 2 + 60] * 5
    output = [
        (frame + 10 * (number % 2)).repeat(scale, 0).repeat(scale, 1)
        for number, frame in enumerate(still)
    ]
    meter = measured(still, output)
    assert meter.flickers == pytest.approx([0, 10], abs=1e-4)
    assert (meter.pairs, meter.cuts) == (4, 0)


def test_motion_is_no_flicker() -> None:
    frames = pan(6)
    followed = measured(frames).flickers[0]
    stood_still = np.mean(
        [np.abs(a.astype(float) - b).mean() for a, b in zip(frames[1:], frames, strict=False)]
    )
    assert followed < 0.2 * stood_still


def test_a_cut_is_left_out() -> None:
    frames = [texture(96, 160, seed) for seed in (0, 0, 0, 9, 9)]
    meter = measured(frames)
    assert (meter.pairs, meter.cuts) == (3, 1)
    assert meter.flickers == pytest.approx([0], abs=1e-4)


def test_blur_costs_detail() -> None:
    picture = texture(96, 160)
    blurred = cv2.GaussianBlur(picture, (0, 0), 2)
    assert fine_detail(blurred) < 0.5 * fine_detail(picture)
    assert fine_detail(np.full_like(picture, 99)) == 0
