"""Programs of torch.export (``.pt2``), read without torch.export.load.

That would unpickle what the archive asks for, evaluate texts as expressions, and call any function
that is named. But the archive itself is plain: tensors as bytes, and a list of operator calls in
JSON. Here that list is read and interpreted, with operators from a list of ours, and nothing else.
The layout is that of torch 2.9 and later, schema version 8 (torch/_export/serde/schema.py).
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from framewright.errors import ScorerOptionError
from framewright.scorers.exported.operators import operator_named

__all__ = ["Program", "read_program"]

_MAJOR = 8
_MAX_JSON_BYTES = 64 << 20
_NAME = re.compile(r"[A-Za-z0-9_.]{1,200}")
_SKIPPED = (
    "torch.ops.aten._assert_scalar.default",
    "torch.ops.aten._assert_tensor_metadata.default",
)
"""They only check sizes."""
_UPDATING = ("aten::batch_norm", "aten::instance_norm", "aten::native_batch_norm")
"""They may write into their fourth and fifth argument, which their schemas do not say."""
_DTYPES = {
    **{1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64},
    **{6: torch.float16, 7: torch.float32, 8: torch.float64, 12: torch.bool, 13: torch.bfloat16},
}
_FORMATS = {1: torch.contiguous_format, 2: torch.channels_last, 4: torch.preserve_format}
_LITERALS = frozenset(
    {"as_int", "as_ints", "as_float", "as_floats", "as_bool", "as_bools", "as_string"}
)


class _NotUsable(ValueError):
    pass


@dataclass(frozen=True)
class _Name:
    """A value that an earlier call has made."""

    text: str


@dataclass(frozen=True)
class _Device:
    """Wherever the frames are."""


@dataclass(frozen=True)
class _Call:
    function: Callable[..., Any]
    positional: list[Any]
    named: dict[str, Any]
    results: list[Any]
    """Names, or lists of names, of what it gives."""


class Program(nn.Module):
    """An exported program of one input and one output, with its tensors."""

    def __init__(
        self,
        calls: list[_Call],
        tensors: dict[str, Tensor],
        frames: str,
        result: str,
        shape: list[int],
    ) -> None:
        super().__init__()
        self._calls, self._frames, self._result = calls, frames, result
        self._names = list(tensors)
        self.shape = shape
        """Sides of its input; 0 where it takes any."""
        for index, name in enumerate(self._names):
            self.register_buffer(f"tensor{index}", tensors[name])
        self._spent = _last_uses(calls, result)
        self._written = _written(calls, self._names)

    def forward(self, frames: Tensor) -> Tensor:
        """Run the calls one after the other, each time with its tensors as they were stored."""
        values: dict[str, Any] = {}
        for index, name in enumerate(self._names):
            stored = getattr(self, f"tensor{index}")
            values[name] = stored.clone() if name in self._written else stored
        values[self._frames] = frames.clone()  # some operators write into their input
        for call, spent in zip(self._calls, self._spent, strict=True):
            given = [_filled(value, values, frames.device) for value in call.positional]
            named = {key: _filled(v, values, frames.device) for key, v in call.named.items()}
            _keep(values, call.results, call.function(*given, **named))
            for name in spent:
                values.pop(name, None)
        result: Tensor = values[self._result]
        return result


def read_program(path: Path, max_bytes: int) -> Program:
    """Read a program and its tensors; nothing in the file is executed.

    Raises:
        ScorerOptionError: it is none, or has what is not allowed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(info.file_size for info in archive.infolist()) > max_bytes:
                raise _NotUsable(f"it unpacks to more than {max_bytes} bytes")
            return _read(archive)
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise _refused(
            path, f"its layout is not known ({type(error).__name__}: {error})"
        ) from error
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise _refused(path, str(error).partition("\n")[0][:300]) from error


def _read(archive: zipfile.ZipFile) -> Program:
    models = [name for name in archive.namelist() if re.search(r"(^|/)models/[^/]+\.json$", name)]
    if len(models) != 1:
        raise _NotUsable(f"it holds {len(models)} models of torch.export, not one")
    root, model = models[0].split("models/")[0], models[0].rpartition("/")[2].removesuffix(".json")
    program = _json(archive, models[0])
    version = program["schema_version"]
    if version["major"] != _MAJOR:
        raise _NotUsable(f"its schema version is {version}; {_MAJOR} is known")
    module = program["graph_module"]
    graph, signature = module["graph"], module["signature"]
    stored = {}
    for kind in ("weights", "constants"):
        stored[kind] = _tensors(archive, f"{root}data/{kind}/", f"{model}_{kind}_config.json")
    tensors: dict[str, Tensor] = {}
    inputs = []
    for spec in signature["input_specs"]:
        [(kind, said)] = spec.items()
        if kind == "user_input":
            inputs.append(said["arg"]["as_tensor"]["name"])
        elif kind in ("parameter", "buffer", "tensor_constant"):
            key = said[f"{kind}_name"]
            held = stored["weights"] if key in stored["weights"] else stored["constants"]
            tensors[said["arg"]["name"]] = held[key]
        else:
            raise _NotUsable(f"it has an input of the kind {kind!r}")
    outputs = [
        spec["user_output"]["arg"]["as_tensor"]["name"]
        for spec in signature["output_specs"]
        if "user_output" in spec
    ]
    if (len(inputs), len(outputs)) != (1, 1):
        raise _NotUsable(f"it has {len(inputs)} inputs and {len(outputs)} outputs, not one each")
    sizes = graph["tensor_values"][inputs[0]]["sizes"]
    calls = [_call(node) for node in graph["nodes"] if node["target"] not in _SKIPPED]
    shape = [int(size.get("as_int", 0)) for size in sizes]
    return Program(calls, tensors, inputs[0], outputs[0], shape)


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    if archive.getinfo(name).file_size > _MAX_JSON_BYTES:
        raise _NotUsable(f"{name!r} is too large")
    return json.loads(archive.read(name))


def _tensors(archive: zipfile.ZipFile, folder: str, config: str) -> dict[str, Tensor]:
    found = {}
    for key, entry in _json(archive, folder + config)["config"].items():
        if entry["use_pickle"]:
            raise _NotUsable(f"{key!r} is stored as a pickle, which could run any code")
        if not _NAME.fullmatch(entry["path_name"]):
            raise _NotUsable(f"{entry['path_name']!r} is not the name of a tensor's file")
        meta, data = entry["tensor_meta"], archive.read(folder + entry["path_name"])
        flat = torch.frombuffer(bytearray(data), dtype=_DTYPES[meta["dtype"]])
        sizes, strides = ([side["as_int"] for side in meta[k]] for k in ("sizes", "strides"))
        found[key] = flat.as_strided(sizes, strides, meta["storage_offset"]["as_int"]).clone()
    return found


def _call(node: dict[str, Any]) -> _Call:
    positional, named = [], {}
    for given in node["inputs"]:
        value = _argument(given["arg"])
        if given.get("kind", 1) == 2:
            named[given["name"]] = value
        else:
            positional.append(value)
    results = [_result(output) for output in node["outputs"]]
    return _Call(operator_named(node["target"]), positional, named, results)


def _argument(said: dict[str, Any]) -> Any:
    [(kind, value)] = said.items()
    if kind in _LITERALS:
        return float(value) if kind == "as_float" else value
    read = _READ.get(kind)
    if read is None:
        raise _NotUsable(f"it has an argument of the kind {kind!r}")
    return read(value)


def _arguments(said: list[dict[str, Any]]) -> list[Any]:
    return [_argument(one) for one in said]


_READ: dict[str, Callable[[Any], Any]] = {
    "as_none": lambda _: None,
    "as_name": _Name,
    "as_tensor": lambda value: _Name(value["name"]),
    "as_tensors": lambda value: [_Name(one["name"]) for one in value],
    "as_optional_tensor": _argument,
    "as_sym_int": _argument,
    "as_sym_float": _argument,
    "as_sym_bool": _argument,
    "as_optional_tensors": _arguments,
    "as_sym_ints": _arguments,
    "as_sym_floats": _arguments,
    "as_scalar_type": _DTYPES.__getitem__,
    "as_memory_format": _FORMATS.__getitem__,
    "as_device": lambda _: _Device(),
    "as_layout": lambda _: torch.strided,
}
"""How the arguments of a call are read, by their kind."""


def _result(said: dict[str, Any]) -> Any:
    made = _argument(said)
    if made is None:
        return ""
    return [one.text for one in made] if isinstance(made, list) else made.text


def _filled(value: Any, values: dict[str, Any], device: torch.device) -> Any:
    if isinstance(value, _Name):
        return values[value.text]
    if isinstance(value, _Device):
        return device
    if isinstance(value, list):
        return [_filled(one, values, device) for one in value]
    return value


def _keep(values: dict[str, Any], names: list[Any], results: Any) -> None:
    if len(names) == 1:
        results = [results]
    for name, result in zip(names, results, strict=True):
        if isinstance(name, list):
            values.update(zip(name, result, strict=True))
        else:
            values[name] = result


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, _Name):
        yield value.text
    elif isinstance(value, list):
        for one in value:
            yield from _names(one)


def _last_uses(calls: list[_Call], result: str) -> list[set[str]]:
    """For each call, the values that no later one needs."""
    spent: list[set[str]] = []
    later = {result}
    for call in reversed(calls):
        used = {name for v in [*call.positional, *call.named.values()] for name in _names(v)}
        spent.append(used - later)
        later |= used
    return spent[::-1]


def _written(calls: list[_Call], stored: list[str]) -> set[str]:
    """The stored tensors that calls may write into, themselves or through a view of them."""
    origins = {name: {name} for name in stored}
    written: set[str] = set()
    for call in calls:
        given = [*call.positional, *call.named.values()]
        schema = getattr(call.function, "_schema", None)
        changes = schema is not None and schema.is_mutable
        if schema is not None and schema.name in _UPDATING:
            changed = call.positional[3:5] + list(call.named.values())
        else:
            changed = given if changes else []
        for name in _names(changed):
            written |= origins.get(name, set())
        seen = given if changes else given[:1]  # a view is one of the first argument
        found = set().union(*(origins.get(name, set()) for name in _names(seen)))
        for result in call.results:
            for name in [result] if isinstance(result, str) else result:
                origins[name] = found
    return written


def _refused(path: Path, why: str) -> ScorerOptionError:
    return ScorerOptionError(
        f"the program {str(path)!r} cannot be used: {why}. Save it with torch.export.save of "
        "torch 2.9 or later, or export it to ONNX."
    )
