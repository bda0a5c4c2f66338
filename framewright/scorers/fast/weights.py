"""The weights that come with the package: one trunk and a vector per painting.

Names, metadata and the hash are read without importing torch, so that a command line can list
the styles at once.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "WEIGHTS_FILE",
    "WEIGHTS_FORMAT",
    "Style",
    "load_predictor",
    "load_weights",
    "style_names",
    "styles",
    "tensors_under",
    "weights_sha256",
]

WEIGHTS_FORMAT = "framewright-fast-3"
WEIGHTS_FILE = "fast-v3.safetensors"
_TRUNK, _STYLE, _PREDICTOR = "trunk.", "style.", "predictor."


@dataclass(frozen=True)
class Style:
    """A painting that comes with the package."""

    name: str
    """What the style is called in options, such as ``starry_night``."""

    title: str
    artist: str
    year: str
    rights: str
    """Why the painting may be used."""

    mean: tuple[float, float, float]
    """Mean of its pixels: RGB, sRGB-encoded, in [0, 1]."""

    covariance: tuple[tuple[float, float, float], ...]
    """Covariance (3x3) of the same pixels."""


@functools.cache
def styles() -> tuple[Style, ...]:
    """All styles with their metadata, in the order in which they are shipped."""
    listed = json.loads(_read("styles.json"))["styles"]
    return tuple(
        Style(
            name=entry["name"],
            title=entry["title"],
            artist=entry["artist"],
            year=entry["year"],
            rights=entry["rights"],
            mean=tuple(entry["mean"]),
            covariance=tuple(tuple(row) for row in entry["covariance"]),
        )
        for entry in listed
    )


def style_names() -> tuple[str, ...]:
    """Names of the styles, in the order in which they are shipped."""
    return tuple(style.name for style in styles())


@functools.cache
def weights_sha256() -> str:
    """Hash of the shipped weights file, in hexadecimal."""
    return hashlib.sha256(_read(WEIGHTS_FILE)).hexdigest()


def load_weights() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Read the shipped weights.

    Returns:
        The state of ``ConditionalStyleNet``, and for each style its vector of shape
        (STYLE_LENGTH,); all float32.

    Raises:
        ValueError: the file is of a format that this version does not know.
    """

    tensors = _tensors()
    vectors = {name: tensors[_STYLE + name] for name in style_names()}
    return tensors_under(_TRUNK, tensors), vectors


def load_predictor() -> dict[str, Tensor]:
    """Read the state of ``StylePredictor``, float32.

    Raises:
        ValueError: the file is of a format that this version does not know.
    """
    return tensors_under(_PREDICTOR, _tensors())


def _tensors() -> dict[str, Tensor]:
    from safetensors.torch import load

    data = _read(WEIGHTS_FILE)
    length = int.from_bytes(data[:8], "little")
    found = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get("format")
    if found != WEIGHTS_FORMAT:
        raise ValueError(f"the weights have format {found}; expected {WEIGHTS_FORMAT}")
    return {name: tensor.float() for name, tensor in load(data).items()}


def tensors_under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin with a prefix, without it."""
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


@functools.cache
def _read(name: str) -> bytes:
    return resources.files(__package__).joinpath("weights", name).read_bytes()
