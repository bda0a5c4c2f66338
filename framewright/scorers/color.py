"""Colour transfer from a painting: instant, stable, and needs no weights.

Of all linear maps that give a frame's colours the mean and covariance of the painting's, it takes
the one that moves colours least; see ``framewright.scorers.transport``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from framewright.errors import ScorerOptionError
from framewright.scorers.painting import read_painting
from framewright.scorers.styles import blend_label, painting_named, unopened
from framewright.types import ScorerIdentity

if TYPE_CHECKING:
    import torch

__all__ = ["ColorTransferScorer"]

_DIGITS = 8
_MAX_VARIANCE = 0.25
"""Of values in [0, 1]."""
_TOLERANCE = 1e-6
_REGULARISATION = 1e-5
"""Added to the variances, in squared units of [0, 1], so that flat frames have a map too."""


class ColorTransferScorer:
    """Gives every frame the colours of a painting, but no brush strokes."""

    context_frames = 0
    worker_options = ("mean", "covariance")

    def __init__(
        self,
        style: str = "",
        image: str | Path = "",
        mean: Sequence[float] | None = None,
        covariance: Sequence[Sequence[float]] | None = None,
    ) -> None:
        """Take the colours of a shipped painting, of an image file, or as statistics.

        Args:
            style: name of a shipped painting, or path of an image file.
            image: path of an image file; with mean and covariance just its name, and not read.
            mean: the colours' mean, 3 numbers in [0, 1].
            covariance: the colours' covariance, 3 rows of 3 numbers: symmetric, with no negative
                eigenvalue, and variances of at most 0.25.

        Raises:
            ScorerOptionError: none or several of them given, or not usable.
        """
        if not isinstance(style, str) or not isinstance(image, str | Path):
            raise ScorerOptionError(
                f"options style and image of scorer 'color' are texts, not {style!r} and {image!r}."
            )
        if style and image:
            raise ScorerOptionError(_needs_one())
        if style and isinstance(found := painting_named(style), Path):
            style, image = "", found
        if mean is None and covariance is None:
            mean, covariance = _statistics(style, image)
        elif mean is None or covariance is None:
            raise ScorerOptionError("scorer 'color' needs mean and covariance together.")
        else:
            _check_statistics(mean, covariance)
        self._mean = _rounded(mean)
        self._covariance = [_rounded(row) for row in covariance]
        params: dict[str, Any] = {"mean": self._mean, "covariance": self._covariance}
        if style:
            params["style"] = style
        elif image:
            params["image"] = Path(image).name
        self.identity = ScorerIdentity(name="color", version="1", params=params, flickers=False)

    @staticmethod
    def label(style: str = "", image: str | Path = "", **_: object) -> str:
        """Say what the painting is called, without reading it; see ``Labelled``."""
        return blend_label([(unopened(str(style or image)), 1.0)])

    def setup(self, device: torch.device, threads: int) -> None:
        """Move the statistics to the device."""
        import torch

        self._target_mean = torch.tensor(self._mean, device=device)
        self._target = torch.tensor(self._covariance, device=device)

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        """Map the colours of each frame, shape (N, 3, H, W), by its own statistics."""
        from framewright.scorers.transport import colour_map

        count, channels, height, width = frames.shape
        colors = frames.reshape(count, channels, height * width)
        mean = colors.mean(dim=2, keepdim=True)
        centred = colors - mean
        covariance = centred @ centred.transpose(1, 2) / (height * width)
        turned = colour_map(covariance, self._target, _REGULARISATION) @ centred
        mapped = turned + self._target_mean[:, None]
        return mapped.reshape(frames.shape).clamp(0.0, 1.0)


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), _DIGITS) for value in values]


def _statistics(style: str, image: str | Path) -> tuple[Sequence[float], Sequence[Sequence[float]]]:
    from framewright.scorers.fast.weights import styles

    if image:
        return _image_statistics(Path(image))
    for painting in styles():
        if painting.name == style:
            return painting.mean, painting.covariance
    raise ScorerOptionError(_needs_one())


def _needs_one() -> str:
    from framewright.scorers.fast.weights import style_names

    return (
        "scorer 'color' needs one of: style (the path of an image file, or a painting by name: "
        f"{', '.join(style_names())}) or image (the path of an image file)."
    )


def _check_statistics(mean: object, covariance: object) -> None:
    """Refuse what is not the mean and covariance of colours in [0, 1]."""
    import numpy as np

    if not _is_numbers(mean) or not all(0 <= value <= 1 for value in mean):
        raise ScorerOptionError(
            f"option mean of scorer 'color' is a list of 3 numbers in [0, 1], not {mean!r}; or "
            "give style or image instead."
        )
    rows = covariance if isinstance(covariance, list | tuple) else ()
    if len(rows) == 3 and all(map(_is_numbers, rows)):
        matrix = np.array(rows, dtype=np.float64)
        if (
            np.abs(matrix - matrix.T).max() <= _TOLERANCE
            and matrix.diagonal().max() <= _MAX_VARIANCE + _TOLERANCE
            and np.linalg.eigvalsh(matrix).min() >= -_TOLERANCE
        ):
            return
    raise ScorerOptionError(
        "option covariance of scorer 'color' is a list of 3 lists of 3 numbers: symmetric, no "
        f"negative eigenvalue, variances of at most {_MAX_VARIANCE}; not {covariance!r}. Or give "
        "style or image instead."
    )


def _is_numbers(values: object) -> TypeGuard[Sequence[float]]:
    """Whether these are 3 finite numbers."""
    return (
        isinstance(values, list | tuple)
        and len(values) == 3
        and all(type(value) in (int, float) and math.isfinite(value) for value in values)
    )


def _image_statistics(path: Path) -> tuple[list[float], list[list[float]]]:
    import numpy as np

    colors = np.asarray(read_painting(path), dtype=np.float64).reshape(-1, 3) / 255
    covariance = np.atleast_2d(np.cov(colors.T, bias=True))
    return colors.mean(axis=0).tolist(), covariance.tolist()
