"""A unit begins with frames before it, so that its history is as if the clip had not been cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from framewright.scorers.fast.scorer import FastScorer
from framewright.steady.stabiliser import Stabiliser, history_frames
from tests.steady.clips import Rgb, pan, planar

STABILITY = 0.95
UNIT = 20
MOST_MEAN, MOST = 0.5, 24
"""Levels of 255 by which a picture may differ where a clip is cut: docs/stability.md."""


@pytest.fixture(scope="module")
def frames() -> list[Rgb]:
    rng = np.random.default_rng(7)
    return [
        np.clip(frame + rng.normal(0, 2, frame.shape), 0, 255).astype(np.uint8)
        for frame in pan(3 * UNIT, 64, 96)
    ]


@pytest.fixture(scope="module")
def painted(frames: list[Rgb]) -> list[Rgb]:
    scorer = FastScorer("starry_night")
    scorer.setup(torch.device("cpu"), 1)
    given = torch.from_numpy(np.stack([planar(frame) for frame in frames])).float() / 255
    with torch.inference_mode():
        shown = [scorer.score(frame[None])[0].clamp(0, 1) * 255 for frame in given]
    return [picture.round().byte().permute(1, 2, 0).numpy() for picture in shown]


def run(frames: list[Rgb], painted: list[Rgb], start: int, stop: int, before: int) -> np.ndarray:
    """The pictures of a unit, scored with so many frames before it."""
    first = max(0, start - before)
    stabiliser = Stabiliser(STABILITY)
    stabiliser.begin(first)
    shown = [
        stabiliser(planar(frames[number]), planar(painted[number])) for number in range(first, stop)
    ]
    return np.stack(shown[start - first :]).astype(int)


def test_the_seam_is_not_seen(frames: list[Rgb], painted: list[Rgb]) -> None:
    whole = run(frames, painted, 0, 3 * UNIT, 0)
    starts = range(0, 3 * UNIT, UNIT)

    def cut(before: int) -> np.ndarray:
        return np.concatenate([run(frames, painted, n, n + UNIT, before) for n in starts])

    apart = np.abs(cut(history_frames(STABILITY)) - whole)
    assert apart.mean(axis=(1, 2, 3)).max() < MOST_MEAN
    assert apart.max() < MOST
    abrupt = np.abs(cut(0) - whole)
    assert abrupt.mean(axis=(1, 2, 3)).max() > 3 * MOST_MEAN, "it would be seen"
