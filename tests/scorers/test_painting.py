"""The image a user names: upright, bounded, or refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from framewright.errors import ScorerOptionError
from framewright.scorers.painting import read_painting


def test_a_photograph_taken_sideways_is_turned_upright(tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 20), "blue")
    picture.paste("red", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees, clockwise
    picture.save(tmp_path / "sideways.png", exif=exif)
    upright = read_painting(tmp_path / "sideways.png")
    assert upright.size == (20, 40)
    assert upright.getpixel((10, 2)) == (255, 0, 0)


def test_a_large_image_is_shrunk_and_a_small_one_is_not(tmp_path: Path) -> None:
    Image.new("RGB", (300, 100), "blue").save(tmp_path / "wide.jpg")
    assert read_painting(tmp_path / "wide.jpg", 150).size == (150, 50)
    assert read_painting(tmp_path / "wide.jpg", 400).size == (300, 100)


def test_grey_of_16_bits_is_refused_rather_than_clipped_to_white(tmp_path: Path) -> None:
    Image.new("I;16", (8, 8), 20_000).save(tmp_path / "deep.png")
    with pytest.raises(ScorerOptionError, match=r"deep\.png.*8 bits a channel"):
        read_painting(tmp_path / "deep.png")
