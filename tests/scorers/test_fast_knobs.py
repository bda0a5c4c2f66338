"""The knobs of ``fast``: exact at their ends, and doing what they say between them."""

from __future__ import annotations

from functools import cache

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from framewright.errors import ScorerOptionError
from framewright.scorers import create, rebuild
from framewright.scorers.fast.knobs import keep_colors, luma
from framewright.scorers.fast.scorer import FastScorer
from framewright.scorers.fast.upsample import enlarge, resized, working_size

CPU = torch.device("cpu")
SIZE = (48, 64)


@cache
def plain_scorer() -> FastScorer:
    scorer = FastScorer("wave")
    scorer.setup(CPU, 1)
    return scorer


def fast(**options: object) -> FastScorer:
    """A scorer with one painting's network, which is compiled once for all tests."""
    scorer = create("fast", {"style": "wave", **options})
    assert isinstance(scorer, FastScorer)
    scorer.setup(CPU, 1)
    scorer._run = plain_scorer()._run
    return scorer


def scene(height: int, width: int, count: int = 1) -> Tensor:
    """Soft colours with hard edges: discs over a slope."""
    dice = torch.Generator().manual_seed(height + width)
    rows = torch.linspace(0, 1, height)[:, None]
    columns = torch.linspace(0, width / height, width)[None]
    frames = torch.rand(count, 3, 1, 1, generator=dice) * (0.5 + 0.5 * rows)
    frames = frames.expand(-1, -1, -1, width).clone()
    for frame in frames:
        for _ in range(12):
            y, x, size = torch.rand(3, generator=dice).tolist()
            inside = (rows - y) ** 2 + (columns - x * width / height) ** 2 < (0.3 * size) ** 2
            frame.copy_(torch.where(inside, torch.rand(3, 1, 1, generator=dice), frame))
    return frames


@pytest.fixture(scope="module")
def plain() -> FastScorer:
    return plain_scorer()


@pytest.fixture(scope="module")
def painted(plain: FastScorer) -> Tensor:
    return plain.score(scene(*SIZE))


class TestRanges:
    @pytest.mark.parametrize(
        ("option", "value"),
        [
            ("strength", 1.01),
            ("strength", -0.1),
            ("strength", "much"),
            ("strength", float("nan")),
            ("strength", True),
            ("strength", None),
            ("keep_colors", 2),
            ("keep_colors", "yes"),
            ("stroke_scale", 0.2),
            ("stroke_scale", 4.1),
            ("stroke_scale", 0),
            ("stroke_scale", [1]),
        ],
    )
    def test_a_value_that_is_not_possible(self, option: str, value: object) -> None:
        said = rf"option {option} of scorer 'fast' is a number from [0-9.]+ to [0-9]+, not "
        with pytest.raises(ScorerOptionError, match=said):
            create("fast", {option: value})

    def test_what_is_usual_is_not_told(self) -> None:
        usual = {"strength": "1", "keep_colors": 0, "stroke_scale": "1.0"}
        assert create("fast", usual).identity == create("fast", {}).identity

    def test_what_is_not_usual_travels(self) -> None:
        given = {"strength": "0.5", "keep_colors": "0.25", "stroke_scale": "2"}
        identity = create("fast", given).identity
        expected = {"style": "starry_night", "strength": 0.5, "keep_colors": 0.25}
        assert identity.params == {**expected, "stroke_scale": 2.0}
        assert rebuild(identity).identity == identity


class TestStrength:
    def test_none_is_the_frame(self) -> None:
        frames = scene(*SIZE)
        scorer = fast(strength=0)
        scorer.prepare(*SIZE)
        assert torch.equal(scorer.score(frames.clone()), frames)

    def test_more_is_further_from_the_frame(self, painted: Tensor) -> None:
        frames = scene(*SIZE)
        distances = [
            float((fast(strength=share).score(frames) - frames).abs().mean())
            for share in (0.0, 0.25, 0.5, 0.75)
        ]
        distances.append(float((painted - frames).abs().mean()))
        assert distances == sorted(distances)
        assert distances[1] > 0.01


class TestKeepColors:
    def test_none_is_the_painting(self, painted: Tensor) -> None:
        assert keep_colors(scene(*SIZE), painted, 0) is painted

    def test_all_is_the_paintings_luma_with_the_frames_hue(self, painted: Tensor) -> None:
        frames = scene(*SIZE)
        result = keep_colors(frames, painted, 1)
        assert result.min() >= 0 and result.max() <= 1
        assert torch.allclose(luma(result), luma(painted), atol=1e-5)
        wanted, found = frames - luma(frames), result - luma(result)
        assert F.cosine_similarity(wanted, found, dim=1)[found.abs().amax(1) > 0.02].min() > 0.999
        assert (found.abs() <= wanted.abs() + 1e-5).all()

    def test_colours_that_are_possible_are_kept_whole(self) -> None:
        frames, other = 0.4 + 0.2 * scene(*SIZE), 0.4 + 0.2 * scene(*SIZE).flip(3)
        result = keep_colors(frames, other, 1)
        assert torch.allclose(result - luma(result), frames - luma(frames), atol=1e-5)

    def test_a_frame_keeps_itself(self) -> None:
        frames = scene(*SIZE)
        assert torch.allclose(keep_colors(frames, frames, 1), frames, atol=1e-5)

    def test_grey_frames_become_grey(self, painted: Tensor) -> None:
        result = keep_colors(torch.full_like(painted, 0.5), painted, 1)
        assert torch.allclose(result, luma(painted).expand_as(result), atol=1e-5)

    def test_half_is_between(self, painted: Tensor) -> None:
        frames = scene(*SIZE)
        half = keep_colors(frames, painted, 0.5)
        assert torch.allclose(half, (painted + keep_colors(frames, painted, 1)) / 2, atol=1e-6)
        assert not torch.equal(fast(keep_colors=0.5).score(frames), painted)


class TestStrokeScale:
    @pytest.mark.parametrize(
        ("size", "scale", "expected"),
        [
            ((360, 640), 1, (360, 640)),
            ((450, 800), 1, (450, 800)),
            ((17, 33), 1, (17, 33)),
            ((17, 33), 4, (16, 32)),
            ((1, 1), 4, (1, 1)),
            ((1, 5000), 2, (1, 5000)),
            ((480, 854), 1, (360, 640)),
            ((720, 1280), 1, (360, 640)),
            ((1280, 720), 1, (640, 360)),
            ((1080, 1920), 1, (360, 640)),
            ((2160, 3840), 1, (360, 640)),
            ((2160, 4096), 1, (360, 684)),
            ((1080, 1920), 2, (180, 320)),
            ((1080, 1920), 0.5, (720, 1280)),
            ((360, 640), 2, (180, 320)),
            ((360, 640), 0.5, (720, 1280)),
            ((720, 1280), 0.5, (720, 1280)),
        ],
    )
    def test_the_size_that_is_painted(
        self, size: tuple[int, int], scale: float, expected: tuple[int, int]
    ) -> None:
        assert working_size(*size, scale) == expected

    def test_frames_of_ordinary_size_are_painted_as_they_are(self, plain: FastScorer) -> None:
        frames = scene(*SIZE)
        assert torch.equal(plain.score(frames), plain._run(frames))

    @pytest.mark.parametrize("scale", [0.5, 2])
    def test_strokes_change_and_the_size_does_not(self, scale: float, painted: Tensor) -> None:
        frames = scene(*SIZE, count=2)
        scorer = fast(stroke_scale=scale)
        scorer.prepare(*SIZE)
        result = scorer.score(frames)
        assert result.shape == frames.shape
        assert result.min() >= 0 and result.max() <= 1
        assert (scorer.score(frames[:1]) - painted).abs().mean() > 0.01
        alone = torch.cat([scorer.score(frame[None]) for frame in frames])
        assert torch.equal(alone, result)

    def test_a_large_frame_looks_like_the_small_one(self, plain: FastScorer) -> None:
        large = scene(480, 640)
        small = resized(large, (360, 480))
        result = plain.score(large)
        assert result.shape == large.shape
        assert (resized(result, (360, 480)) - plain.score(small)).abs().mean() < 0.02

    def test_edges_come_from_the_frame(self) -> None:
        """What the network leaves as it is comes back sharper than by interpolation alone."""
        frames = scene(240, 320)
        small = resized(frames, (60, 80))
        plainly = resized(small, (240, 320))
        for painted, wanted in ((small, frames), (1 - small, 1 - frames)):
            error = (enlarge(frames, small, painted) - wanted).square().mean()
            assert error < 0.6 * (plainly - frames).square().mean()

    def test_strokes_survive_where_the_frame_is_empty(self) -> None:
        frames, small = torch.full((1, 3, 96, 128), 0.5), torch.full((1, 3, 24, 32), 0.5)
        strokes = torch.rand(1, 3, 24, 32, generator=torch.Generator().manual_seed(3))
        result = enlarge(frames, small, strokes)
        assert torch.allclose(result, resized(strokes, (96, 128)), atol=1e-5)
