"""Models that the user has exported: what they are given, what is made of what they give."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from framewright.errors import InputError, ScorerOptionError
from framewright.scorers import Scorer, create, rebuild
from framewright.scorers.exported.declaration import Declaration
from framewright.scorers.exported.onnx_file import check_onnx
from tests.scorers.onnx_bytes import field, frames_model, node, tensor, varint

pytest.importorskip("openvino")

ONE = tensor("one", np.array(1, np.float32))
INVERT = frames_model([node("Sub", ["one", "frames"], "pictures")], [ONE])
KERNEL = np.zeros((12, 3, 1, 1), np.float32)
for channel in range(3):
    KERNEL[channel::3, channel] = 1  # the four pixels of a block come first, then its channels
DOUBLE = frames_model(
    [
        node("Conv", ["frames", "kernel"], "deep"),
        node("DepthToSpace", ["deep"], "pictures", {"blocksize": 2}),
    ],
    [tensor("kernel", KERNEL)],
)
"""Each pixel becomes four of its colour."""
COPY = [node("Identity", ["frames"], "pictures")]
CHANNELS = np.array([1, 2, 4], np.float32)[:, None, None] / 8
WEIGHT = frames_model([node("Mul", ["frames", "w"], "pictures")], [tensor("w", CHANNELS)])
"""Its three channels times 1/8, 2/8 and 4/8."""


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Scorer]:
    """Makes the scorer of a model and its declaration, as a worker has it."""

    def make(model: bytes, said: dict[str, Any] | None = None) -> Scorer:
        (tmp_path / "model.onnx").write_bytes(model)
        (tmp_path / "model.json").write_text(json.dumps(said or {}))
        planned = create("exported", {"model": str(tmp_path / "model.onnx")})
        (tmp_path / "model.json").unlink()
        worker = rebuild(planned.identity, lambda _: tmp_path / "model.onnx")
        worker.setup(torch.device("cpu"), 1)
        return worker

    return make


def frames(height: int = 6, width: int = 10) -> torch.Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def equal(found: torch.Tensor, expected: torch.Tensor, error: float = 1e-5) -> None:
    torch.testing.assert_close(found, expected, atol=error, rtol=0)


def test_a_model_of_the_same_size(made: Callable[..., Scorer]) -> None:
    scorer = made(INVERT)
    for size in ((6, 10), (1, 1), (33, 17)):
        equal(scorer.score(frames(*size)), 1 - frames(*size))


def test_a_model_that_enlarges(made: Callable[..., Scorer]) -> None:
    expected = frames(5, 7).repeat_interleave(2, 2).repeat_interleave(2, 3)
    equal(made(DOUBLE, {"scale": 2, "multiple": 4}).score(frames(5, 7)), expected)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, lambda x, w: x * w),
        ({"channels": "BGR"}, lambda x, w: x * w.flip(0)),
        ({"input": {"range": 255}, "output": {"range": 255}}, lambda x, w: x * w),
        ({"input": {"range": 255}}, lambda x, w: (x * 255 * w).clamp(0, 1)),
        (
            {"input": {"mean": [0.1, 0.2, 0.3], "std": [0.5, 1, 2]}},
            lambda x, w: ((x - numbers(0.1, 0.2, 0.3)) / numbers(0.5, 1, 2) * w).clamp(0, 1),
        ),
        (
            {"output": {"mean": [0.1, 0.2, 0.3], "std": [0.5, 1, 2]}},
            lambda x, w: (x * w * numbers(0.5, 1, 2) + numbers(0.1, 0.2, 0.3)).clamp(0, 1),
        ),
        (
            {
                "channels": "BGR",
                "input": {"range": 255, "mean": [9, 0, 0]},
                "output": {"range": 255},
            },
            lambda x, w: ((x - numbers(0, 0, 9 / 255)) * w.flip(0)).clamp(0, 1),
        ),
    ],
    ids=lambda value: "" if callable(value) else str(value),
)
def test_values_are_as_declared(
    said: dict[str, Any], expected: Callable[..., torch.Tensor], made: Callable[..., Scorer]
) -> None:
    wanted = expected(frames(), torch.from_numpy(CHANNELS))
    assert wanted.std() > 0.02
    equal(made(WEIGHT, said).score(frames()), wanted)


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None, None]


def test_channels_last_and_half_precision(made: Callable[..., Scorer]) -> None:
    cast = node("Cast", ["frames"], "pictures", {"to": 1})
    model = frames_model([cast], inputs=[("n", "h", "w", 3)], kind="float16")
    scorer = made(model, {"layout": "NHWC", "dtype": "float16"})
    equal(scorer.score(frames()), frames(), 1e-3)


def test_whole_numbers(made: Callable[..., Scorer]) -> None:
    model = frames_model([node("Cast", ["frames"], "pictures", {"to": 1})], kind="uint8")
    said = {"dtype": "uint8", "input": {"range": 255}, "output": {"range": 255}}
    equal(made(model, said).score(frames()), (frames() * 255).round() / 255)


def test_a_model_of_one_size(made: Callable[..., Scorer]) -> None:
    scorer = made(frames_model(COPY, inputs=[(1, 3, 8, 12)]))
    equal(scorer.score(frames()), frames())
    for size in ((9, 12), (8, 13)):
        with pytest.raises(InputError, match=r"takes frames of 12x8 only, these have .* free hei"):
            scorer.prepare(*size)  # type: ignore[attr-defined]


def test_another_shape_than_declared(made: Callable[..., Scorer]) -> None:
    scorer = made(INVERT, {"scale": 2})
    said = r"gives values of shape \(1, 3, 6, 10\) where pictures of 3x12x20 .* correct scale \(2\)"
    with pytest.raises(ScorerOptionError, match=said):
        scorer.prepare(6, 10)  # type: ignore[attr-defined]


def test_the_identity_holds_what_is_declared(made: Callable[..., Scorer]) -> None:
    plain, hdr = made(INVERT), made(INVERT, {"takes_hdr": True})
    assert (plain.identity.takes_hdr, hdr.identity.takes_hdr) == (False, True)
    assert plain.identity != hdr.identity
    assert plain.identity.weights_sha256 == hdr.identity.weights_sha256
    assert Declaration.model_validate(plain.identity.params["declaration"]) == Declaration()


class TestDeclaration:
    @pytest.fixture(autouse=True)
    def _model(self, tmp_path: Path) -> None:
        (tmp_path / "model.onnx").write_bytes(INVERT)

    def test_toml_beside_it_or_elsewhere(self, tmp_path: Path) -> None:
        model = str(tmp_path / "model.onnx")
        (tmp_path / "model.toml").write_text("scale = 2\n[input]\nrange = 255\n")
        said = {"scale": 2, "input": {"range": 255}}
        beside = create("exported", {"model": model}).identity
        assert create("exported", {"model": model, "declaration": said}).identity == beside
        (tmp_path / "model.toml").rename(tmp_path / "other.toml")
        other = str(tmp_path / "other.toml")
        assert create("exported", {"model": model, "declaration": other}).identity == beside

    @pytest.mark.parametrize("names", [(), ("model.json", "model.toml")])
    def test_none_or_two(self, names: tuple[str, ...], tmp_path: Path) -> None:
        for name in names:
            (tmp_path / name).touch()
        with pytest.raises(ScorerOptionError, match=f"'model.json'; there are {len(names)}. An"):
            create("exported", {"model": str(tmp_path / "model.onnx")})

    @pytest.mark.parametrize(
        ("said", "wrong"),
        [
            ({"scal": 2}, "scal: Extra inputs .* Its keys: input, output, channels, layout"),
            ({"scale": 0}, "scale: Input should be greater than or equal to 1"),
            ({"scale": "two"}, "scale: Input should be a valid integer"),
            ({"channels": "rgb"}, "channels: Input should be 'RGB' or 'BGR'"),
            ({"input": {"std": [1, 0, 1]}}, r"input\.std\.1: Input should be greater than or eq"),
            ({"input": {"mean": [1, 2]}}, r"input\.mean\.2: Field required"),
            ({"input": {"range": 2}}, r"input\.range: .* of input and output: range, mean, std"),
            ({"dtype": "uint8"}, "a model that takes uint8 has input range 255"),
            ({"dtype": "int8"}, "dtype: Input should be 'float32', 'float16' or 'uint8'"),
        ],
        ids=str,
    )
    def test_what_is_not_possible(self, said: dict[str, Any], wrong: str, tmp_path: Path) -> None:
        with pytest.raises(ScorerOptionError, match=wrong):
            create("exported", {"model": str(tmp_path / "model.onnx"), "declaration": said})

    @pytest.mark.parametrize("text", ["scale =", "\0", "[[input]]", "a" * 70000])
    @pytest.mark.parametrize("suffix", ["toml", "json"])
    def test_garbage(self, text: str, suffix: str, tmp_path: Path) -> None:
        (tmp_path / f"model.{suffix}").write_text(text)
        with pytest.raises(
            ScorerOptionError, match=r"declaration.*(cannot be read|not possible)|too large"
        ):
            create("exported", {"model": str(tmp_path / "model.onnx")})


def external(path: str) -> bytes:
    return field(13, field(1, "location") + field(2, path)) + field(14, 1)


def hostile_models(secret: Path) -> list[bytes]:
    weights = np.zeros((1, 3, 1, 1), np.float32)
    named = tensor("w", weights, external(secret.name))
    add = node("Add", ["frames", "w"], "pictures")
    value = field(5, field(1, "value") + field(5, named) + field(20, 4))
    constant = field(2, "w") + field(4, "Constant") + value
    branch = field(1, constant) + field(2, "inner")
    nested = field(4, "If") + field(5, field(1, "then_branch") + field(6, branch) + field(20, 5))
    function = field(25, field(1, "f") + field(7, constant))
    return [
        frames_model([add], [named]),
        frames_model([add], [tensor("w", weights, external(str(secret)))]),
        frames_model([add], [tensor("w", weights, field(14, 1))]),
        frames_model([constant, add]),
        frames_model([nested, *COPY]),
        frames_model(COPY) + function,
        frames_model(COPY) + field(7, field(5, named)),
    ]


@pytest.mark.parametrize("number", range(7))
def test_numbers_in_other_files_are_not_read(number: int, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(3, dtype=np.float32).tobytes())
    model = tmp_path / "model.onnx"
    model.write_bytes(hostile_models(secret)[number])
    with pytest.raises(ScorerOptionError, match="keeps numbers in other files, which are not read"):
        create("exported", {"model": str(model), "declaration": {}})


def test_a_tag_of_more_than_32_bits_does_not_hide_a_field(tmp_path: Path) -> None:
    """A runtime that keeps the low 32 bits reads it as the field of the other file."""
    location = field(1, "location") + field(2, "secret")
    hidden = varint(13 << 3 | 2 | 1 << 32) + varint(len(location)) + location
    hidden += varint(14 << 3 | 1 << 32) + varint(1)
    named = tensor("w", np.zeros((1, 3, 1, 1), np.float32), hidden)
    model = tmp_path / "model.onnx"
    model.write_bytes(frames_model([node("Add", ["frames", "w"], "pictures")], [named]))
    with pytest.raises(ScorerOptionError, match="it has a tag that is none"):
        create("exported", {"model": str(model), "declaration": {}})


@pytest.mark.parametrize(
    "data",
    [
        *(b"\0" * 20, b"<net/>", b"{}", b"\x80\x04.", field(1, 8), INVERT[:-1], INVERT[:40]),
        *(field(1, 8) + field(7, field(1, field(5, field(6, b"\x0b")))), b"\x08" + b"\xff" * 11),
    ],
)
def test_what_is_not_onnx(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(data)
    with pytest.raises(ScorerOptionError, match="is not an ONNX file: it "):
        create("exported", {"model": str(tmp_path / "model.onnx"), "declaration": {}})


def test_graphs_that_are_nested_without_end(tmp_path: Path) -> None:
    graph = b""
    for _ in range(100):
        graph = field(1, field(5, field(6, graph)))
    (tmp_path / "deep.onnx").write_bytes(field(1, 8) + field(7, graph))
    with pytest.raises(ScorerOptionError, match="nested too deep"):
        check_onnx(tmp_path / "deep.onnx")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (frames_model(COPY, inputs=[(1, 3, "h", "w"), (1, 3, "h", "w")]), "has 2 inputs and 1 out"),
        (frames_model(COPY, inputs=[(4, 3, "h", "w")]), "and 1 frame or any number"),
        (frames_model(COPY, inputs=[(1, 1, "h", "w")]), "as NCHW; 3 channels"),
        (
            frames_model(COPY, inputs=[(3, "h", "w")]),
            r"has the sides \[3, 0, 0\] \(0: any\), as NCHW; 3 channels",
        ),
        (frames_model([node("Nonsense", ["frames"], "pictures")]), "OpenVINO cannot read it: .*"),
    ],
)
def test_a_model_of_something_else(model: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(model)
    with pytest.raises(ScorerOptionError, match=said):
        create("exported", {"model": str(tmp_path / "model.onnx"), "declaration": {}})
