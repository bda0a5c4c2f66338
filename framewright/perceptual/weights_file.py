"""Files of weights, by ``torch.save`` or as safetensors, from anywhere."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

__all__ = ["first_line", "load_weights_file"]


def load_weights_file(path: Path, max_bytes: int) -> Any:
    """Read what a file of weights holds: tensors, and containers of them. None of it is run.

    Args:
        path: the file.
        max_bytes: most that it may unpack to.

    Raises:
        ValueError: it cannot be read, is damaged, too large, or holds other objects; the text says
            which.
    """
    try:
        return _load(path, max_bytes)
    except _TooLarge:
        raise
    except pickle.UnpicklingError as error:
        raise ValueError(
            "it is damaged, or holds Python objects instead of tensors alone, which are never "
            "loaded: they could run any code"
        ) from error
    except Exception as error:  # a damaged file makes the readers fail in any way
        raise ValueError(
            "it cannot be read: it is damaged, or no file of weights "
            f"({type(error).__name__}: {first_line(error)})"
        ) from error


class _TooLarge(ValueError):
    pass


def _load(path: Path, max_bytes: int) -> Any:
    if path.suffix.lower() == ".safetensors":
        return load_file(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(info.file_size for info in archive.infolist())
        if unpacked > max_bytes:
            raise _TooLarge(f"it unpacks to {unpacked} bytes; at most {max_bytes}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pickles of other versions may bring: it fails
        return torch.load(path, map_location="cpu", weights_only=True)


def first_line(error: Exception) -> str:
    """The first line of an error's text, or its class; at most 200 letters."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
