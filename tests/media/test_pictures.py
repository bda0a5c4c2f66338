"""The pictures that stand for a stretch of frames: with neighbours, and around damage."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from framewright.media.decode import BundleSource
from framewright.media.pictures import needed_frames, shown_pictures
from framewright.storage import Store
from framewright.types import Manifest, Treatment
from tests.support import plan_job
from tests.torture.fields import interlaced
from tests.torture.tool import x264

HELD = ((0, 2), (9, 12), (28, 30))
"""Frames that are damaged: for the first two the one after them is shown, else the one before."""
Job = tuple[Store, Manifest]


@pytest.fixture(scope="module")
def job(clip_folder: Path) -> Job:
    path = interlaced(clip_folder / "h264_tff.mp4", x264("tff=1", gop=10), "tff", size=(128, 96))
    treatment = Treatment(interlaced="deinterlace")
    return plan_job(path, clip_folder / "pictures", treatment=treatment)


def bundles_of(job: Job) -> list[BundleSource]:
    store, manifest = job
    return [partial(store.open, bundle.key) for bundle in manifest.bundles]


@pytest.mark.parametrize(
    ("held", "start", "stop", "needed"),
    [
        ((), 0, 30, list(range(30))),
        ((), 0, 1, [0, 1]),
        ((), 7, 9, [6, 7, 8, 9]),
        ((), 29, 30, [28, 29]),
        (HELD, 0, 1, [2, 3]),
        (HELD, 0, 4, [2, 3, 4]),
        (HELD, 8, 10, [7, 8, 12]),
        (HELD, 10, 11, [7, 8, 12]),
        (HELD, 12, 13, [8, 12, 13]),
        (HELD, 29, 30, [26, 27]),
    ],
)
def test_neighbours_are_decoded_too(
    held: tuple[tuple[int, int], ...], start: int, stop: int, needed: list[int], job: Job
) -> None:
    manifest = job[1].model_copy(update={"held": held})
    assert needed_frames(manifest, start, stop) == needed
    kept = manifest.model_copy(update={"treatment": Treatment()})
    assert needed_frames(kept, start, stop) == sorted(set(manifest.pictures(start, stop)))


@pytest.mark.parametrize("length", [1, 4])
@pytest.mark.parametrize("held", [(), HELD], ids=["whole", "damaged"])
def test_a_picture_does_not_depend_on_the_stretch(
    length: int, held: tuple[tuple[int, int], ...], job: Job
) -> None:
    manifest = job[1].model_copy(update={"held": held})
    bundles = bundles_of(job)
    whole = [f.to_ndarray() for f in shown_pictures(manifest, bundles, 0, 30)]
    parts = [
        frame.to_ndarray()
        for start in range(0, 30, length)
        for frame in shown_pictures(manifest, bundles, start, min(30, start + length))
    ]
    assert len(parts) == len(whole) == 30
    assert all(np.array_equal(one, other) for one, other in zip(whole, parts, strict=True))


def test_a_held_picture_is_the_deinterlaced_one(job: Job) -> None:
    manifest = job[1].model_copy(update={"held": HELD})
    pictures = [f.to_ndarray() for f in shown_pictures(manifest, bundles_of(job), 0, 30)]
    for first, shown in ((0, 2), (9, 8), (10, 8), (11, 8), (29, 27)):
        assert np.array_equal(pictures[first], pictures[shown])
    assert not np.array_equal(pictures[8], pictures[7])
