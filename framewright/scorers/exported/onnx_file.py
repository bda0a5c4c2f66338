"""ONNX files from anywhere: looked through before a runtime sees them.

An ONNX file holds no code, but it may keep numbers in other files, by paths that whoever made it
has chosen. Such files are refused. The check walks the protobuf messages of onnx.proto3 (ONNX IR
version 10) that can hold a tensor, and reads nothing else of them.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from framewright.errors import ScorerOptionError

__all__ = ["check_onnx"]

_MAX_DEPTH = 64
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_TAG = 0xFFFF_FFFF
"""Parsers keep the low 32 bits of a tag: a larger one is another field to them."""

_MESSAGES: dict[str, dict[int, str]] = {
    "Model": {7: "Graph", 20: "Training", 25: "Function"},
    "Training": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {
        **{5: "Tensor", 10: "Tensor", 6: "Graph", 11: "Graph"},
        **{22: "SparseTensor", 23: "SparseTensor"},
    },
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}
"""By message: the fields that hold, in the end, tensors."""
_IR_VERSION, _GRAPH = 1, 7
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14

Span = tuple[int, int]


class _NotOnnx(ValueError):
    pass


def check_onnx(path: Path) -> None:
    """Refuse a file that is not ONNX, or that refers to other files.

    Raises:
        ScorerOptionError: it is, or does.
    """
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as m:
            data = memoryview(m)
            try:
                fields = {number for number, _, _ in _fields(data, (0, len(data)))}
                if not {_IR_VERSION, _GRAPH} <= fields:
                    raise _NotOnnx("it has no graph")
                external = _has_external_data(data, "Model", (0, len(data)), 0)
            finally:
                data.release()
    except (OSError, ValueError) as error:
        raise ScorerOptionError(f"{str(path)!r} is not an ONNX file: {error}.") from error
    if external:
        raise ScorerOptionError(
            f"the ONNX file {str(path)!r} keeps numbers in other files, which are not read: save "
            "it as one file, with onnx.save_model(onnx.load(FILE), NEW_FILE, "
            "save_as_external_data=False)."
        )


def _has_external_data(data: memoryview, message: str, span: Span, depth: int) -> bool:
    if depth > _MAX_DEPTH:
        raise _NotOnnx("its graphs are nested too deep")
    for number, kind, where in _fields(data, span):
        if message == "Tensor" and number == _EXTERNAL_DATA:
            return True
        if message == "Tensor" and number == _DATA_LOCATION and kind == _VARINT and where[0]:
            return True
        inner = _MESSAGES[message].get(number)
        if inner and kind == _BYTES and _has_external_data(data, inner, where, depth + 1):
            return True
    return False


def _fields(data: memoryview, span: Span) -> Iterator[tuple[int, int, Span]]:
    """Yield number, wire type and place of each field; for a varint, its value as the place."""
    at, end = span
    while at < end:
        tag, at = _varint(data, at, end)
        if tag > _MAX_TAG:
            raise _NotOnnx("it has a tag that is none")
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at, end)
            yield number, kind, (value, at)
            continue
        if kind == _BYTES:
            length, at = _varint(data, at, end)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise _NotOnnx("it is no protobuf message")
        if number == 0 or length > end - at:
            raise _NotOnnx("it is no protobuf message, or is cut off")
        yield number, kind, (at, at + length)
        at += length


def _varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise _NotOnnx("it is no protobuf message, or is cut off")
