"""What every installed scorer of pictures promises, whoever wrote it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from framewright.assets import assets_of
from framewright.errors import EnvironmentMismatch, ScorerFailed, ScorerOptionError
from framewright.outputs import result_names
from framewright.scorers import Scorer, create, describe, outline, rebuild, scorer_names
from framewright.scorers.asset import Asset
from framewright.scorers.base import Prepares, Sequential
from framewright.scorers.transformer_net import TransformerNet
from framewright.types import ScorerIdentity
from tests.perceptual.slices import random_slice
from tests.scorers.onnx_bytes import frames_model, node
from tests.support import install_scorer


def _painting(folder: Path) -> dict[str, Any]:
    Image.effect_mandelbrot((40, 30), (-2, -1.5, 1, 1.5), 50).save(folder / "painting.png")
    return {"image": str(folder / "painting.png")}


def _optimised(folder: Path) -> dict[str, Any]:
    encoder = folder / "encoder.safetensors"
    encoder.write_bytes(random_slice())
    style = _painting(folder)["image"]
    return {"style": style, "encoder": str(encoder), "steps": 1, "short_side": 64}


def _weights(folder: Path) -> dict[str, Any]:
    torch.manual_seed(1)
    torch.save(TransformerNet().state_dict(), folder / "net.pth")
    return {"weights": str(folder / "net.pth")}


def _model(folder: Path) -> dict[str, Any]:
    model = frames_model([node("Sqrt", ["frames"], "pictures")])
    (folder / "model.onnx").write_bytes(model)
    (folder / "model.toml").touch()
    return {"model": str(folder / "model.onnx")}


NEEDS = {"color": _painting, "checkpoint": _weights, "exported": _model, "gatys": _optimised}
"""Scorers that do not work without options, and what makes them in a folder."""
SCORERS = [name for name in scorer_names() if name != "detect"]
"""Those that make pictures; the one that makes records has a module of its own."""
SHAPES = [(1, 1, 1), (2, 33, 17)]
"""Number, height and width of frames."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Scorer]:
    """Makes a scorer with the options it cannot do without."""

    folder = tmp_path_factory.mktemp("files")

    def make(name: str) -> Scorer:
        return create(name, NEEDS[name](folder) if name in NEEDS else {})

    return make


@pytest.fixture(scope="module")
def ready(made: Callable[[str], Scorer]) -> Callable[[str], Scorer]:
    """Makes a scorer and sets it up, once."""

    @cache
    def make(name: str) -> Scorer:
        scorer = made(name)
        scorer.setup(torch.device("cpu"), 1)
        return scorer

    return make


def frames(count: int, height: int, width: int) -> torch.Tensor:
    torch.manual_seed(count + height)
    return torch.rand(count, 3, height, width)


def rebuilt(scorer: Scorer, identity: ScorerIdentity | None = None) -> Scorer:
    """Make it again from its identity, or another one, as a worker does."""

    def fetch(one: Asset) -> Path:
        return assets_of(scorer)[one.reference]

    return rebuild(identity or scorer.identity, fetch)


def scored(scorer: Scorer, given: torch.Tensor) -> torch.Tensor:
    """Score frames as the first of a unit."""
    if isinstance(scorer, Sequential):
        scorer.begin(0)
    return scorer.score(given.clone()).clone()


def test_the_shipped_ones_are_there() -> None:
    shipped = {"checkpoint", "color", "detect", "exported", "fast", "gatys", "identity"}
    assert shipped <= set(scorer_names())


@pytest.mark.parametrize("name", SCORERS)
def test_keeps_the_protocol(name: str, made: Callable[[str], Scorer]) -> None:
    scorer = made(name)
    assert isinstance(scorer, Scorer)
    assert scorer.identity.name == name
    assert scorer.identity.version
    assert scorer.context_frames >= 0
    assert len(describe(name).partition(" Options: ")[0]) > 20


@pytest.mark.parametrize("name", SCORERS)
def test_what_names_its_results_is_known_before(name: str, tmp_path: Path) -> None:
    options = NEEDS[name](tmp_path) if name in NEEDS else {}
    identity, before = create(name, options).identity, outline(name, options)
    assert before is not None
    assert (before.name, before.result) == (identity.name, identity.result)
    assert result_names("a.mp4", before) == result_names("a.mp4", identity)


@pytest.mark.parametrize("name", SCORERS)
def test_its_identity_is_all_a_worker_needs(name: str, made: Callable[[str], Scorer]) -> None:
    scorer = made(name)
    identity = scorer.identity
    text = identity.model_dump_json()
    assert json.loads(text)["name"] == name
    assert len(text) < 100_000
    assert rebuilt(scorer, ScorerIdentity.model_validate_json(text)).identity == identity


@pytest.mark.parametrize("name", SCORERS)
def test_other_weights_or_version_are_refused(name: str, made: Callable[[str], Scorer]) -> None:
    scorer = made(name)
    for change in ({"version": "0"}, {"weights_sha256": "f" * 64}):
        with pytest.raises(EnvironmentMismatch, match=f"scorer '{name}' was planned as version"):
            rebuilt(scorer, scorer.identity.model_copy(update=change))


@pytest.mark.parametrize("name", SCORERS)
def test_scores_frames_of_any_size(name: str, ready: Callable[[str], Scorer]) -> None:
    scorer = ready(name)
    for count, height, width in SHAPES:
        given = frames(count, height, width)
        result = scorer.score(given.clone())
        scale = result.shape[-1] // width
        assert scale >= 1
        assert result.shape == (count, 3, scale * height, scale * width)
        assert result.is_floating_point()
        assert torch.isfinite(result).all()
        assert 0 <= float(result.min()) <= float(result.max()) <= 1


@pytest.mark.parametrize("name", SCORERS)
def test_scores_the_same_twice(name: str, ready: Callable[[str], Scorer]) -> None:
    given = frames(2, 33, 17)
    scorer = ready(name)
    first = scored(scorer, given)
    assert torch.equal(first, scored(scorer, given))
    again = rebuilt(scorer)
    again.setup(torch.device("cpu"), 1)
    assert torch.equal(first, scored(again, given))


def test_fast_does_what_takes_long_before_it_scores(ready: Callable[[str], Scorer]) -> None:
    """Compiling for a size is loading, and makes no other picture."""
    scorer = rebuild(ready("fast").identity)
    assert isinstance(scorer, Prepares)
    scorer.setup(torch.device("cpu"), 1)
    given = frames(1, 48, 40)
    began = time.perf_counter()
    scorer.prepare(48, 40)
    prepared = time.perf_counter()
    result = scorer.score(given.clone())
    assert time.perf_counter() - prepared < (prepared - began) / 2
    assert torch.equal(result, ready("fast").score(given.clone()))


@pytest.mark.parametrize("name", SCORERS)
def test_without_context_frames_do_not_depend_on_their_batch(
    name: str, ready: Callable[[str], Scorer]
) -> None:
    scorer = ready(name)
    if scorer.context_frames:
        return
    given = frames(2, 33, 17)
    together = scorer.score(given.clone()).clone()
    alone = torch.cat([scorer.score(frame[None].clone()).clone() for frame in given])
    assert (together - alone).abs().max() < 1 / 255


@pytest.mark.parametrize("name", SCORERS)
def test_an_unknown_option_is_refused_with_the_list(name: str) -> None:
    with pytest.raises(ScorerOptionError, match=f"scorer '{name}' takes no option 'nonsense'. Its"):
        create(name, {"nonsense": 1})


def test_an_unknown_scorer_is_refused_with_the_list() -> None:
    with pytest.raises(
        ScorerOptionError, match=r"unknown scorer 'x'\. Installed scorers: checkpoint, color,"
    ):
        create("x", {})


PLUGIN = '''
from framewright.types import ScorerIdentity

class Plugin:
    """Turns everything into its negative."""
    context_frames = 0
    def __init__(self, strength=1.0):
        self.strength = float(strength)
        params = {"strength": self.strength}
        self.identity = ScorerIdentity(name="negative", version="1", params=params)
    def setup(self, device, threads):
        pass
    def score(self, frames):
        return frames + self.strength * (1 - 2 * frames)
'''


def test_a_users_own_scorer_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution with an entry point: nothing in this repository changes."""
    install_scorer(tmp_path, "negative", PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "negative" in scorer_names()
    assert describe("negative") == "Turns everything into its negative. Options: strength."
    scorer = create("negative", {"strength": "0.5"})
    assert scorer.identity.params == {"strength": 0.5}
    assert rebuild(scorer.identity).identity == scorer.identity
    with pytest.raises(ScorerOptionError, match="Its options: strength"):
        create("negative", {"depth": 1})
    for value in ("much", [1]):
        with pytest.raises(ScorerOptionError, match=r"options strength=.*\. Its options: strength"):
            create("negative", {"strength": value})


@pytest.mark.parametrize(
    ("name", "hidden", "shown"),
    [
        ("fast", ["numbers", "images"], "style, strength, keep_colors, stroke_scale"),
        ("color", ["mean", "covariance"], "style, image"),
        ("gatys", ["painting"], "style, strength, steps"),
    ],
)
def test_what_only_workers_give_is_no_option_for_users(
    name: str, hidden: list[str], shown: str
) -> None:
    with pytest.raises(ScorerOptionError) as refused:
        create(name, {"nonsense": 1})
    for said in (describe(name), str(refused.value)):
        options = said.partition("ptions: ")[2]
        assert options.startswith(shown)
        assert not set(hidden) & set(options.strip(".").split(", "))
    with pytest.raises(ScorerOptionError) as refused:
        create(name, dict.fromkeys(hidden, "x"))
    assert "takes no option" not in str(refused.value), "a worker may give it"


def test_what_names_its_results_only_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_scorer(tmp_path, "styled", PLUGIN.replace("strength=1.0", "strength=1.0, style=''"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert outline("styled", {"style": "x"}) is None
    with pytest.raises(ScorerOptionError, match="unknown scorer 'no'"):
        outline("no", {})


def test_an_option_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_scorer(tmp_path, "needy", PLUGIN.replace("strength=1.0", "strength"))
    monkeypatch.syspath_prepend(str(tmp_path))
    said = r"scorer 'needy' needs the option 'strength': --option .* Its options: strength\."
    with pytest.raises(ScorerOptionError, match=said):
        create("needy", {})


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("bad", "import nowhere_at_all", "'plugin_bad:Plugin', which the package 'plugin_bad' na"),
        ("empty", "", "raised AttributeError: "),
        (
            "other",
            PLUGIN,
            "is called 'negative' in its identity, and workers look for it under that name",
        ),
    ],
)
def test_a_package_that_is_broken(
    name: str, source: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_scorer(tmp_path, name, source)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ScorerFailed, match=words):
        create(name, {})


@pytest.mark.parametrize(("scorer", "option"), [("detect", "weights"), ("exported", "model")])
def test_options_that_shipped_scorers_need(scorer: str, option: str) -> None:
    with pytest.raises(ScorerOptionError, match=f"scorer '{scorer}' needs the option '{option}'"):
        create(scorer, {})
