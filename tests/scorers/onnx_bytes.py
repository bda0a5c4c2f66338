"""ONNX files of a few nodes, written byte by byte (onnx.proto3), without the package onnx."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["field", "frames_model", "node", "tensor", "varint"]

FLOAT = 1
TYPES = {"float32": 1, "uint8": 2, "int64": 7, "float16": 10}


def varint(value: int) -> bytes:
    """A number in groups of seven bits, the lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | str | bytes) -> bytes:
    """A field of a message: a varint, or bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name: str, array: npt.NDArray[np.generic], extra: bytes = b"") -> bytes:
    """A TensorProto."""
    dims = b"".join(field(1, size) for size in array.shape)
    kind = field(2, TYPES[str(array.dtype)])
    raw = b"" if extra else field(9, array.tobytes())
    return dims + kind + field(8, name) + raw + extra


def node(
    kind: str, inputs: Sequence[str], output: str, attributes: Mapping[str, int] | None = None
) -> bytes:
    """A NodeProto; attributes are integers."""
    listed = b"".join(
        field(5, field(1, name) + field(3, value) + field(20, 2))
        for name, value in (attributes or {}).items()
    )
    return b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind) + listed


def value_info(name: str, shape: Sequence[int | str], kind: str) -> bytes:
    dims = b"".join(field(1, field(1 if isinstance(side, int) else 2, side)) for side in shape)
    typed = field(1, field(1, TYPES[kind]) + field(2, dims))
    return field(1, name) + field(2, typed)


def frames_model(
    nodes: Sequence[bytes],
    tensors: Sequence[bytes] = (),
    *,
    inputs: Sequence[Sequence[int | str]] = (("n", 3, "h", "w"),),
    kind: str = "float32",
) -> bytes:
    """A ModelProto of opset 17 from ``frames`` (``frames1``, ...) to ``pictures``."""
    graph = b"".join(field(1, one) for one in nodes) + field(2, "graph")
    graph += b"".join(field(5, one) for one in tensors)
    for index, shape in enumerate(inputs):
        graph += field(11, value_info(f"frames{index or ''}", shape, kind))
    graph += field(12, value_info("pictures", ("n", "a", "b", "c"), "float32"))
    return field(1, 8) + field(8, field(1, "") + field(2, 17)) + field(7, graph)
