"""A program of torch.export, run as fast as the device allows."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import Tensor, nn

from framewright.scorers.exported.declaration import Declaration
from framewright.scorers.exported.program import Program, read_program
from framewright.scorers.runtime import Runner, build_runner

__all__ = ["ProgramRunner"]

logger = logging.getLogger(__name__)


class ProgramRunner:
    """Runs a program on its device; on a CPU frame by frame, through OpenVINO where that can.

    Args:
        path: the file.
        declaration: what it does not say.
        max_bytes: most that it may unpack to.

    Raises:
        ScorerOptionError: it cannot be read, or is no model of frames to pictures.
    """

    def __init__(self, path: Path, declaration: Declaration, max_bytes: int) -> None:
        program = read_program(path, max_bytes)
        fixed = declaration.sides_of(program.shape, f"the program {path.name!r}")
        self._alone = program.shape[0] == 1
        self._network = _Declared(program, declaration, fixed)
        self._precision = declaration.precision
        self._run: Runner = self._network

    def setup(self, device: torch.device, threads: int) -> None:
        """Move it to the device."""
        self._device = device
        if device.type == "cpu":
            self._run = build_runner(self._network, device, threads, self._precision)
        else:
            self._run = self._network.to(device)

    def prepare(self, height: int, width: int) -> None:
        """Compile for frames of a size; where OpenVINO cannot, torch runs it as it is."""
        frames = torch.zeros(1, 3, height, width, device=self._device)
        with torch.inference_mode():
            self._network(frames)  # what is wrong with the model itself is said here
            if self._device.type != "cpu":
                return
            try:
                self._run(frames)
            except Exception as error:  # noqa: BLE001 - whatever OpenVINO raises
                logger.warning("OpenVINO cannot run the program, torch does: %s", error)
                self._run = self._network

    def __call__(self, frames: Tensor) -> Tensor:
        """Run frames (N, 3, H, W), RGB in [0, 1], through the program."""
        half = self._device.type == "cuda" and self._precision == "bf16"
        with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=half):
            if self._alone:
                return torch.cat([self._run(frame[None]) for frame in frames])
            return self._run(frames)


class _Declared(nn.Module):
    """A program between what is made of frames and what pictures are made of."""

    def __init__(self, program: Program, declaration: Declaration, fixed: tuple[int, int]) -> None:
        super().__init__()
        self._program, self._declaration, self._fixed = program, declaration, fixed

    def forward(self, frames: Tensor) -> Tensor:
        height, width = frames.shape[-2:]
        size = self._declaration.size_for(height, width, self._fixed)
        values = self._program(self._declaration.values_of(frames, size))
        return self._declaration.pictures_of(values, height, width)
