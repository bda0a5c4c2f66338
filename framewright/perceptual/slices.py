"""The first five convolutions of VGG-19 (Simonyan and Zisserman 2015), cut out of it.

They are all that the style and content losses of the 2018 reference need: 555,328 of 143.7 million
parameters. A slice is kept as a safetensors file of 2.2 MB: a 1x1 convolution ``colour``, which
brings RGB in [0, 1] to what the network was trained on, then ``conv1_1`` to ``conv3_1``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from framewright.perceptual.base import CHANNELS
from framewright.perceptual.weights_file import first_line, load_weights_file

__all__ = ["Kind", "VggEncoder", "read_slice", "slice_kind", "slice_of"]

Kind = Literal["vgg19", "vgg19-normalised"]
"""As trained on ImageNet by torchvision, or with each channel scaled to a mean activation of 1."""

_FORMAT = "framewright-encoder-1/"
"""With the kind behind it: one entry, because safetensors writes several in no certain order."""
_LAYERS = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1")
_POOL_AFTER = ("conv1_2", "conv2_2")
_PLACES: dict[Kind, tuple[str, tuple[int, ...]]] = {
    "vgg19": ("features.", (0, 2, 5, 7, 10)),
    "vgg19-normalised": ("", (2, 5, 9, 12, 16)),
}
"""Prefix and numbers of the five convolutions in the files that such networks come in."""

_MAX_BYTES = 1 << 30
"""Most that a file of a whole network may unpack to."""
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the pictures that torchvision's networks were trained on."""


class VggEncoder(nn.Module):
    """An ``Encoder`` made of a slice; frozen.

    Args:
        data: bytes of a slice, as ``slice_of`` returns them.
        padding: what convolutions see beyond the edge: ``zeros`` as VGG-19 was trained, or
            ``reflect``, which paints no border.

    Raises:
        ValueError: the bytes are no slice.
    """

    def __init__(self, data: bytes, padding: Literal["zeros", "reflect"] = "reflect") -> None:
        super().__init__()
        self.kind = slice_kind(data)
        self._reflect = padding == "reflect"
        for name, tensor in _loaded(data).items():
            self.register_buffer(name.replace(".", "_"), tensor)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return the five maps of pictures (N, 3, H, W); see ``Encoder``."""
        x = self._conv(pictures, "colour", padding=0)
        maps = []
        for name in _LAYERS:
            if self._reflect:
                x = self._conv(F.pad(x, (1, 1, 1, 1), mode="reflect"), name, padding=0)
            else:
                x = self._conv(x, name, padding=1)
            maps.append(x)
            x = F.relu(x)
            if name in _POOL_AFTER:
                x = F.max_pool2d(x, 2)
        return maps

    def _conv(self, x: Tensor, name: str, padding: int) -> Tensor:
        weight, bias = self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias")
        return F.conv2d(x, weight, bias, padding=padding)


def slice_of(state: dict[str, Tensor]) -> bytes:
    """Cut the slice out of a network's parameters: of torchvision's VGG-19, or a normalised one.

    Returns:
        The bytes of a safetensors file; equal for equal parameters.

    Raises:
        ValueError: the parameters are not there, or have other shapes.
    """
    kind: Kind = "vgg19" if "features.0.weight" in state else "vgg19-normalised"
    prefix, numbers = _PLACES[kind]
    wanted = {
        f"{name}.{part}": f"{prefix}{number}.{part}"
        for name, number in zip(_LAYERS, numbers, strict=True)
        for part in ("weight", "bias")
    }
    if kind == "vgg19":
        deviation = torch.tensor(_DEVIATION)
        tensors = {
            "colour.weight": torch.diag(1 / deviation)[:, :, None, None],
            "colour.bias": -torch.tensor(_MEAN) / deviation,
        }
    else:
        tensors = {}
        wanted |= {"colour.weight": "0.weight", "colour.bias": "0.bias"}
    if missing := sorted(place for place in wanted.values() if place not in state):
        raise ValueError(f"it has no {missing[0]}")
    tensors |= {name: state[place] for name, place in wanted.items()}
    return save(_checked(tensors), {"format": f"{_FORMAT}{kind}"})


def read_slice(path: Path) -> bytes:
    """Read a slice from a file: one of our own, or a network's parameters saved by torch.

    Nothing in the file is executed.

    Raises:
        ValueError: it is neither.
        OSError: it cannot be read.
    """
    if path.suffix == ".safetensors":
        data = path.read_bytes()
        slice_kind(data)
        _loaded(data)
        return data
    state = load_weights_file(path, _MAX_BYTES)
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError("it holds no parameters by name")
    return slice_of(state)


def slice_kind(data: bytes) -> Kind:
    """Return which network a slice was cut from.

    Raises:
        ValueError: the bytes are no slice.
    """
    try:
        length = int.from_bytes(data[:8], "little")
        found = json.loads(data[8 : 8 + length])["__metadata__"]["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("it is no slice of an encoder") from error
    for kind in _PLACES:
        if found == f"{_FORMAT}{kind}":
            return kind
    raise ValueError(f"it is a slice of the format {str(found)[:40]!r}, which is not known")


def _loaded(data: bytes) -> dict[str, Tensor]:
    try:
        return _checked(load(data))
    except SafetensorError as error:
        raise ValueError(f"it is no whole safetensors file ({first_line(error)})") from error


def _checked(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors in float32, in one order; refuse others than a slice has."""
    inputs = (3, *CHANNELS[:-1])
    shapes: dict[str, tuple[int, ...]] = {"colour.weight": (3, 3, 1, 1), "colour.bias": (3,)}
    for name, given, taken in zip(_LAYERS, CHANNELS, inputs, strict=True):
        shapes |= {f"{name}.weight": (given, taken, 3, 3), f"{name}.bias": (given,)}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if wrong := sorted(name for name in shapes if found.get(name) != shapes[name]):
        name = wrong[0]
        raise ValueError(f"its {name} has shape {found.get(name)}, not {shapes[name]}")
    return {name: tensors[name].detach().float().contiguous() for name in sorted(shapes)}
