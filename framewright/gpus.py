"""Which GPUs there are, told without loading torch and at no cost where there is none."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import PackageNotFoundError, version

__all__ = ["gpu_count", "visible_gpus"]

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def gpu_count() -> int:
    """Number of NVIDIA GPUs that this process may score on; 0 without a driver."""
    return len(visible_gpus())


def visible_gpus() -> tuple[str, ...]:
    """Return the GPUs that this process may score on, each as CUDA_VISIBLE_DEVICES names it.

    Empty without a driver, or with a torch that is built for the CPU alone.
    """
    if _torch_is_for_cpu():
        return ()
    try:
        import pynvml
    except ImportError:
        return _seen_by_torch()
    try:
        pynvml.nvmlInit()
        return _allowed(int(pynvml.nvmlDeviceGetCount()))
    except (pynvml.NVMLError, OSError, RuntimeError):
        return ()


def _allowed(count: int) -> tuple[str, ...]:
    """Of ``count`` GPUs, those that CUDA_VISIBLE_DEVICES leaves; read as CUDA reads it."""
    if not count or _VISIBLE not in os.environ:
        return tuple(map(str, range(count)))
    allowed: list[str] = []
    for entry in map(str.strip, os.environ[_VISIBLE].split(",")):
        known = int(entry) < count if entry.isdecimal() else entry.startswith(("GPU-", "MIG-"))
        if not known:
            break  # nor is anything behind it used
        allowed.append(entry)
    return tuple(allowed)


def _seen_by_torch() -> tuple[str, ...]:
    """Ask torch, which takes seconds to load, only where a driver is installed."""
    if shutil.which("nvidia-smi") is None:
        return ()
    import torch

    count = torch.cuda.device_count()
    names = os.environ[_VISIBLE].split(",") if _VISIBLE in os.environ else map(str, range(count))
    return tuple(map(str.strip, names))[:count]


def _torch_is_for_cpu() -> bool:
    try:
        return version("torch").partition("+")[2] == "cpu"
    except PackageNotFoundError:
        return True
