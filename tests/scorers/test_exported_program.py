"""Programs of torch.export, which torch.export.load never sees."""

from __future__ import annotations

import json
import os
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framewright.errors import InputError, ScorerOptionError
from framewright.scorers import create, rebuild
from framewright.scorers.exported.program import read_program


class Net(nn.Module):
    """Enlarges by two, with most of what such networks are made of."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first = nn.Sequential(nn.Conv2d(3, 12, 3), nn.ReLU(inplace=True))
        self.norm = nn.InstanceNorm2d(12, affine=True)
        self.batch = nn.BatchNorm2d(12)
        self.register_buffer("gain", torch.tensor([0.9]))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        y = self.first(F.pad(x, (1, 1, 1, 1), mode="reflect"))
        one, other = self.norm(y).chunk(2, dim=1)
        y = torch.cat([other, one], 1) + self.batch(y) * self.gain  # type: ignore[operator]
        y = F.pixel_shuffle(y, 2) + F.interpolate(x, scale_factor=2.0, mode="bilinear")
        return y[..., : 2 * height, : 2 * width].sigmoid()


@pytest.fixture(scope="module")
def net() -> nn.Module:
    return Net().eval().requires_grad_(False)


@pytest.fixture(scope="module")
def saved(net: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, for frames of any size and number."""
    return export(net, tmp_path_factory.mktemp("pt2") / "net.pt2", dynamic=True)


def export(net: nn.Module, path: Path, dynamic: bool) -> Path:
    free = torch.export.Dim.DYNAMIC
    shapes = ({0: free, 2: free, 3: free},) if dynamic else None
    example = torch.rand(2 if dynamic else 1, 3, 12, 20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(net, (example,), dynamic_shapes=shapes), path)
    return path


def frames(height: int = 9, width: int = 14) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def changed(path: Path, target: Path, edit: Callable[[str, bytes], bytes]) -> Path:
    """A copy of an archive with other contents under some names."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, edit(name.partition("/")[2], old.read(name)))
    return target


def test_computes_what_the_model_computes(saved: Path, net: nn.Module) -> None:
    program = read_program(saved, 1 << 20)
    assert program.shape == [0, 3, 0, 0]
    given = frames()
    before = given.clone()
    torch.testing.assert_close(program(given), net(given), atol=1e-6, rtol=0)
    assert torch.equal(given, before)


@pytest.mark.parametrize("dynamic", [True, False])
def test_the_scorer_on_a_worker(dynamic: bool, saved: Path, net: nn.Module, tmp_path: Path) -> None:
    path = saved if dynamic else export(net, tmp_path / "fixed.pt2", dynamic=False)
    declaration = {"scale": 2, "smallest": 4}
    planned = create("exported", {"model": str(path), "declaration": declaration})
    worker = rebuild(planned.identity, lambda _: path)
    worker.setup(torch.device("cpu"), 1)
    worker.prepare(9, 14)  # type: ignore[attr-defined]
    size = (9, 14) if dynamic else (12, 20)
    padding = (0, size[1] - 14, 0, size[0] - 9)
    expected = net(F.pad(frames(), padding, mode="replicate"))[..., :18, :28]
    torch.testing.assert_close(worker.score(frames()), expected, atol=1e-4, rtol=0)
    if not dynamic:
        with pytest.raises(InputError, match="takes frames of 20x12 only, these have 21x12"):
            worker.prepare(12, 21)  # type: ignore[attr-defined]


class Counting(nn.Module):
    """Writes into what it has stored: into a buffer, a view of one, and running means."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(3, 1, 1))
        self.norm = nn.BatchNorm2d(3, momentum=0.5)

    def forward(self, x: Tensor) -> Tensor:
        self.count.add_(0.1)  # type: ignore[operator]
        self.count[1:].view(-1).mul_(2.0)  # type: ignore[index]
        return self.norm(x) + self.count + self.norm.running_mean[:, None, None]  # type: ignore[index]


def test_what_a_program_has_stored_stays(tmp_path: Path) -> None:
    program = read_program(export(Counting(), tmp_path / "net.pt2", dynamic=False), 1 << 20)
    given = frames(12, 20)[:1]
    first = program(given)
    assert torch.equal(first, program(given))
    assert not torch.equal(first, program(1 - given))


class Deadly:
    """Unpickling it runs a command."""

    def __init__(self, witness: Path) -> None:
        self._witness = witness

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch '{self._witness}'",)


def with_sample_inputs(name: str, data: bytes, deadly: bytes, command: str) -> bytes:
    return deadly if name.startswith("data/sample_inputs") else data


def with_pickled_weight(name: str, data: bytes, deadly: bytes, command: str) -> bytes:
    if name.endswith("weights_config.json"):
        return data.replace(b'"use_pickle": false', b'"use_pickle": true')
    return deadly if name == "data/weights/weight_0" else data


def with_expression(name: str, data: bytes, deadly: bytes, command: str) -> bytes:
    """A size is a text that torch.export.load evaluates."""
    if not name.startswith("models/"):
        return data
    model = json.loads(data)
    text = f"__import__('os').system({command!r})"
    for values in model["graph_module"]["graph"]["tensor_values"].values():
        for size in values["sizes"]:
            if "as_expr" in size:
                size["as_expr"]["expr_str"] = text
    return json.dumps(model).encode()


def with_operator(name: str, data: bytes, deadly: bytes, command: str) -> bytes:
    """A call names a function that is reachable from the module torch."""
    if not name.startswith("models/"):
        return data
    model = json.loads(data)
    last = model["graph_module"]["graph"]["nodes"][-1]
    last["target"] = "torch.serialization.os.system"
    last["inputs"] = [{"name": "x", "arg": {"as_string": command}, "kind": 1}]
    return json.dumps(model).encode()


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (with_sample_inputs, ""),
        (with_expression, ""),
        (with_pickled_weight, "is stored as a pickle, which could run any code"),
        (with_operator, "uses 'torch.serialization.os.system', which is not among the operators"),
    ],
)
def test_nothing_in_a_hostile_program_is_run(
    attack: Callable[[str, bytes, bytes, str], bytes], said: str, saved: Path, tmp_path: Path
) -> None:
    witness, path = tmp_path / "ran", tmp_path / "hostile.pt2"
    deadly, command = pickle.dumps(Deadly(witness)), f"touch '{witness}'"
    hit = []

    def edit(name: str, data: bytes) -> bytes:
        new = attack(name, data, deadly, command)
        hit.append(new != data)
        return new

    changed(saved, path, edit)
    assert any(hit)
    options = {"model": str(path), "declaration": {"scale": 2}}
    if said:
        with pytest.raises(ScorerOptionError, match=said):
            create("exported", options)
    else:  # what is hostile is not read at all
        scorer = create("exported", options)
        scorer.setup(torch.device("cpu"), 1)
        assert scorer.score(frames()).shape == (2, 3, 18, 28)
    assert not witness.exists()


@pytest.mark.parametrize(
    "target",
    [
        *("torch.ops.aten.save.default", "torch.ops.aten.from_file.default", "torch.from_file"),
        *("torch.ops.aten.add.nonsense", "torch.ops.aten.add.__class__", "torch.ops.aten.empty.x"),
        *("_operator.attrgetter", "math.os", "#x:y", "torch.ops.higher_order.cond", ""),
    ],
)
def test_an_operator_that_is_not_on_the_list(target: str, saved: Path, tmp_path: Path) -> None:
    def edit(name: str, data: bytes) -> bytes:
        old = b'"torch.ops.aten.sigmoid.default"'
        return data.replace(old, json.dumps(target).encode()) if "models/" in name else data

    path = changed(saved, tmp_path / "other.pt2", edit)
    with pytest.raises(ScorerOptionError, match="which is not among the operators allowed"):
        read_program(path, 1 << 20)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda d: d.replace(b'"major": 8', b'"major": 9'), "schema version is .* 8 is known"),
        (lambda d: d.replace(b'"user_input"', b'"token"'), "input of the kind 'token'"),
        (lambda d: d.replace(b'"nodes"', b'"edges"'), "its layout is not known"),
        (lambda d: d[:-1], "cannot be used"),
        (lambda d: b"[" * 100_000, "cannot be used"),
    ],
)
def test_a_program_that_is_not_known(
    edit: Callable[[bytes], bytes], said: str, saved: Path, tmp_path: Path
) -> None:
    path = changed(saved, tmp_path / "o.pt2", lambda n, d: edit(d) if "models/" in n else d)
    with pytest.raises(ScorerOptionError, match=said):
        read_program(path, 1 << 20)


def test_what_is_no_program(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(ScorerOptionError, match="unpacks to more than 100 bytes"):
        read_program(saved, 100)
    for data in (b"PK", b"\x80\x04.", b"{}"):
        (tmp_path / "x.pt2").write_bytes(data)
        with pytest.raises(ScorerOptionError, match="cannot be used"):
            create("exported", {"model": str(tmp_path / "x.pt2"), "declaration": {}})


@pytest.mark.parametrize("suffix", [".pt", ".ts", ".torchscript", ".pth", ".pkl"])
def test_other_formats_are_refused_unread(suffix: str, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    path = tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps(Deadly(witness)))
    said: dict[str, Any] = {".pkl": "not known by its suffix; use .onnx or .pt2"}
    with pytest.raises(ScorerOptionError, match=said.get(suffix, r"export it to ONNX, or with")):
        create("exported", {"model": str(path), "declaration": {}})
    assert not witness.exists()
