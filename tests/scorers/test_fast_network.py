from __future__ import annotations

import itertools
import json
import subprocess
import sys
from importlib import resources

import pytest
import torch
from torch import Tensor

from framewright.scorers.fast.colours import Colours, layout_distance
from framewright.scorers.fast.leaves import dead_leaves
from framewright.scorers.fast.network import STYLE_LENGTH, ConditionalStyleNet
from framewright.scorers.fast.weights import (
    WEIGHTS_FILE,
    Style,
    load_weights,
    style_names,
    styles,
    weights_sha256,
)
from framewright.scorers.runtime import build_runner

HATCH_BOUND = 2.2 / 255
"""Largest RMS at periods of 2 to 4 pixels on an empty picture."""

LAYOUT_BOUND = 0.4
"""Distance of the painted colours from the contents', brought to the painting's: see the loss."""

BF16_BOUND = 0.06
"""Largest difference of one value between OpenVINO in bfloat16 and eager float32."""


@pytest.fixture(scope="module")
def weights() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    return load_weights()


@pytest.fixture(scope="module")
def net(weights: tuple[dict[str, Tensor], dict[str, Tensor]]) -> ConditionalStyleNet:
    net = ConditionalStyleNet()
    net.load_state_dict(weights[0])
    return net.eval().requires_grad_(False)


def gradient(size: int) -> Tensor:
    """A sky: grey-blue above, paler below, shape (1, 3, size, size)."""
    ramp = torch.linspace(0, 1, size)[:, None].expand(size, size)
    top, bottom = torch.tensor([0.35, 0.5, 0.7]), torch.tensor([0.75, 0.8, 0.85])
    return (top[:, None, None] * (1 - ramp) + bottom[:, None, None] * ramp)[None]


def fine_pattern(picture: Tensor) -> float:
    """RMS of what repeats every 2 to 4 pixels along either axis, away from the borders."""
    luma = picture[0].mean(dim=0)[16:-16, 16:-16]
    side = luma.shape[0]
    window = torch.hann_window(side)[:, None] * torch.hann_window(side)
    faded = (luma - luma.mean()) * window / window.square().mean().sqrt()
    power = torch.fft.fft2(faded, norm="forward").abs().square()
    frequency = torch.fft.fftfreq(side).abs()
    fine = torch.maximum(frequency[:, None], frequency) >= 0.25 - 1.5 / side
    return float((power * fine).sum().sqrt())


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 50), (16, 16), (37, 53), (64, 96)])
def test_any_size_comes_back_in_range(net: ConditionalStyleNet, size: tuple[int, int]) -> None:
    frames = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    painted = net(frames, torch.ones(STYLE_LENGTH))
    assert painted.shape == frames.shape
    assert painted.isfinite().all()
    assert painted.min() >= 0 and painted.max() <= 1


def test_same_frame_same_picture(
    net: ConditionalStyleNet, weights: tuple[dict[str, Tensor], dict[str, Tensor]]
) -> None:
    style = weights[1]["wave"]
    assert torch.equal(net(gradient(64), style), net(gradient(64), style))


def test_a_style_per_frame_is_that_style_alone(
    net: ConditionalStyleNet, weights: tuple[dict[str, Tensor], dict[str, Tensor]]
) -> None:
    vectors = torch.stack([weights[1]["wave"], weights[1]["minotaur"]])
    frames = gradient(64).expand(2, -1, -1, -1)
    together = net(frames, vectors)
    for row in range(2):
        alone = net(frames[:1], vectors[row])[0]
        torch.testing.assert_close(together[row], alone, atol=1e-4, rtol=0)


def test_baking_refuses_a_vector_of_another_length(net: ConditionalStyleNet) -> None:
    with pytest.raises(ValueError, match=r"shape \(1584,\), got \(7,\)"):
        net.bake(torch.ones(7))


def test_weights_are_small() -> None:
    style = resources.files("framewright.scorers.fast").joinpath("weights", WEIGHTS_FILE)
    seen = resources.files("framewright.perceptual").joinpath("weights", "encoder-v1.safetensors")
    assert len(style.read_bytes()) + len(seen.read_bytes()) <= 2_500_000
    assert len(weights_sha256()) == 64


def test_every_style_is_there_and_paints_differently(
    net: ConditionalStyleNet, weights: tuple[dict[str, Tensor], dict[str, Tensor]]
) -> None:
    vectors = weights[1]
    assert tuple(vectors) == style_names()
    assert len(vectors) >= 6
    frames = gradient(64).expand(len(vectors), -1, -1, -1)
    painted = net(frames, torch.stack(list(vectors.values())))
    for a, b in itertools.combinations(range(len(vectors)), 2):
        assert (painted[a] - painted[b]).abs().mean() > 0.01


def test_metadata_agrees_with_the_weights_file() -> None:
    folder = resources.files("framewright.scorers.fast").joinpath("weights")
    data = folder.joinpath(WEIGHTS_FILE).read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    assert tuple(json.loads(header["styles"])) == style_names()
    assert int(header["steps"]) > 0


def test_colour_statistics_are_possible() -> None:
    for style in styles():
        assert all(0 < value < 1 for value in style.mean)
        covariance = torch.tensor(style.covariance, dtype=torch.float64)
        assert torch.equal(covariance, covariance.T)
        assert torch.linalg.eigvalsh(covariance).min() > 0
        assert style.title and style.artist and "public domain" in style.rights


@pytest.mark.parametrize("style", styles(), ids=lambda style: style.name)
def test_what_differs_in_colour_still_differs(
    net: ConditionalStyleNet, weights: tuple[dict[str, Tensor], dict[str, Tensor]], style: Style
) -> None:
    """Before the network saw the frame itself at full size, this was 0.47 to 1.19."""
    contents = dead_leaves(4, 192, seed=7)
    painting = Colours(torch.tensor([style.mean]), torch.tensor([style.covariance]))
    painted = net(contents, weights[1][style.name])
    assert float(layout_distance(contents, painted, painting).mean()) < LAYOUT_BOUND


@pytest.mark.parametrize("name", style_names())
@pytest.mark.parametrize("sky", ["flat", "gradient"])
def test_empty_skies_show_no_hatch(
    net: ConditionalStyleNet,
    weights: tuple[dict[str, Tensor], dict[str, Tensor]],
    name: str,
    sky: str,
) -> None:
    frame = gradient(256) if sky == "gradient" else torch.full((1, 3, 256, 256), 0.5)
    assert fine_pattern(net(frame, weights[1][name])) < HATCH_BOUND


def test_openvino_paints_what_torch_paints(
    net: ConditionalStyleNet, weights: tuple[dict[str, Tensor], dict[str, Tensor]]
) -> None:
    pytest.importorskip("openvino")
    style = weights[1]["starry_night"]
    noise = torch.rand(2, 3, 45, 70, generator=torch.Generator().manual_seed(1))
    painted = build_runner(net.bake(style), torch.device("cpu"))(noise)
    difference = (painted - net(noise, style)).abs()
    assert difference.max() < BF16_BOUND
    assert difference.mean() < BF16_BOUND / 10


def test_names_are_read_without_torch() -> None:
    code = (
        "import sys; from framewright.scorers.fast.weights import style_names, weights_sha256;"
        "style_names(); weights_sha256(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
