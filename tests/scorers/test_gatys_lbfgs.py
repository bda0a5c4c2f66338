"""The optimiser: it finds minima, each picture its own, in as many evaluations as it is given."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from framewright.scorers.gatys.lbfgs import minimise


def stretched(pictures: Tensor) -> Tensor:
    """A valley a thousand times steeper one way than the other; lowest, 0, at 0.3."""
    steepness = torch.logspace(0, 3, pictures[0].numel()).reshape(pictures[0].shape)
    return ((pictures - 0.3) ** 2 * steepness).flatten(1).sum(1)


def bent(pictures: Tensor) -> Tensor:
    """Rosenbrock's valley in each pair of values; lowest, 0, at 1."""
    x = pictures.flatten(1)
    a, b = x[:, ::2], x[:, 1::2]
    return (100 * (b - a**2) ** 2 + (1 - a) ** 2).sum(1)


def start(count: int) -> Tensor:
    return torch.rand(count, 3, 2, 4, generator=torch.Generator().manual_seed(count))


def test_it_finds_the_bottom_of_a_stretched_valley() -> None:
    found, loss = minimise(stretched, start(2), 80, 0.05)
    assert (loss < 1e-6 * stretched(start(2))).all()
    assert (found - 0.3).abs().max() < 5e-3


def test_it_finds_the_end_of_a_bent_valley() -> None:
    _, loss = minimise(bent, start(1), 200, 0.05)
    assert loss < 1e-3


def test_a_first_step_far_too_long_is_taken_back() -> None:
    _, loss = minimise(bent, start(1), 200, 50.0)
    assert loss < 1e-2


def test_it_never_ends_higher_than_it_began() -> None:
    for evaluations in range(1, 12):
        _, loss = minimise(bent, start(1), evaluations, 5.0)
        assert loss <= bent(start(1))


@pytest.mark.parametrize("evaluations", [1, 2, 15])
def test_it_evaluates_as_often_as_it_is_told(evaluations: int) -> None:
    """The last one is without a gradient, which nobody would look at."""
    gradients = []

    def counted(pictures: Tensor) -> Tensor:
        gradients.append(pictures.requires_grad)
        return stretched(pictures)

    found, loss = minimise(counted, start(1), evaluations, 0.05)
    assert gradients == [True] * max(1, evaluations - 1) + [False] * (evaluations > 1)
    assert torch.equal(loss, stretched(found))


def test_each_picture_of_a_batch_is_as_if_alone() -> None:
    together, _ = minimise(bent, start(3), 25, 0.1)
    alone = torch.cat([minimise(bent, one, 25, 0.1)[0] for one in start(3).split(1)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_where_nothing_can_be_gained_nothing_changes() -> None:
    there = torch.full((1, 3, 2, 4), 0.3)
    found, loss = minimise(stretched, there, 5, 0.05)
    assert torch.equal(found, there)
    assert loss == 0
