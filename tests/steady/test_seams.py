"""A unit begins with frames before it, so that its history is as if the clip had not been cut."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from framewright.scorers.fast.scorer import FastScorer
from framewright.steady.stabiliser import Stabiliser, history_frames

SAMPLE = Path(__file__).parents[2] / "demo" / "sample.mp4"
STABILITY = 0.95
FRAMES, CUTS = 66, (36, 51)
MOST_MEAN, MOST, MOST_STEP = 0.5, 12, 1.05
"""By how much pictures may differ where a clip is cut, in levels of 255; and the change over the
cut, relative to that of the uncut clip: docs/stability.md."""

Planes = NDArray[np.uint8]


@pytest.fixture(scope="module")
def frames() -> list[Planes]:
    with av.open(str(SAMPLE)) as container:
        shown = [f.to_ndarray(format="rgb24") for f in islice(container.decode(video=0), FRAMES)]
    small = [cv2.resize(frame, (320, 180), interpolation=cv2.INTER_AREA) for frame in shown]
    return [np.ascontiguousarray(frame.transpose(2, 0, 1)) for frame in small]


@pytest.fixture(scope="module")
def painted(frames: list[Planes]) -> list[Planes]:
    scorer = FastScorer("starry_night")
    scorer.setup(torch.device("cpu"), 1)
    given = torch.from_numpy(np.stack(frames)).float() / 255
    with torch.inference_mode():
        shown = [scorer.score(frame[None])[0].clamp(0, 1) * 255 for frame in given]
    return [picture.round().byte().numpy() for picture in shown]


@pytest.fixture(scope="module")
def whole(frames: list[Planes], painted: list[Planes]) -> NDArray[np.int_]:
    return run(frames, painted, 0, FRAMES, 0)


def run(
    frames: list[Planes], painted: list[Planes], start: int, stop: int, before: int
) -> NDArray[np.int_]:
    """The pictures of a unit, scored with so many frames before it."""
    first = start - before
    stabiliser = Stabiliser(STABILITY)
    stabiliser.begin(first)
    shown = [stabiliser(frames[number], painted[number]) for number in range(first, stop)]
    return np.stack(shown[before:]).astype(int)


@pytest.mark.parametrize("cut", CUTS)
def test_the_seam_is_not_seen(
    frames: list[Planes], painted: list[Planes], whole: NDArray[np.int_], cut: int
) -> None:
    unit = run(frames, painted, cut, cut + 5, history_frames(STABILITY))
    apart = np.abs(unit - whole[cut : cut + 5])
    assert apart.mean(axis=(1, 2, 3)).max() < MOST_MEAN
    assert apart.max() < MOST
    assert np.abs(unit[0] - whole[cut - 1]).mean() < MOST_STEP * (
        np.abs(whole[cut] - whole[cut - 1]).mean()
    )


@pytest.mark.parametrize("cut", CUTS)
def test_without_frames_before_it_would_be_seen(
    frames: list[Planes], painted: list[Planes], whole: NDArray[np.int_], cut: int
) -> None:
    unit = run(frames, painted, cut, cut + 1, 0)
    assert np.abs(unit[0] - whole[cut]).mean() > 10 * MOST_MEAN
    assert np.abs(unit[0] - whole[cut - 1]).mean() > 1.5 * (
        np.abs(whole[cut] - whole[cut - 1]).mean()
    )
