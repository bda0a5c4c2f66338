"""Reads the image that a user wants his video to look like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from framewright.errors import ScorerOptionError
from framewright.scorers.asset import local_path

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["MAX_IMAGE_PIXELS", "read_painting"]

MAX_IMAGE_PIXELS = 100_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
_DEEP = ("I", "F")
"""Modes of pixels of more than 8 bits, which Pillow would clip to white."""


def read_painting(path: str | Path, longest_side: int = 1024) -> Image:
    """Read an image file, upright, shrunk to a longest side where it is larger.

    Args:
        path: a JPEG, PNG, WebP, TIFF or BMP file.
        longest_side: most pixels of the longer side of what is returned.

    Returns:
        A picture of mode RGB.

    Raises:
        ScorerOptionError: no such file, not an image of these kinds, damaged, more than
            ``MAX_IMAGE_PIXELS``, or grey of more than 8 bits; or this is a worker.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(local_path(path), formats=_FORMATS) as picture:
            if picture.width * picture.height > MAX_IMAGE_PIXELS:
                raise ScorerOptionError(
                    f"image {str(path)!r} has {picture.width}x{picture.height} pixels; at most "
                    f"{MAX_IMAGE_PIXELS} are accepted. Make it smaller and try again."
                )
            if picture.mode.startswith(_DEEP):
                raise ScorerOptionError(
                    f"image {str(path)!r} has pixels of more than 8 bits (mode {picture.mode}); "
                    "save it with 8 bits a channel."
                )
            picture.thumbnail((longest_side, longest_side))
            return ImageOps.exif_transpose(picture).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ScorerOptionError(
            f"image {str(path)!r} cannot be read ({error}); use a JPEG, PNG, WebP, TIFF or BMP "
            "file."
        ) from error
