"""The fastest correct way to run a network, of frames to pictures, on a device.

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
from torch import Tensor, nn

__all__ = [
    "OpenVinoRunner",
    "Runner",
    "build_runner",
    "compile_on_cpu",
    "cpu_has_bf16",
    "openvino",
]

Runner = Callable[[Tensor], Tensor]
"""Takes frames (N, 3, H, W), float32 in [0, 1]; gives pictures of the same range, and of the same
shape or with H and W times a whole number."""

_SIZES_KEPT = 4
"""Compiled models kept per runner, one for each frame size. A video has one size, rarely two."""


def build_runner(
    network: nn.Module, device: torch.device, threads: int = 1, precision: str | None = None
) -> Runner:
    """Make a callable that gives a network's pictures of frames.

    Args:
        network: maps frames to pictures as a ``Runner`` does, with its weights loaded; taken over.
            What it computes depends on the frames' shape, never on their values.
        device: where the frames will be; the pictures stay there.
        threads: CPU threads to use; without meaning on a GPU.
        precision: of OpenVINO: ``bf16`` or ``f32``; by default what the processor is best at.

    Returns:
        A callable for use from one thread at a time.
    """
    network = network.eval().requires_grad_(False)
    if device.type == "cuda":
        return _CudaRunner(network, device)
    if importlib.util.find_spec("openvino") is not None:
        return OpenVinoRunner(network, threads, precision)
    torch.set_num_threads(threads)
    return torch.inference_mode()(network.to(device))


class OpenVinoRunner:
    """Runs a network through OpenVINO, frame by frame, with one compiled model per size.

    Frames go one by one: a batch brings a CPU nothing, and its last one is often shorter. The
    network is traced rather than exported, which torch now prefers: exporting takes five times as
    long, in every worker, and the compiled models are the same.

    Args:
        network: as in ``build_runner``, in float32 on the CPU.
        threads: how many OpenVINO may use.
        precision: ``bf16`` or ``f32``; by default what the processor is best at.
    """

    def __init__(self, network: nn.Module, threads: int = 1, precision: str | None = None) -> None:
        self._network = network
        self._threads = threads
        self._precision = precision
        self._request = functools.lru_cache(maxsize=_SIZES_KEPT)(self._compile)

    def __call__(self, frames: Tensor) -> Tensor:
        """Run frames through the network; see ``Runner``."""
        request = self._request(frames.shape[-2], frames.shape[-1])
        pictures = [
            request.infer({0: frame[None].contiguous().numpy()}, share_inputs=True)[0][0]
            for frame in frames
        ]
        return torch.stack([torch.from_numpy(picture) for picture in pictures]).clamp_(0, 1)

    def _compile(self, height: int, width: int) -> Any:
        example = torch.zeros(1, 3, height, width)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(self._network, example, check_trace=False)  # type: ignore[no-untyped-call]
            model = openvino().convert_model(traced, example_input=example)
        model.reshape([1, 3, height, width])
        return compile_on_cpu(model, self._threads, self._precision)


def compile_on_cpu(model: Any, threads: int, precision: str | None = None) -> Any:
    """Compile an OpenVINO model of fixed shapes; return a request, for one thread at a time."""
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": precision or ("bf16" if cpu_has_bf16() else "f32"),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    return openvino().Core().compile_model(model, "CPU", options).create_infer_request()


class _CudaRunner:
    """Runs a network on a GPU in bfloat16."""

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def __call__(self, frames: Tensor) -> Tensor:
        with torch.autocast("cuda", torch.bfloat16):
            pictures: Tensor = self._network(frames.contiguous(memory_format=torch.channels_last))
        return pictures.float().contiguous()


@functools.cache
def openvino() -> Any:
    """Import OpenVINO without its telemetry, which would report every import without asking."""
    sys.modules.setdefault("openvino_telemetry", cast(ModuleType, None))  # None: cannot be imported
    return importlib.import_module("openvino")


@functools.cache
def cpu_has_bf16() -> bool:
    """Whether this processor computes in bfloat16 natively, as OpenVINO says."""
    if importlib.util.find_spec("openvino") is None:
        return False
    return "BF16" in openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
