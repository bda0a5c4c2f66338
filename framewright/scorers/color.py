"""Colour transfer from a painting: instant, stable, and needs no weights.

The linear Monge-Kantorovich map of Pitié and Kokaram, "The linear Monge-Kantorovitch colour
mapping for example-based colour transfer" (CVMP 2007), equation 11: of all linear maps that give a
frame's colours the mean and covariance of the painting's, the one that moves colours least.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framewright.errors import ScorerOptionError
from framewright.types import ScorerIdentity

if TYPE_CHECKING:
    import torch

__all__ = ["ColorTransferScorer"]

_DIGITS = 8
_MAX_IMAGE_PIXELS = 100_000_000
_REGULARISATION = 1e-5
"""Added to the variances, in squared units of [0, 1], so that flat frames have a map too."""


class ColorTransferScorer:
    """Gives every frame the colours of a painting, but no brush strokes."""

    context_frames = 0

    def __init__(
        self,
        style: str = "",
        image: str = "",
        mean: Sequence[float] | None = None,
        covariance: Sequence[Sequence[float]] | None = None,
    ) -> None:
        """Take the colours of a shipped painting, of an image file, or as statistics.

        Args:
            style: name of a shipped painting.
            image: path of an image file.
            mean: the colours' mean, 3 numbers in [0, 1].
            covariance: the colours' covariance, 3 rows of 3 numbers.

        Raises:
            ScorerOptionError: none or several of them given, or not usable.
        """
        if mean is None or covariance is None:
            mean, covariance = _statistics(style, image)
        self._mean = _rounded(mean)
        self._covariance = [_rounded(row) for row in covariance]
        params: dict[str, Any] = {"mean": self._mean, "covariance": self._covariance}
        self._label = style or Path(image).name
        if self._label:
            params["style"] = self._label
        self.identity = ScorerIdentity(name="color", version="1", params=params)

    def setup(self, device: torch.device, threads: int) -> None:
        """Move the statistics to the device."""
        import torch

        self._target_mean = torch.tensor(self._mean, device=device)
        self._target = torch.tensor(self._covariance, device=device)

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        """Map the colours of each frame, shape (N, 3, H, W), by its own statistics."""
        import torch

        count, channels, height, width = frames.shape
        colors = frames.reshape(count, channels, height * width)
        mean = colors.mean(dim=2, keepdim=True)
        centred = colors - mean
        covariance = centred @ centred.transpose(1, 2) / (height * width)
        eye = torch.eye(3, device=frames.device)
        root = _power(covariance + _REGULARISATION * eye, 0.5)
        inverse = _power(covariance + _REGULARISATION * eye, -0.5)
        transport = inverse @ _power(root @ self._target @ root, 0.5) @ inverse
        mapped = transport @ centred + self._target_mean[:, None]
        return mapped.reshape(frames.shape).clamp(0.0, 1.0)


def _power(matrices: torch.Tensor, exponent: float) -> torch.Tensor:
    """Power of symmetric positive matrices, shape (N, 3, 3)."""
    import torch

    values, vectors = torch.linalg.eigh(matrices.double())
    powered = vectors @ torch.diag_embed(values.clamp_min(1e-12) ** exponent)
    result: torch.Tensor = (powered @ vectors.transpose(-1, -2)).to(matrices.dtype)
    return result


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), _DIGITS) for value in values]


def _statistics(style: str, image: str) -> tuple[Sequence[float], Sequence[Sequence[float]]]:
    from framewright.scorers.fast.weights import styles

    known = {painting.name: painting for painting in styles()}
    if bool(style) == bool(image):
        raise ScorerOptionError(
            "scorer 'color' needs one of: style (a painting by name: "
            f"{', '.join(known)}) or image (the path of an image file)."
        )
    if image:
        return _image_statistics(Path(image))
    if style not in known:
        raise ScorerOptionError(
            f"unknown style {style!r}. Styles: {', '.join(known)}; "
            "or give an image file as the option image."
        )
    return known[style].mean, known[style].covariance


def _image_statistics(path: Path) -> tuple[list[float], list[list[float]]]:
    import numpy as np
    from PIL import Image

    try:
        with Image.open(path, formats=("JPEG", "PNG", "WEBP", "TIFF", "BMP")) as picture:
            if picture.width * picture.height > _MAX_IMAGE_PIXELS:
                raise ScorerOptionError(
                    f"image {str(path)!r} has {picture.width}x{picture.height} pixels; at most "
                    f"{_MAX_IMAGE_PIXELS} are accepted."
                )
            picture.thumbnail((1024, 1024))
            colors = np.asarray(picture.convert("RGB"), dtype=np.float64).reshape(-1, 3) / 255
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ScorerOptionError(
            f"image {str(path)!r} cannot be read ({error}); use a JPEG, PNG, WebP, TIFF or BMP "
            "file."
        ) from error
    covariance = np.atleast_2d(np.cov(colors.T, bias=True))
    return colors.mean(axis=0).tolist(), covariance.tolist()
