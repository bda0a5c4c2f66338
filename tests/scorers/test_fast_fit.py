"""How the style of a painting is found: on one thread, and with the painting's colours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from framewright.scorers.fast import fit
from framewright.scorers.fast.colours import (
    Colours,
    layout_distance,
    luma_distance,
    palette_distance,
)
from framewright.scorers.fast.leaves import dead_leaves
from framewright.scorers.fast.network import STYLE_LENGTH


@pytest.fixture(scope="module")
def painting() -> torch.Tensor:
    return dead_leaves(1, 64, seed=3)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fit of two small steps; the number of threads is put back."""
    for name, value in {"_STEPS": 2, "_CONTENTS": 2, "_SIDE": 64, "_PAINTING_SIDE": 64}.items():
        monkeypatch.setattr(fit, name, value)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("short")
class TestThreads:
    def test_one_while_it_fits_and_all_afterwards(self, painting: torch.Tensor) -> None:
        found, threads = [], set()
        for count in (1, 2):
            torch.set_num_threads(count)
            vector = fit.fit_style(painting, lambda *_: threads.add(torch.get_num_threads()))
            assert torch.get_num_threads() == count
            found.append(vector)
        assert threads == {1}
        assert found[0].shape == (STYLE_LENGTH,)
        assert all(torch.equal(found[0], other) for other in found[1:])

    def test_given_back_when_it_is_stopped(self, painting: torch.Tensor) -> None:
        def stop(done: int, total: int) -> None:
            raise KeyboardInterrupt

        torch.set_num_threads(2)
        with pytest.raises(KeyboardInterrupt):
            fit.fit_style(painting, stop)
        assert torch.get_num_threads() == 2


class TestColours:
    def test_of_the_painting_itself_nothing_is_off(self, painting: torch.Tensor) -> None:
        own = Colours.of(painting)
        assert float(luma_distance(own, own)) == 0
        assert float(palette_distance(own, own)) == 0
        assert float(layout_distance(painting, painting, own)) < 0.01

    def test_a_lost_hue_counts_as_much_as_lost_contrast(self, painting: torch.Tensor) -> None:
        """Grey pictures lie close to a painting by luma, and far by palette."""
        own = Colours.of(painting)
        grey = Colours.of(painting.mean(dim=1, keepdim=True).expand_as(painting).contiguous())
        assert float(luma_distance(grey, own)) < 0.2
        assert float(palette_distance(grey, own)) > 0.4

    def test_pictures_are_judged_together(self, painting: torch.Tensor) -> None:
        own = Colours.of(painting)
        pair = Colours.of(torch.cat([painting + 0.1, painting - 0.1]))
        assert float(palette_distance(pair, own)) < 1e-5
        assert float(palette_distance(Colours.of(painting + 0.1), own)) > 0.01

    def test_colours_that_change_places_are_off(self, painting: torch.Tensor) -> None:
        own = Colours.of(painting)
        turned = painting.flip(-1)
        assert float(palette_distance(Colours.of(turned), own)) < 1e-5
        assert float(layout_distance(painting, turned, own)) > 0.2

    def test_a_painting_of_one_colour_has_a_distance(self) -> None:
        flat = torch.full((1, 3, 64, 64), 0.5)
        contents = dead_leaves(2, 64, seed=4).requires_grad_()
        losses = palette_distance(Colours.of(contents), Colours.of(flat)) + layout_distance(
            contents.detach(), contents, Colours.of(flat)
        )
        losses.sum().backward()  # type: ignore[no-untyped-call]
        assert contents.grad is not None
        assert bool(contents.grad.isfinite().all())
