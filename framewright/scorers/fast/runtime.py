"""The fastest correct way to run a baked style on a device.

On a CPU that is OpenVINO, in bfloat16 where the processor computes in it, else float32; without
OpenVINO it is eager torch in float32. On a GPU it is eager torch in bfloat16, channels last.
``benchmarks/fast_runtimes.py`` measures the choices side by side.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor

from framewright.scorers.fast.network import BakedStyle, ConditionalStyleNet

__all__ = ["OpenVinoRunner", "Runner", "build_runner", "cpu_has_bf16"]

Runner = Callable[[Tensor], Tensor]
"""Takes frames (N, 3, H, W), float32 in [0, 1]; gives pictures of the same shape and range."""

_SIZES_KEPT = 4
"""Compiled models kept per runner, one for each frame size. A video has one size, rarely two."""


def build_runner(
    net: ConditionalStyleNet, style: Tensor, device: torch.device, threads: int = 1
) -> Runner:
    """Make a callable that paints frames in one style.

    Args:
        net: the trunk, with its weights loaded.
        style: vector of shape (STYLE_LENGTH,).
        device: where the frames will be; the pictures stay there.
        threads: CPU threads to use; without meaning on a GPU.

    Returns:
        A callable for use from one thread at a time.
    """
    baked = net.bake(style).eval().requires_grad_(False)
    if device.type == "cuda":
        return _CudaRunner(baked, device)
    if importlib.util.find_spec("openvino") is not None:
        return OpenVinoRunner(baked, threads)
    torch.set_num_threads(threads)
    return torch.inference_mode()(baked.to(device))


class OpenVinoRunner:
    """Runs a baked style through OpenVINO, frame by frame, with one compiled model per size.

    Frames go one by one: a batch brings a CPU nothing, and its last one is often shorter. The
    network is traced rather than exported, which torch now prefers: exporting takes five times as
    long, in every worker, and the compiled models are the same.

    Args:
        baked: the network, in float32 on the CPU.
        threads: how many OpenVINO may use.
        precision: ``bf16`` or ``f32``; by default what the processor is best at.
    """

    def __init__(self, baked: BakedStyle, threads: int = 1, precision: str | None = None) -> None:
        self._baked = baked
        self._threads = threads
        self._precision = precision or ("bf16" if cpu_has_bf16() else "f32")
        self._request = functools.lru_cache(maxsize=_SIZES_KEPT)(self._compile)

    def __call__(self, frames: Tensor) -> Tensor:
        """Paint frames (N, 3, H, W), float32 in [0, 1]; same shape and range."""
        request = self._request(frames.shape[-2], frames.shape[-1])
        pictures = torch.empty_like(frames, memory_format=torch.contiguous_format)
        for frame, picture in zip(frames, pictures, strict=True):
            result = request.infer({0: frame[None].contiguous().numpy()}, share_inputs=True)
            picture.copy_(torch.from_numpy(result[0][0]))
        return pictures.clamp_(0, 1)

    def _compile(self, height: int, width: int) -> Any:
        openvino = _openvino()
        example = torch.zeros(1, 3, height, width)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(self._baked, example, check_trace=False)  # type: ignore[no-untyped-call]
            model = openvino.convert_model(traced, example_input=example)
        model.reshape([1, 3, height, width])
        options = {
            "INFERENCE_NUM_THREADS": self._threads,
            "INFERENCE_PRECISION_HINT": self._precision,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
        }
        return openvino.Core().compile_model(model, "CPU", options).create_infer_request()


class _CudaRunner:
    """Runs a baked style on a GPU in bfloat16."""

    def __init__(self, baked: BakedStyle, device: torch.device) -> None:
        self._baked = baked.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def __call__(self, frames: Tensor) -> Tensor:
        with torch.autocast("cuda", torch.bfloat16):
            pictures: Tensor = self._baked(frames.contiguous(memory_format=torch.channels_last))
        return pictures.float().contiguous()


@functools.cache
def _openvino() -> Any:
    """Import OpenVINO without its telemetry, which would report every import without asking."""
    sys.modules.setdefault("openvino_telemetry", cast(ModuleType, None))  # None: cannot be imported
    return importlib.import_module("openvino")


@functools.cache
def cpu_has_bf16() -> bool:
    """Whether this processor computes in bfloat16 natively, by OpenVINO's account."""
    return "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
