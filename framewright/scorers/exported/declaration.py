"""What a file of a model does not say: the values that it takes and gives, and for which sizes.

It is written beside the model, as ``MODEL.toml`` or ``MODEL.json``::

    channels = "RGB"
    scale = 2

    [input]
    range = 1
    mean = [0.485, 0.456, 0.406]
    std = [0.229, 0.224, 0.225]
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, ValidationError, model_validator
from torch import Tensor

from framewright.errors import InputError, ScorerOptionError
from framewright.scorers.asset import local_path
from framewright.scorers.padding import padded
from framewright.types import Record

__all__ = ["Declaration", "Values", "declared"]

_SUFFIXES = (".toml", ".json")
_MAX_BYTES = 1 << 16
_DTYPES = {"float32": torch.float32, "float16": torch.float16, "uint8": torch.uint8}

Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
Deviation = Annotated[float, Field(allow_inf_nan=False, ge=1e-6, le=1e6)]


class Values(Record):
    """How a model's values follow from a picture's: ``(picture * range - mean) / std``.

    The picture is sRGB-encoded in [0, 1]. Mean and standard deviation are those of the model's
    first, second and third channel, in units of ``range``.
    """

    range: Literal[1, 255] = 1
    mean: tuple[Number, Number, Number] = (0.0, 0.0, 0.0)
    std: tuple[Deviation, Deviation, Deviation] = (1.0, 1.0, 1.0)


class Declaration(Record):
    """What a model takes and gives; the defaults are RGB values in [0, 1] at any size."""

    input: Values = Values()
    output: Values = Values()
    channels: Literal["RGB", "BGR"] = "RGB"
    layout: Literal["NCHW", "NHWC"] = "NCHW"
    dtype: Literal["float32", "float16", "uint8"] = "float32"
    scale: int = Field(1, ge=1, le=8)
    """By how much the model enlarges height and width."""
    multiple: int = Field(1, ge=1, le=512)
    """Height and width that the model takes are multiples of this; frames are padded to it."""
    smallest: int = Field(1, ge=1, le=4096)
    """Pixels that height and width must have at least; frames are padded to it."""
    precision: Literal["f32", "bf16"] = "f32"
    """What it is computed in. bf16 is faster on some processors, and keeps 8 bits of a value."""
    takes_hdr: bool = False
    """Whether it expects HDR pictures (PQ or HLG) as they are encoded."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Declaration:
        if self.dtype == "uint8" and self.input != Values(range=255):
            raise ValueError("a model that takes uint8 has input range 255, no mean and no std")
        return self

    def size_for(self, height: int, width: int, fixed: tuple[int, int]) -> tuple[int, int]:
        """Return the height and width to which frames of a size are padded.

        Args:
            height: of the frames.
            width: of the frames.
            fixed: height and width that the model itself prescribes; 0 where it takes any.

        Raises:
            InputError: they are larger than what it prescribes.
        """
        least = -(-self.smallest // self.multiple) * self.multiple
        rounded = (
            max(least, -(-side // self.multiple) * self.multiple) for side in (height, width)
        )
        rows, columns = (own or side for own, side in zip(fixed, rounded, strict=True))
        if rows < height or columns < width:
            raise InputError(
                f"the model takes frames of {fixed[1] or 'any'}x{fixed[0] or 'any'} only, these "
                f"have {width}x{height}: export it with free height and width."
            )
        return rows, columns

    def sides_of(self, shape: Sequence[int], what: str) -> tuple[int, int]:
        """Return height and width of a model's input, whose sides are 0 where it takes any.

        Raises:
            ScorerOptionError: it is for no frames, or for several at a time.
        """
        sides = dict(zip(self.layout, shape, strict=False))
        if len(shape) != 4 or sides["C"] not in (0, 3) or sides["N"] not in (0, 1):
            raise ScorerOptionError(
                f"{what} cannot be used: its input has the sides {list(shape)} (0: any), as "
                f"{self.layout}; 3 channels are needed, and 1 frame or any number."
            )
        return sides["H"], sides["W"]

    def values_of(self, frames: Tensor, size: tuple[int, int]) -> Tensor:
        """Turn frames (N, 3, H, W), RGB in [0, 1], into what the model takes, padded to a size."""
        x = padded(frames, *size)
        x = x.flip(1) if self.channels == "BGR" else x
        if self.input != Values():
            mean, std = (_per_channel(one, x) for one in (self.input.mean, self.input.std))
            x = (x * self.input.range - mean) / std
        if self.dtype == "uint8":
            x = x.round()
        x = x.to(_DTYPES[self.dtype])
        return x.permute(0, 2, 3, 1) if self.layout == "NHWC" else x

    def pictures_of(self, values: Tensor, height: int, width: int) -> Tensor:
        """Turn what the model gives for frames of a size into pictures, RGB in [0, 1].

        Raises:
            ScorerOptionError: it is of another shape than declared.
        """
        x = values.permute(0, 3, 1, 2) if self.layout == "NHWC" and values.ndim == 4 else values
        height, width = height * self.scale, width * self.scale
        if x.ndim != 4 or x.shape[1] != 3 or x.shape[2] < height or x.shape[3] < width:
            raise ScorerOptionError(
                f"the model gives values of shape {tuple(values.shape)} where pictures of "
                f"3x{height}x{width} are needed: correct scale ({self.scale}), layout "
                f"({self.layout}) and multiple ({self.multiple}) in its declaration."
            )
        x = x[..., :height, :width].float()
        if self.output != Values():
            mean, std = (_per_channel(one, x) for one in (self.output.mean, self.output.std))
            x = (x * std + mean) / self.output.range
        x = x.flip(1) if self.channels == "BGR" else x
        return x.clamp(0, 1)


def declared(model: str | Path, given: str | Path | dict[str, Any]) -> Declaration:
    """Return a model's declaration.

    Args:
        model: path of the model, beside which its declaration is looked for.
        given: another path of it, the declaration itself, or empty.

    Raises:
        ScorerOptionError: there is none, or it says what is not allowed.
    """
    if isinstance(given, dict):
        return _validated(given, "the declaration")
    path = local_path(given) if given else _beside(local_path(model))
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ScorerOptionError(f"{str(path)!r} is too large to be a model's declaration.")
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ScorerOptionError(
            f"the declaration {str(path)!r} cannot be read as "
            f"{'JSON' if path.suffix.lower() == '.json' else 'TOML'}: {error}."
        ) from error
    return _validated(content, f"the declaration {str(path)!r}")


def _beside(model: Path) -> Path:
    found = [path for suffix in _SUFFIXES if (path := model.with_suffix(suffix)).is_file()]
    if len(found) != 1:
        names = " and ".join(repr(model.with_suffix(suffix).name) for suffix in _SUFFIXES)
        raise ScorerOptionError(
            f"beside the model {str(model)!r} there must be one file that declares the values it "
            f"takes and gives, {names.replace(' and ', ' or ')}; there are {len(found)}. An empty "
            "one means RGB in [0, 1] at any size; docs/adding-a-scorer.md lists the keys."
        )
    return found[0]


def _validated(content: object, what: str) -> Declaration:
    try:
        return Declaration.model_validate(content)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in error.errors()
        )
        raise ScorerOptionError(
            f"{what} of a model is not possible: {wrong}. Its keys: "
            f"{', '.join(Declaration.model_fields)}; of input and output: "
            f"{', '.join(Values.model_fields)}."
        ) from error


def _per_channel(numbers: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(numbers, dtype=like.dtype, device=like.device)[:, None, None]
