"""The ``fast`` scorer: one pass of a small network paints a frame in a style."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from framewright.errors import ScorerOptionError
from framewright.scorers.fast.weights import weights_sha256
from framewright.scorers.styles import blend_label, parse_style, unopened
from framewright.types import ProgressCallback, ScorerIdentity

if TYPE_CHECKING:
    import torch

__all__ = ["FastScorer"]

_DEFAULT_STYLE = "starry_night"


class FastScorer:
    """Paints every frame in the style of a painting: a shipped one, the user's, or a blend."""

    context_frames = 0
    worker_options = ("numbers", "images")

    def __init__(
        self,
        style: str | Path | Sequence[str] | Mapping[str, float] = _DEFAULT_STYLE,
        strength: float = 1.0,
        keep_colors: float = 0.0,
        stroke_scale: float = 1.0,
        numbers: str = "",
        images: Sequence[str] = (),
        progress: ProgressCallback | None = None,
    ) -> None:
        """Choose the painting, and how it is used.

        Args:
            style: name of a shipped painting, path of an image file, or several for a blend, as
                ``parse_style`` takes them; with ``numbers`` just what it is called.
            strength: from 0, the frame as it is, to 1, the full style.
            keep_colors: from 0, the painting's colours, to 1, the frame's.
            stroke_scale: size of the strokes, from 0.25 to 4; 1 is the ordinary one, which is the
                same share of the picture's height at any resolution from 360 lines on.
            numbers: the style itself, as ``vector.text_of`` writes it; found by this constructor.
            images: sha256 of the image files that were the style; found by this constructor.
            progress: told about the steps of fitting a style to an image file.

        Raises:
            ScorerOptionError: a painting is not known or cannot be read, or a value is out of
                range.
        """
        self._strength = _number("strength", strength, 0, 1)
        self._keep_colors = _number("keep_colors", keep_colors, 0, 1)
        self._stroke_scale = _number("stroke_scale", stroke_scale, 0.25, 4)
        params: dict[str, Any] = {
            key: value
            for key, value, usual in (
                ("strength", self._strength, 1),
                ("keep_colors", self._keep_colors, 0),
                ("stroke_scale", self._stroke_scale, 1),
            )
            if value != usual
        }
        params |= _given(style, numbers, images) if numbers else _found(style, progress)
        self._params = params
        self.identity = ScorerIdentity(
            name="fast",
            version="2",
            weights_sha256=weights_sha256(),
            params=params,
            flickers=self._strength > 0,
        )

    @staticmethod
    def label(style: object = _DEFAULT_STYLE, **_: object) -> str:
        """Say what the style will be called, without fitting it; see ``Labelled``."""
        return blend_label(parse_style(style or _DEFAULT_STYLE, unopened))

    def setup(self, device: torch.device, threads: int) -> None:
        """Load the network and choose the fastest way to run it on this device."""
        from framewright.scorers.fast.network import ConditionalStyleNet
        from framewright.scorers.fast.vector import vector_of
        from framewright.scorers.fast.weights import load_weights
        from framewright.scorers.runtime import build_runner

        trunk, vectors = load_weights()
        network = ConditionalStyleNet()
        network.load_state_dict(trunk)
        numbers = self._params.get("numbers")
        vector = vector_of(numbers) if numbers else vectors[self._params["style"]]
        self._run = build_runner(network.bake(vector), device, threads)
        self._device = device

    def prepare(self, height: int, width: int) -> None:
        """Compile the network for frames of a size, in pixels, which takes seconds on a CPU."""
        import torch

        from framewright.scorers.fast.upsample import working_size

        if self._strength:
            size = working_size(height, width, self._stroke_scale)
            self._run(torch.zeros(1, 3, *size, device=self._device))

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        """Paint frames, shape (N, 3, H, W)."""
        import torch

        from framewright.scorers.fast.knobs import keep_colors

        if self._strength == 0:
            return frames
        painted = keep_colors(frames, self._painted(frames), self._keep_colors)
        return painted if self._strength == 1 else torch.lerp(frames, painted, self._strength)

    def _painted(self, frames: torch.Tensor) -> torch.Tensor:
        from framewright.scorers.fast.upsample import enlarge, resized, working_size

        height, width = frames.shape[-2:]
        size = working_size(height, width, self._stroke_scale)
        if size == (height, width):
            return self._run(frames)
        small = resized(frames, size)
        painted = self._run(small)
        if size[0] >= height:
            return resized(painted, (height, width))
        return enlarge(frames, small, painted)


def _number(name: str, value: object, low: float, high: float) -> float:
    try:
        number = float(value) if type(value) in (int, float, str) else math.nan  # type: ignore[arg-type]
    except ValueError:
        number = math.nan
    if not low <= number <= high:
        raise ScorerOptionError(
            f"option {name} of scorer 'fast' is a number from {low} to {high}, not {value!r}."
        )
    return number


def _given(style: object, numbers: object, images: object) -> dict[str, Any]:
    """Return what the identity says of a style that was found before."""
    from framewright.scorers.fast.vector import vector_of

    if not (isinstance(style, str) and isinstance(numbers, str) and isinstance(images, list)):
        raise ScorerOptionError(
            "with the option numbers, scorer 'fast' takes style as a text and images as a list."
        )
    vector_of(numbers)
    return {"style": style, "numbers": numbers, "images": [str(image) for image in images]}


def _found(style: object, progress: ProgressCallback | None) -> dict[str, Any]:
    """Return what the identity says of a style: a shipped name, or the numbers themselves."""
    shares = parse_style(style or _DEFAULT_STYLE)
    if len(shares) == 1 and isinstance(shares[0][0], str):
        return {"style": shares[0][0]}
    import torch

    from framewright.scorers.fast.fitted import fitted_style
    from framewright.scorers.fast.vector import text_of
    from framewright.scorers.fast.weights import load_weights

    vectors = load_weights()[1]
    parts, images = [], []
    for painting, share in shares:
        if isinstance(painting, str):
            parts.append(share * vectors[painting])
        else:
            vector, sha256 = fitted_style(painting, progress)
            parts.append(share * vector)
            images.append(sha256)
    return {
        "style": blend_label(shares),
        "numbers": text_of(torch.stack(parts).sum(dim=0)),
        "images": images,
    }
