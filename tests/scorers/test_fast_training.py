"""What training does with weights; training itself needs VGG-19 and hours."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from framewright.scorers.fast import fit
from framewright.scorers.fast.network import STYLE_LENGTH, ConditionalStyleNet
from framewright.scorers.fast.predictor import STATISTICS, StylePredictor
from framewright.scorers.fast.weights import WEIGHTS_FILE, load_predictor, load_weights
from training import refit as module
from training.export import export
from training.paintings import PAINTINGS
from training.schedule import REFINED, STAGES
from training.train_fast import load_weights as begin_with

OLD_LENGTH = 1568
"""Numbers per style of version 2."""


@pytest.fixture
def shipped() -> dict[str, Tensor]:
    """All tensors of the shipped file, float32."""
    trunk, styles = load_weights()
    every = {f"trunk.{name}": value for name, value in trunk.items()}
    every |= {f"predictor.{name}": value for name, value in load_predictor().items()}
    return every | {f"style.{name}": value for name, value in styles.items()}


def version_2(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights without the channels that see the frame itself."""
    cut = {"trunk.leave.weight": tensors["trunk.leave.weight"][:, :16].contiguous()}
    for name, value in tensors.items():
        if name.startswith(("style.", "predictor.out.")):
            cut[name] = value[:OLD_LENGTH].contiguous()
    return {name: t for name, t in tensors.items() if not name.startswith("trunk.see.")} | cut


def begun(tensors: dict[str, Tensor], path: Path) -> tuple[ConditionalStyleNet, Tensor, Tensor]:
    """Network, styles, and the styles that the predictor guesses from no statistics at all."""
    save_file(tensors, path)
    net, predictor = ConditionalStyleNet(), StylePredictor()
    styles = torch.zeros(len(PAINTINGS), STYLE_LENGTH)
    begin_with(path, net, predictor, styles)
    with torch.no_grad():
        return net, styles, styles.mean(dim=0) + predictor(torch.zeros(1, STATISTICS))


@torch.no_grad()
def test_training_goes_on_from_shipped_weights(shipped: dict[str, Tensor], tmp_path: Path) -> None:
    net, styles, guess = begun(shipped, tmp_path / "w.safetensors")
    same, predictor = ConditionalStyleNet(), StylePredictor()
    same.load_state_dict(load_weights()[0])
    predictor.load_state_dict(load_predictor())
    frames = torch.rand(1, 3, 48, 64)
    for row, painting in enumerate(PAINTINGS):
        assert torch.equal(styles[row], shipped[f"style.{painting.name}"])
    assert torch.equal(net(frames, styles[0]), same(frames, styles[0]))
    assert torch.allclose(guess, predictor(torch.zeros(1, STATISTICS)), atol=1e-5)


@torch.no_grad()
def test_weights_of_version_2_paint_as_they_did(shipped: dict[str, Tensor], tmp_path: Path) -> None:
    net, styles, guess = begun(version_2(shipped), tmp_path / "w.safetensors")
    blind = ConditionalStyleNet()
    blind.load_state_dict(load_weights()[0])
    blind.leave.weight[:, 16:] = 0
    frames = torch.rand(1, 3, 48, 64)
    assert torch.equal(net(frames, styles[5]), blind(frames, shipped["style.wave"]))
    assert bool(net.see.conv.weight.any()), "it can learn"
    neutral = torch.cat((torch.ones(8), torch.zeros(8)))
    for row in (styles[0], guess[0]):
        assert torch.allclose(row[OLD_LENGTH:], neutral, atol=1e-6)


def test_a_trunk_that_is_not_whole_is_refused(shipped: dict[str, Tensor], tmp_path: Path) -> None:
    del shipped["trunk.down.conv.weight"]
    with pytest.raises(ValueError, match=r"no down\.conv\.weight"):
        begun(shipped, tmp_path / "w.safetensors")


def test_refining_is_what_trains_the_layout_of_the_colours() -> None:
    assert [bool(stage.layout) for stage in STAGES] == [n >= REFINED for n in range(len(STAGES))]


@pytest.fixture
def one_small_fit(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in {"_STEPS": 2, "_CONTENTS": 2, "_SIDE": 64, "_PAINTING_SIDE": 64}.items():
        monkeypatch.setattr(fit, name, value)
    monkeypatch.setattr(module, "PAINTINGS", PAINTINGS[:1])
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_small_fit")
def test_fitted_styles_are_marked_and_not_fitted_again(tmp_path: Path) -> None:
    for painting in PAINTINGS:
        Image.effect_noise((96, 64), 60).convert("RGB").save(tmp_path / painting.file)
    arguments = argparse.Namespace(out=tmp_path, paintings=tmp_path, seed=1)
    net, predictor = ConditionalStyleNet(), StylePredictor()
    trunk, styles = load_weights()
    net.load_state_dict(trunk)
    export(net, predictor, torch.stack([styles[p.name] for p in PAINTINGS]), arguments, 7)
    path = tmp_path / WEIGHTS_FILE

    def read() -> tuple[dict[str, str], Tensor, Tensor]:
        with safe_open(path, "pt") as file:
            return file.metadata(), *(file.get_tensor(f"style.{p.name}") for p in PAINTINGS[:2])

    before, trained, other = read()
    module.refit(arguments)
    after, fitted, kept = read()
    assert after == before | {"refitted": '["starry_night"]'}
    assert not torch.equal(fitted, trained)
    assert torch.equal(kept, other)
    written = path.read_bytes()
    module.refit(arguments)
    assert path.read_bytes() == written
    assert not list(tmp_path.glob("*.part"))
