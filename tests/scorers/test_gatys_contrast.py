"""Contrasts, octave by octave."""

from __future__ import annotations

import torch
from torch import Tensor

from framewright.scorers.gatys.contrast import contrasts, with_contrasts


def noise(count: int = 1) -> Tensor:
    dice = torch.Generator().manual_seed(0)
    return 0.5 + 0.05 * torch.randn(count, 3, 48, 56, generator=dice)


def stripes(wide: int) -> Tensor:
    wave = torch.sin(torch.arange(64) * 2 * torch.pi / wide)
    return (0.5 + 0.1 * wave).expand(1, 3, 64, 64)


def test_an_octave_is_where_its_detail_is() -> None:
    strongest = [int(contrasts(stripes(wide))[0].argmax()) for wide in (3, 6, 12, 26)]
    assert strongest == [0, 1, 2, 3]


def test_pictures_get_the_contrasts_that_are_wanted() -> None:
    pictures = noise(2)
    before = contrasts(pictures)
    ratios = contrasts(with_contrasts(pictures, 1.5 * before)) / before
    assert ((ratios - 1.5).abs() < 0.1).all()
    coarser = contrasts(with_contrasts(pictures, before * torch.tensor([[0.5, 0.5, 2.0, 2.0]])))
    ratios = coarser / before
    assert (ratios[:, :2] < 0.8).all()
    assert (ratios[:, 2:] > 1.25).all()


def test_pictures_with_the_contrasts_already_stay_as_they_are() -> None:
    pictures = noise()
    torch.testing.assert_close(with_contrasts(pictures, contrasts(pictures)), pictures)


def test_a_flat_picture_stays_flat_and_gains_are_limited() -> None:
    flat = torch.full((1, 3, 40, 40), 0.25)
    strong = torch.full((1, 4), 0.3)
    torch.testing.assert_close(with_contrasts(flat, strong), flat)
    faint = 0.5 + (noise() - 0.5) / 10
    ratio = (with_contrasts(faint, strong) - 0.5).std() / (faint - 0.5).std()
    assert 2 < float(ratio) < 4.5
