"""An ONNX model, run by OpenVINO."""

from __future__ import annotations

import functools
import importlib.util
import logging
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from framewright.errors import ScorerOptionError
from framewright.scorers.exported.declaration import Declaration
from framewright.scorers.exported.onnx_file import check_onnx
from framewright.scorers.runtime import compile_on_cpu, openvino

__all__ = ["OnnxRunner"]

logger = logging.getLogger(__name__)

_SIZES_KEPT = 4


class OnnxRunner:
    """Runs an ONNX model on the CPU, frame by frame, compiled once for each size.

    Args:
        path: the file.
        declaration: what it does not say.

    Raises:
        ScorerOptionError: it cannot be read, or is no model of frames to pictures.
    """

    def __init__(self, path: Path, declaration: Declaration) -> None:
        check_onnx(path)
        if importlib.util.find_spec("openvino") is None:
            raise ScorerOptionError(
                "the package 'openvino' is needed for ONNX models: pip install openvino"
            )
        self._name, self._path, self._declaration = path.name, path, declaration
        self._threads, self._fixed = 1, self._check(self._read())
        self._request = functools.lru_cache(maxsize=_SIZES_KEPT)(self._compile)

    def setup(self, device: torch.device, threads: int) -> None:
        """Say how many threads it may use; the model stays on the CPU, whatever the device."""
        self._threads = threads
        if device.type != "cpu":
            logger.warning("ONNX models are run on the CPU: %s stays idle", device)

    def prepare(self, height: int, width: int) -> None:
        """Compile for frames of a size, and see that what comes out has the declared shape."""
        self(torch.zeros(1, 3, height, width))

    def __call__(self, frames: Tensor) -> Tensor:
        """Run frames (N, 3, H, W), RGB in [0, 1], through the model; pictures are on their device.

        Raises:
            InputError: the model is for smaller frames.
            ScorerOptionError: it cannot be compiled, or gives another shape than declared.
        """
        declaration, (height, width) = self._declaration, frames.shape[-2:]
        size = declaration.size_for(height, width, self._fixed)
        request, pictures = self._request(size), []
        for frame in frames.cpu():
            values = declaration.values_of(frame[None], size).contiguous().numpy()
            given = torch.from_numpy(request.infer({0: values}, share_inputs=True)[0])
            pictures.append(declaration.pictures_of(given, height, width))
        return torch.cat(pictures).to(frames.device)

    def _read(self) -> Any:
        frontend = importlib.import_module("openvino.frontend")
        openvino()
        try:
            onnx = frontend.FrontEndManager().load_by_framework("onnx")
            return onnx.convert(onnx.load(str(self._path)))
        except Exception as error:
            raise self._refused(f"OpenVINO cannot read it: {_first_line(error)}") from error

    def _check(self, model: Any) -> tuple[int, int]:
        """Return the height and width that the model is for; 0 where it takes any."""
        counts = len(model.inputs), len(model.outputs)
        if counts != (1, 1):
            raise self._refused(f"it has {counts[0]} inputs and {counts[1]} outputs, not one each")
        shape = model.inputs[0].partial_shape
        if shape.rank.is_dynamic:
            raise self._refused("its input has any number of sides")
        sides = [0 if side.is_dynamic else side.get_length() for side in shape]
        return self._declaration.sides_of(sides, f"the ONNX model {self._name!r}")

    def _compile(self, size: tuple[int, int]) -> Any:
        model = self._read()
        sides = {"N": 1, "C": 3, "H": size[0], "W": size[1]}
        try:
            model.reshape([sides[axis] for axis in self._declaration.layout])
            return compile_on_cpu(model, self._threads, self._declaration.precision)
        except Exception as error:
            raise self._refused(
                f"it cannot be compiled for frames of {size[1]}x{size[0]}: {_first_line(error)}"
            ) from error

    def _refused(self, why: str) -> ScorerOptionError:
        return ScorerOptionError(f"the ONNX model {self._name!r} cannot be used: {why}.")


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300].rstrip(".")
