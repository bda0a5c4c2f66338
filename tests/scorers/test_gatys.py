"""The optimisation: lower loss, same result however it is cut, and the reference reproduced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from framewright.errors import ScorerOptionError
from framewright.perceptual.slices import VggEncoder
from framewright.scorers import Scorer, create, rebuild
from framewright.scorers.asset import Asset
from framewright.scorers.gatys.lbfgs import Objective, minimise
from framewright.scorers.gatys.losses import StyleTarget, reference_loss, relative_loss
from framewright.scorers.gatys.optimise import RETURN_EVERY
from framewright.scorers.gatys.options import packed, unpacked
from framewright.scorers.gatys.reference import centre_square, optimised
from framewright.types import ScorerIdentity
from tests.perceptual.slices import random_slice

CPU = torch.device("cpu")
FEW = {"steps": 2, "short_side": 64}
FOLLOWED = {"steps": 2, "short_side": 72}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A painting and an encoder of random weights."""
    monkeypatch.setenv("FRAMEWRIGHT_CACHE_FOLDER", str(tmp_path / "cache"))
    image, encoder = tmp_path / "painting.png", tmp_path / "encoder.safetensors"
    Image.effect_mandelbrot((76, 64), (-2, -1.5, 1, 1.5), 50).save(image)
    encoder.write_bytes(random_slice())
    return {"style": str(image), "encoder": str(encoder)}


def ready(options: dict[str, object]) -> Scorer:
    scorer = create("gatys", options)
    scorer.setup(CPU, 1)
    return scorer


def moving(count: int, height: int = 48, width: int = 56, speed: int = 1) -> Tensor:
    """Soft shapes that drift to the right: (count, 3, height, width)."""
    dice = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 3, height // 4, (width + speed * count) // 4, generator=dice)
    wide = F.interpolate(coarse, (height, width + speed * count), mode="bicubic").clamp(0, 1)
    return torch.cat([wide[..., speed * n : speed * n + width] for n in range(count)])


def losses(files: dict[str, str], frames: Tensor, pictures: Tensor) -> Tensor:
    encoder = VggEncoder(random_slice())
    target = StyleTarget(encoder, unpacked(packed(files["style"])))
    with torch.no_grad():
        return relative_loss(encoder, target, frames, 0.5)(pictures)


def test_the_loss_and_its_gradient_are_what_is_written_down(files: dict[str, str]) -> None:
    encoder = VggEncoder(random_slice(), "zeros")
    target = StyleTarget(encoder, unpacked(packed(files["style"])))
    frame, picture = moving(1), torch.rand(2, 3, 48, 56).requires_grad_()
    ours = relative_loss(encoder, target, frame, 0.5, reference_weight=1e4)
    theirs = reference_loss(encoder, target, frame, 1e4)
    losses = ours(picture), theirs(picture) / target.variance
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*(torch.autograd.grad(loss.sum(), picture)[0] for loss in losses))


def test_encoders_get_channels_beside_each_other(files: dict[str, str]) -> None:
    encoder, seen = VggEncoder(random_slice()), []
    encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    target = StyleTarget(encoder, unpacked(packed(files["style"])))
    seen.clear()
    relative_loss(encoder, target, moving(1), 0.5)(moving(1))
    assert all(given.is_contiguous(memory_format=torch.channels_last) for given in seen)


def test_it_lowers_the_loss_and_more_steps_lower_it_more(files: dict[str, str]) -> None:
    frames = moving(2, 64, 72)
    before, few, many = (
        losses(files, frames, pictures)
        for pictures in (
            frames,
            ready({**files, "steps": 2}).score(frames),
            ready({**files, "steps": 8}).score(frames),
        )
    )
    assert (few < before / 2).all()
    assert (many < few).all()


def test_the_result_does_not_depend_on_how_frames_are_batched(files: dict[str, str]) -> None:
    frames = moving(4, 72, 84)
    whole = ready({**files, **FOLLOWED})
    together = whole.score(frames)
    parts = ready({**files, **FOLLOWED})
    assert torch.equal(together, torch.cat([parts.score(part) for part in frames.split([1, 2, 1])]))
    assert not torch.equal(together, whole.score(frames)), "it goes on from the last frame"
    whole.begin(0)  # type: ignore[attr-defined]
    assert torch.equal(together, whole.score(frames))


def test_a_batch_that_failed_can_be_given_again(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = moving(4)
    wanted = ready({**files, **FEW}).score(frames)
    scorer = ready({**files, **FEW})
    first = scorer.score(frames[:1])
    with monkeypatch.context() as context:
        real, calls = torch.autograd.grad, iter(range(1000))

        def grad(*given: object, **named: object) -> object:
            if next(calls) == 2:
                raise MemoryError
            return real(*given, **named)

        context.setattr(torch.autograd, "grad", grad)
        with pytest.raises(MemoryError):
            scorer.score(frames[1:])
    assert torch.equal(wanted, torch.cat([first, scorer.score(frames[1:])]))


def test_a_picture_follows_the_motion(files: dict[str, str]) -> None:
    """Frame after frame alone, each finds another solution; led along, it keeps the one it has."""
    frames = moving(3, 64, 64)
    options = {**files, "steps": 4}
    led = ready(options).score(frames)
    fresh = []
    alone = ready(options)
    for frame in frames:
        alone.begin(0)  # type: ignore[attr-defined]
        fresh.append(alone.score(frame[None]))

    def unrest(pictures: Tensor) -> float:
        inner = pictures[..., 12:-12, 12:-12], pictures[..., 12:-12, 11:-13]
        return float((inner[1][1:] - inner[0][:-1]).abs().mean())

    assert unrest(led) < unrest(torch.cat(fresh)) / 2


def test_it_may_start_from_a_painted_picture(files: dict[str, str]) -> None:
    plain, painted = (
        ready({**files, **FEW, "painted_start": value}).score(moving(1)) for value in (False, True)
    )
    assert (plain - painted).abs().mean() > 0.01


def apart(options: dict[str, object], frames: Tensor, first: int, later: int) -> Tensor:
    """How far a run from ``first`` on is from one that begins ``later`` frames after that."""
    runs = []
    for begun in (0, later):
        scorer = ready(options)
        scorer.begin(first + begun)  # type: ignore[attr-defined]
        runs.append(scorer.score(frames[begun:]))
    return (runs[0][later:] - runs[1]).abs().mean((1, 2, 3))


def test_where_a_unit_began_is_forgotten_after_a_frame_that_all_runs_optimise_alone(
    files: dict[str, str],
) -> None:
    frames = moving(12, 64, 64)
    options = {**files, "steps": 4, "short_side": 64}
    with_it, without = apart(options, frames, 28, 3), apart(options, frames, 1, 3)
    assert with_it[-1] < 0.2 * with_it[0]
    assert with_it[-1] < 0.5 * without[-1]


@pytest.mark.parametrize(
    ("first", "cut", "evaluations"),
    [
        (30, False, [16, 1, 16, 4, 4]),
        (0, False, [16, 4, 4, 4]),
        (1, False, [16, 1, 1, 1]),
        (1, True, [16, 1, 16, 4]),
    ],
)
def test_before_such_a_frame_or_a_scene_it_hurries(
    first: int,
    cut: bool,
    evaluations: list[int],
    files: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[int] = []

    def counted(loss: Objective, start: Tensor, steps: int, *rest: float) -> tuple[Tensor, Tensor]:
        done.append(steps)
        return minimise(loss, start, steps, *rest)

    monkeypatch.setattr("framewright.scorers.gatys.optimise.minimise", counted)
    scorer = ready({**files, "steps": 4, "short_side": 72})
    scorer.begin(first)  # type: ignore[attr-defined]
    frames = moving(4, 72, 84)
    scorer.score(torch.cat([frames[:2], 1 - frames[2:].flip(3)]) if cut else frames)
    assert done == evaluations


def test_before_a_unit_it_sees_such_a_frame_in_time(files: dict[str, str]) -> None:
    """In time for what comes after it to be alike when the stabiliser begins to remember."""
    assert create("gatys", {**files, **FEW}).context_frames >= RETURN_EVERY + 8


def test_where_a_run_began_shows_in_no_batch(files: dict[str, str]) -> None:
    frames = moving(3, 72, 84)
    scorers = [ready({**files, **FOLLOWED}) for _ in range(2)]
    for scorer in scorers:
        scorer.begin(31)  # type: ignore[attr-defined]
    together = scorers[0].score(frames)
    assert torch.equal(together, torch.cat([scorers[1].score(part) for part in frames.split(1)]))


def test_at_a_cut_it_begins_again(files: dict[str, str]) -> None:
    before, after = moving(2), 1 - moving(2).flip(3)
    scorer = ready({**files, **FEW})
    scorer.score(before)
    cut = scorer.score(after)
    fresh = ready({**files, **FEW})
    assert torch.equal(cut, fresh.score(after))


def test_without_strength_nothing_changes(files: dict[str, str]) -> None:
    frames = moving(3, 96, 112)
    scorer = ready({**files, **FEW, "strength": 0.0})
    assert torch.equal(scorer.score(frames), frames)
    assert not scorer.identity.flickers
    assert create("gatys", {**files, **FEW}).identity.flickers


def test_a_small_frame_follows_too(files: dict[str, str]) -> None:
    frames = moving(2)
    scorer = ready({**files, **FEW})
    led = scorer.score(frames)[1:]
    scorer.begin(0)  # type: ignore[attr-defined]
    assert not torch.equal(led, scorer.score(frames[1:]))


def test_it_works_within_inference_mode_as_workers_call_it(files: dict[str, str]) -> None:
    scorer = ready({**files, **FEW})
    with torch.inference_mode():
        frames = moving(2)
        result = scorer.score(frames)
    scorer.begin(0)  # type: ignore[attr-defined]
    assert torch.equal(result, scorer.score(moving(2)))


def test_a_large_frame_keeps_its_details(files: dict[str, str]) -> None:
    frame = moving(1, 96, 128)
    frame[..., ::2, ::2] += 0.2
    frame.clamp_(0, 1)
    result = ready({**files, **FEW}).score(frame)
    assert result.shape == frame.shape
    grain = [float((x[..., 1::2, 1::2] - x[..., ::2, ::2]).mean()) for x in (frame, result)]
    assert grain[1] < grain[0] / 2, "which is negative"


class TestCompat:
    """What the reference computes, written down a second time."""

    def loss(self, picture: Tensor, frame: Tensor, painting: Tensor) -> Tensor:
        encoder = VggEncoder(random_slice(), "zeros")
        maps, content, style = encoder(picture), encoder(frame), encoder(painting)
        total = F.mse_loss(maps[3], content[3])
        for ours, theirs in zip(maps, style, strict=True):
            grams = []
            for features in (ours, theirs):
                a, b, c, d = features.shape
                flat = features.view(a * b, c * d)
                grams.append(torch.mm(flat, flat.t()).div(a * b * c * d))
            total = total + 1e8 * F.mse_loss(*grams)
        return total

    def test_its_loss(self, files: dict[str, str]) -> None:
        frame, painting = moving(1), unpacked(packed(files["style"]))
        encoder = VggEncoder(random_slice(), "zeros")
        ours = reference_loss(encoder, StyleTarget(encoder, painting), frame, 1e8)
        picture = torch.rand(1, 3, 48, 56)
        torch.testing.assert_close(ours(picture)[0], self.loss(picture, frame, painting))

    def test_its_pictures(self, files: dict[str, str]) -> None:
        frame = moving(1)
        painting = centre_square(unpacked(packed(files["style"])), 64)
        square = centre_square(frame, 64)
        picture = square.clone().requires_grad_()
        optimiser = torch.optim.LBFGS([picture])
        calls = []

        def closure() -> Tensor:
            picture.data.clamp_(0, 1)
            optimiser.zero_grad()
            loss = self.loss(picture, square, painting)
            loss.backward()
            calls.append(loss.item())
            return loss

        while len(calls) <= 3:
            optimiser.step(closure)
        scored = ready({**files, "compat": True, "steps": 3, "short_side": 64}).score(frame)
        middle = F.interpolate(
            picture.detach().clamp(0, 1), (48, 48), mode="bilinear", antialias=True
        ).clamp(0, 1)
        torch.testing.assert_close(scored[..., 4:52], middle, rtol=0, atol=2e-3)
        assert not scored[..., :4].any() and not scored[..., 52:].any()
        assert len(calls) == 20, "the reference looks at its count after 20 evaluations"

    def test_the_count_of_steps_decides_how_often_the_optimiser_is_called(self) -> None:
        encoder = VggEncoder(random_slice(), "zeros")
        frame = moving(1, 32, 32)
        target = StyleTarget(encoder, frame.flip(3))
        once, twice = (optimised(encoder, target, frame, 1e4, steps) for steps in (19, 20))
        assert not torch.equal(once, twice)

    def test_every_frame_is_alone(self, files: dict[str, str]) -> None:
        scorer = ready({**files, "compat": True, "steps": 1, "short_side": 64})
        frames = moving(2)
        assert torch.equal(scorer.score(frames)[1:], scorer.score(frames[1:]))
        assert scorer.context_frames == 0


class TestOptions:
    def test_the_identity_holds_the_painting_and_names_the_encoder_by_content(
        self, files: dict[str, str]
    ) -> None:
        scorer = create("gatys", {**files, **FEW})
        text = scorer.identity.model_dump_json()
        assert len(text) < 100_000
        assert json.loads(text)["params"]["style"] == "painting.png"
        (weights,) = scorer.assets  # type: ignore[attr-defined]
        Path(files["style"]).unlink()

        def fetch(one: Asset) -> Path:
            assert one.reference == weights.reference
            return Path(weights.path)

        again = rebuild(ScorerIdentity.model_validate_json(text), fetch)
        again.setup(CPU, 1)
        files["style"] = files["style"].replace(".png", ".jpg")
        assert again.identity == scorer.identity
        scorer.setup(CPU, 1)
        assert torch.equal(again.score(moving(1)), scorer.score(moving(1)))

    def test_they_may_be_texts_as_the_command_line_gives_them(self, files: dict[str, str]) -> None:
        texts = {"strength": "0.5", "steps": "3", "short_side": "64", "compat": "false"}
        values = {"strength": 0.5, "steps": 3, "short_side": 64, "compat": False}
        read = create("gatys", {**files, **texts})
        assert read.identity == create("gatys", {**files, **values}).identity
        assert create("gatys", {**files, "compat": "True"}).identity.params["compat"] is True

    def test_the_hardest_painting_still_fits(self, tmp_path: Path) -> None:
        Image.effect_noise((512, 512), 200).convert("RGB").save(tmp_path / "noise.png")
        assert len(packed(tmp_path / "noise.png")) < 90_000

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"style": ""}, "needs an image"),
            ({"style": 5}, "needs an image"),
            ({"style": "wave"}, "'wave' is only a name: give the path of an image"),
            ({"style": "no/such.png"}, "cannot be read"),
            ({"strength": 1.5}, "strength of scorer 'gatys' is a number from 0 to 1, not 1.5"),
            ({"strength": float("nan")}, "strength"),
            ({"strength": True}, "strength"),
            ({"strength": "much"}, "strength of scorer 'gatys' is a number .*, not 'much'"),
            ({"strength": "nan"}, "strength"),
            ({"steps": "2.5"}, "steps of scorer 'gatys' is a whole number"),
            ({"steps": 2.5}, "steps of scorer 'gatys' is a whole number from 0 to 2000"),
            ({"short_side": 8}, "short_side of scorer 'gatys' is a whole number from 64"),
            ({"compat": "yes"}, "compat of scorer 'gatys' is a bool"),
            ({"compat": True, "encoder": "small"}, "use encoder=vgg19"),
            ({"compat": True, "strength": 0.4}, "leave strength"),
            ({"encoder": "no/such.pth"}, "and there is no file .no/such.pth"),
            ({"painting": "bm9uZQ=="}, "written by framewright itself"),
            ({"painting": 7}, "painting of scorer 'gatys' is text"),
        ],
    )
    def test_what_is_not_possible_is_refused_in_words(
        self, changes: dict[str, object], message: str, files: dict[str, str]
    ) -> None:
        with pytest.raises(ScorerOptionError, match=message):
            create("gatys", {**files, **changes})

    def test_a_file_that_is_no_encoder(self, files: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / "wrong.pth").write_bytes(b"wrong")
        with pytest.raises(ScorerOptionError, match=r"wrong\.pth' is no encoder: it "):
            create("gatys", {**files, "encoder": str(tmp_path / "wrong.pth")})

    def test_a_tiny_painting(self, files: dict[str, str], tmp_path: Path) -> None:
        Image.new("RGB", (8, 80)).save(tmp_path / "strip.png")
        with pytest.raises(ScorerOptionError, match="both sides must have 16 or more"):
            create("gatys", {**files, "style": str(tmp_path / "strip.png")})
