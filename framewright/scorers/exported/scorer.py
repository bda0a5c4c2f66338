"""The scorer ``exported``: any model of frames to frames, in a format that can be read safely."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from framewright.errors import ScorerOptionError
from framewright.scorers.asset import asset
from framewright.types import ScorerIdentity

if TYPE_CHECKING:
    import torch

__all__ = ["ExportedScorer"]

_MAX_BYTES = 2 << 30
"""Protobuf has no larger messages."""
_UNSAFE = (
    "cannot be read without trusting whoever made it: {why}. Where you trust it, load it there and "
    "export it to ONNX, or with torch.export, which are only numbers and names of operations: "
    'torch.onnx.export(model, (example,), "model.onnx", dynamo=False, input_names=["frames"], '
    'dynamic_axes={{"frames": {{2: "height", 3: "width"}}}}).'
)
_WHY = {
    ".pt": "TorchScript is a program, which may read and write any file while it is being loaded",
    ".pth": "it is a pickle, which may run any code; for weights of a TransformerNet there is the "
    "scorer 'checkpoint'",
}


class ExportedScorer:
    """Applies a model of yours (ONNX or .pt2), whose values a small file beside it declares."""

    context_frames = 0

    def __init__(self, model: str, declaration: str | dict[str, Any] = "") -> None:
        """Read the model and what is declared of it.

        Args:
            model: path of the file: .onnx, or .pt2 of torch.export.
            declaration: path of the file that declares what it takes and gives; by default the one
                beside it, ``MODEL.toml`` or ``MODEL.json``. Or the declaration itself.

        Raises:
            ScorerOptionError: the format is not safe, or the two do not fit.
        """
        _check_format(model)
        from framewright.scorers.exported.declaration import declared
        from framewright.scorers.exported.onnx_model import OnnxRunner
        from framewright.scorers.exported.program_model import ProgramRunner

        said = declared(model, declaration)
        file = asset(model, _MAX_BYTES)
        self._run: OnnxRunner | ProgramRunner
        if file.suffix == ".onnx":
            self._run = OnnxRunner(file.path, said)
        else:
            self._run = ProgramRunner(file.path, said, _MAX_BYTES)
        self.assets = (file,)
        self.identity = ScorerIdentity(
            name="exported",
            version="1",
            weights_sha256=file.sha256,
            params={"model": file.reference, "declaration": said.model_dump(mode="json")},
            takes_hdr=said.takes_hdr,
        )

    def setup(self, device: torch.device, threads: int) -> None:
        """Choose how to run it: ONNX models stay on the CPU."""
        self._run.setup(device, threads)

    def prepare(self, height: int, width: int) -> None:
        """Compile the model for frames of a size, in pixels."""
        self._run.prepare(height, width)

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        """Run frames, shape (N, 3, H, W), through the model."""
        return self._run(frames)


def _check_format(model: object) -> None:
    suffix = Path(str(model)).suffix.lower()
    if suffix in (".onnx", ".pt2"):
        return
    if suffix in (".ts", ".torchscript", ".ptl", ".jit"):
        suffix = ".pt"
    if suffix in _WHY:
        raise ScorerOptionError(f"the model {str(model)!r} {_UNSAFE.format(why=_WHY[suffix])}")
    raise ScorerOptionError(
        f"the model {str(model)!r} is not known by its suffix; use .onnx or .pt2."
    )
