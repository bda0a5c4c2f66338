"""The clips of photos by which the stabiliser is measured move as they say, and are lossless."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from PIL import Image

from benchmarks import photo_clips
from tests.steady.clips import texture

SIZE = (160, 90)


def test_the_view_moves_and_the_disc_does_not_move_with_it() -> None:
    first, *_, last = photo_clips.pan(texture(300, 500), texture(80, 80, seed=3), 5, SIZE)
    apart = np.abs(last[:-1, :-6].astype(int) - first[1:, 6:]).mean(axis=2)
    assert apart[:20].mean() < 1, "four frames later it is 6 to the right and 1 down"
    assert apart[35:55, 40:60].mean() > 10


def test_the_zoom_is_around_the_middle() -> None:
    first, *_, last = photo_clips.zoom(texture(300, 500, sigma=6), 11, SIZE)
    middle = np.s_[40:50, 75:85]
    moved = np.roll(first, (-3, -8), (0, 1))[middle]
    assert np.abs(last[middle].astype(int) - moved).mean() < 6
    assert np.abs(last[:10].astype(int) - np.roll(first, (-3, -8), (0, 1))[:10]).mean() > 6


def test_files_are_the_same_each_time(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(texture(120, 200)).save(photo)
    words = [str(photo)] * 3 + ["--frames", "3", "--size", "160x90"]
    seen = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        photo_clips.main([str(folder), *words])
        for name in ("pan", "zoom"):
            with av.open(str(folder / f"{name}-photo.mkv")) as container:
                seen.append([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
    assert np.array_equal(seen[0], seen[2])
    assert np.array_equal(seen[1], seen[3])
    made = photo_clips.noisy(photo_clips.zoom(photo_clips.read(photo), 3, SIZE), 4.0)
    assert np.array_equal(list(made), seen[1]), "nothing is lost"
    assert np.array(seen[1]).shape == (3, 90, 160, 3)
