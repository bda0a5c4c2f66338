"""What a user gives to ``gatys``, as it travels to the workers: the painting and the encoder."""

from __future__ import annotations

import base64
import binascii
import io
import math
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from framewright.errors import ScorerOptionError
from framewright.scorers.asset import Asset, asset, local_path
from framewright.scorers.painting import read_painting

if TYPE_CHECKING:
    from torch import Tensor

    from framewright.perceptual.slices import VggEncoder
    from framewright.perceptual.small import SmallEncoder

__all__ = [
    "checked_number",
    "checked_switch",
    "encoder_asset",
    "open_encoder",
    "packed",
    "unpacked",
]

_LONGEST_SIDES = (512, 384, 256, 128)
"""Of the painting as it travels, in pixels: the first at which it fits into ``_PACKED_BYTES``."""
_SHORTEST_SIDE = 16
_PACKED_BYTES = 64_000
_QUALITIES = (92, 85, 75, 60)
"""Of WebP, whose decoding is exact, so that all workers see the same painting."""
_MAX_ENCODER_BYTES = 1 << 30
_SMALL = "small"


def packed(path: str | Path) -> str:
    """Read a painting and make text of it, at most 86 kB.

    Raises:
        ScorerOptionError: it cannot be read, or has a side of less than 16 pixels.
    """
    picture = read_painting(path, _LONGEST_SIDES[0])
    if min(picture.size) < _SHORTEST_SIDE:
        raise ScorerOptionError(
            f"image {str(path)!r} is {picture.width}x{picture.height} pixels with a longer side of "
            f"at most {_LONGEST_SIDES[0]}; both sides must have {_SHORTEST_SIDE} or more."
        )
    for side, quality in product(_LONGEST_SIDES, _QUALITIES):
        picture.thumbnail((side, side))
        stream = io.BytesIO()
        picture.save(stream, "WEBP", quality=quality, method=4)
        if stream.tell() <= _PACKED_BYTES:
            break
    return base64.b64encode(stream.getvalue()).decode()


def unpacked(text: str) -> Tensor:
    """Return the painting that ``packed`` made text of: (1, 3, H, W), RGB in [0, 1].

    Raises:
        ScorerOptionError: the text is something else.
    """
    import numpy as np
    import torch
    from PIL import Image

    try:
        data = base64.b64decode(text, validate=True)
        with Image.open(io.BytesIO(data), formats=("WEBP",)) as picture:
            if not 1 <= min(picture.size) <= max(picture.size) <= _LONGEST_SIDES[0]:
                raise ValueError(f"its size is {picture.width}x{picture.height}")
            pixels = np.array(picture.convert("RGB"))
    except (binascii.Error, OSError, SyntaxError, ValueError) as error:
        raise ScorerOptionError(
            f"option painting of scorer 'gatys' is written by framewright itself ({error}); give "
            "an image as the option style."
        ) from error
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].contiguous().float() / 255


def encoder_asset(option: str) -> Asset | None:
    """Return the file of an encoder, cut to its slice; None for the one that is shipped.

    Args:
        option: ``small``, ``vgg19``, or a file: a slice, or the parameters of a VGG-19. On a
            worker the reference of an asset.

    Raises:
        ScorerOptionError: the file is none of them, or the download did not work.
    """
    if option == _SMALL:
        return None
    if option.startswith("asset:"):
        return asset(option, _MAX_ENCODER_BYTES)
    from framewright.perceptual.cache import EncoderCache
    from framewright.perceptual.slices import read_slice
    from framewright.perceptual.vgg import fetch_vgg19
    from framewright.settings import get_settings

    path = local_path(option)
    folder = Path(get_settings().cache_folder).expanduser() / "encoders"
    if option == "vgg19":
        return asset(fetch_vgg19(folder))
    if not path.exists():
        raise ScorerOptionError(
            "option encoder of scorer 'gatys' is small, vgg19 or the path of a file, and there is "
            f"no file {option!r}."
        )
    given = asset(path, _MAX_ENCODER_BYTES)
    try:
        return asset(EncoderCache(folder).keep(read_slice(given.path)))
    except ValueError as error:
        raise ScorerOptionError(
            f"{option!r} is no encoder: {error}. Use encoder=small, encoder=vgg19, or the file of "
            "a VGG-19: a .pth of torchvision, a normalised one, or a slice that was kept."
        ) from error


def open_encoder(weights: Asset | None) -> VggEncoder | SmallEncoder:
    """Load an encoder, on a worker; the shipped one, without weights of the user's.

    Raises:
        ScorerOptionError: it is not a slice.
    """
    from framewright.perceptual.slices import VggEncoder
    from framewright.perceptual.small import load_small_encoder

    if weights is None:
        return load_small_encoder()
    try:
        return VggEncoder(weights.path.read_bytes(), "zeros")
    except ValueError as error:
        raise ScorerOptionError(f"{weights.reference} is no encoder: {error}.") from error


def checked_number(name: str, value: object, least: float, most: float, whole: bool) -> float:
    """Return a number in a range, from a number or from the text of one.

    Returns:
        An int where it is ``whole``, else a float.

    Raises:
        ScorerOptionError: it is none, or out of range.
    """
    allowed = (int, str) if whole else (int, float, str)
    kind = int if whole else float
    try:
        number = kind(value) if type(value) in allowed else math.nan  # type: ignore[call-overload, arg-type]
    except (ValueError, OverflowError):
        number = math.nan
    if not least <= number <= most:
        what = "a whole number" if whole else "a number"
        raise ScorerOptionError(
            f"option {name} of scorer 'gatys' is {what} from {least:g} to {most:g}, not {value!r}."
        )
    return number


def checked_switch(name: str, value: object) -> bool:
    """Return a bool, from one or from the text ``true`` or ``false``.

    Raises:
        ScorerOptionError: it is something else.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise ScorerOptionError(
        f"option {name} of scorer 'gatys' is a bool, true or false, not {value!r}."
    )
