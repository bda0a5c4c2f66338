"""A user's own TransformerNet, against the network built here from its description."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from framewright.errors import ScorerOptionError
from framewright.scorers import create, rebuild
from framewright.scorers.runtime import OpenVinoRunner
from framewright.scorers.transformer_net import TransformerNet, read_state

State = dict[str, Tensor]
BF16_BOUND = 0.05
"""Largest difference of one value between OpenVINO in bfloat16 and eager float32."""


class Golden(nn.Module):
    """The layers in the order of pytorch/examples, as one flat list; values of its own range."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)

        def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
            pad = nn.ReflectionPad2d(kernel // 2)
            return nn.Sequential(pad, nn.Conv2d(inputs, outputs, kernel, stride))

        def norm(channels: int) -> nn.InstanceNorm2d:
            made = nn.InstanceNorm2d(channels, affine=True)
            nn.init.uniform_(made.weight, 0.5, 1.5)
            nn.init.uniform_(made.bias, -0.5, 0.5)
            return made

        self.down = nn.Sequential(
            *(conv(3, 32, 9), norm(32), nn.ReLU()),
            *(conv(32, 64, 3, 2), norm(64), nn.ReLU()),
            *(conv(64, 128, 3, 2), norm(128), nn.ReLU()),
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(conv(128, 128, 3), norm(128), nn.ReLU()), *(conv(128, 128, 3), norm(128))
            )
            for _ in range(5)
        )
        self.up = nn.Sequential(
            *(nn.Upsample(scale_factor=2), conv(128, 64, 3), norm(64), nn.ReLU()),
            *(nn.Upsample(scale_factor=2), conv(64, 32, 3), norm(32), nn.ReLU()),
            conv(32, 3, 9),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        for block in self.blocks:
            x = x + block(x)
        return self.up(x)  # type: ignore[no-any-return]

    def named(self) -> State:
        """Its state under the names of pytorch/examples."""
        layers = ["conv1", "in1", "conv2", "in2", "conv3", "in3"]
        layers += [
            f"res{n}.{name}" for n in range(1, 6) for name in ("conv1", "in1", "conv2", "in2")
        ]
        layers += ["deconv1", "in4", "deconv2", "in5", "deconv3"]
        full = [f"{name}.conv2d" if "conv" in name else name for name in layers]
        names = [f"{name}.{part}" for name in full for part in ("weight", "bias")]
        return dict(zip(names, self.state_dict().values(), strict=True))


@pytest.fixture(scope="module")
def golden() -> Golden:
    net = Golden().eval().requires_grad_(False)
    net.up[-1][1].weight.mul_(20)  # type: ignore[index,union-attr,operator]
    net.up[-1][1].bias.fill_(110)  # type: ignore[index,union-attr,operator]
    return net


@pytest.fixture
def saved(golden: Golden, tmp_path: Path) -> Callable[[Any], Path]:
    """Writes what a change makes of the network's state."""

    def save(content: Any) -> Path:
        torch.save(content, tmp_path / "saved_model.pth")
        return tmp_path / "saved_model.pth"

    return save


def photo(height: int, width: int) -> Tensor:
    small = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(3))
    return torch.nn.functional.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)


def loaded(path: Path, top: int = 255) -> TransformerNet:
    net = TransformerNet(top)
    net.load_state_dict(read_state(path, 1 << 24))
    return net.eval().requires_grad_(False)


def expected(golden: Golden, frames: Tensor, top: int = 255) -> Tensor:
    """What it paints: part of its values must be within the range, or nothing is compared."""
    painted: Tensor = golden(frames * top) / top
    assert ((painted > 0.02) & (painted < 0.98)).float().mean() > 0.4
    return painted.clamp(0, 1)


def old_statistics(state: State) -> State:
    extra = {}
    for name, value in state.items():
        if ".in" in f".{name}" and name.endswith("weight"):
            stem = name.removesuffix("weight")
            extra |= {f"{stem}running_mean": value * 0 + 9, f"{stem}running_var": value * 0 + 4}
    assert len(extra) == 30
    return state | extra


@pytest.mark.parametrize(
    "variant",
    [
        lambda state: state,
        lambda state: OrderedDict((f"module.{key}", value) for key, value in state.items()),
        old_statistics,
        lambda state: {"epoch": 2, "state_dict": state},
        lambda state: {key: nn.Parameter(value) for key, value in state.items()},
    ],
    ids=["plain", "data parallel", "torch 0.3", "in a dictionary", "parameters"],
)
def test_paints_what_the_network_paints(
    variant: Callable[[State], Any], golden: Golden, saved: Callable[[Any], Path]
) -> None:
    net = loaded(saved(variant(golden.named())))
    frames = photo(32, 24)
    torch.testing.assert_close(net(frames), expected(golden, frames), atol=1e-5, rtol=0)


def test_the_range_is_that_of_its_training(golden: Golden, saved: Callable[[Any], Path]) -> None:
    state = golden.named()
    state["conv1.conv2d.weight"] = state["conv1.conv2d.weight"] * 255
    for name in ("deconv3.conv2d.weight", "deconv3.conv2d.bias"):
        state[name] = state[name] / 255
    frames = photo(24, 32)
    painted = loaded(saved(state), 1)(frames)
    torch.testing.assert_close(painted, expected(golden, frames), atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (2, 30), (17, 18), (33, 21)])
def test_any_size_is_padded_and_cropped(
    size: tuple[int, int], golden: Golden, saved: Callable[[Any], Path]
) -> None:
    frames = photo(*size)
    painted = loaded(saved(golden.named()))(frames)
    assert painted.shape == frames.shape
    height, width = (max(16, -(-side // 4) * 4) for side in size)
    rows = torch.arange(height).clamp(max=size[0] - 1)
    columns = torch.arange(width).clamp(max=size[1] - 1)
    whole = expected(golden, frames[:, :, rows][:, :, :, columns])
    torch.testing.assert_close(painted, whole[..., : size[0], : size[1]], atol=1e-5, rtol=0)


def test_the_scorer_does_on_a_worker_what_the_network_does(
    golden: Golden, saved: Callable[[Any], Path]
) -> None:
    pytest.importorskip("openvino")
    path = saved(golden.named())
    planned = create("checkpoint", {"weights": str(path), "range": "255"})
    worker = rebuild(planned.identity, lambda _: path)
    worker.setup(torch.device("cpu"), 1)
    frames = photo(30, 22)
    whole = expected(golden, torch.nn.functional.pad(frames, (0, 2, 0, 2), mode="replicate"))
    difference = (worker.score(frames) - whole[..., :30, :22]).abs()
    assert difference.max() < BF16_BOUND
    assert difference.mean() < BF16_BOUND / 10
    exact = OpenVinoRunner(loaded(path), precision="f32")(frames)
    torch.testing.assert_close(exact, whole[..., :30, :22], atol=1e-4, rtol=0)


def test_safetensors_too(golden: Golden, tmp_path: Path) -> None:
    state = {key: value.half().contiguous() for key, value in golden.named().items()}
    save_file(state, tmp_path / "net.safetensors")
    frames = photo(32, 24)
    painted = loaded(tmp_path / "net.safetensors")(frames)
    torch.testing.assert_close(painted, expected(golden, frames), atol=0.02, rtol=0)


def without(*names: str) -> Callable[[State], Any]:
    return lambda state: {key: value for key, value in state.items() if key not in names}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("in3.bias", "res2.in1.weight"), r"it lacks in3\.bias, res2\.in1\.weight\. The"),
        (lambda state: state | {"extra.weight": torch.ones(1)}, r"it has besides extra\.weight\."),
        (
            lambda state: state | {"in1.bias": torch.ones(31)},
            r"in1\.bias has shape \(31,\), not \(32,\)\.",
        ),
        (lambda state: state | {"in1.bias": torch.ones(32, dtype=torch.int32)}, "tensor of floats"),
        (lambda state: state | {"in1.bias": 3}, r"in1\.bias is no tensor of floats"),
        (lambda state: state | {"in1.bias": torch.ones(32) * torch.inf}, r"finite in in1\.bias"),
        (lambda _: {}, r"it lacks conv1\.conv2d\.weight, .* and 58 more\."),
        (lambda _: [1, 2], "it holds a list, not the state of a network"),
        (lambda _: {3: torch.ones(1)}, "it holds a dict, not the state of a network"),
    ],
)
def test_another_networks_weights_are_refused_with_what_differs(
    change: Callable[[State], Any], said: str, golden: Golden, saved: Callable[[Any], Path]
) -> None:
    with pytest.raises(ScorerOptionError, match=said):
        create("checkpoint", {"weights": str(saved(change(golden.named())))})


@pytest.mark.parametrize("value", ["0", "256", "x", 2, None])
def test_another_range_is_refused(value: object, saved: Callable[[Any], Path]) -> None:
    with pytest.raises(ScorerOptionError, match=r"option range .* use 255 .* or 1"):
        create("checkpoint", {"weights": str(saved({})), "range": value})


class Deadly:
    """Unpickling it runs a command."""

    def __init__(self, witness: Path) -> None:
        self._witness = witness

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch '{self._witness}'",)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
def test_nothing_in_a_hostile_file_is_run(kind: str, golden: Golden, tmp_path: Path) -> None:
    witness, path = tmp_path / "ran", tmp_path / "model.pth"
    content = golden.named() | {"in1.bias": Deadly(witness)}
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Deadly(witness)))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    with pytest.raises(ScorerOptionError, match="never loaded: they could run any code"):
        create("checkpoint", {"weights": str(path)})
    assert not witness.exists()


@pytest.mark.parametrize("data", [b"\0" * 100, b"PK\x03\x04" + b"\0" * 100, b"{}"])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_garbage_is_refused(data: bytes, suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"x.{suffix}").write_bytes(data)
    with pytest.raises(ScorerOptionError, match="cannot be used: it"):
        create("checkpoint", {"weights": str(tmp_path / f"x.{suffix}")})


def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data", b"\0" * (65 << 20))
    with pytest.raises(ScorerOptionError, match="unpacks to 68157440 bytes; at most 67108864"):
        create("checkpoint", {"weights": str(tmp_path / "bomb.pth")})
