"""From a frame to its picture: where to start, at which sizes, and for how long.

The start that follows the source's motion, and the masks, are those of Ruder, Dosovitskiy and Brox,
"Artistic Style Transfer for Videos" (GCPR 2016), sections 4.1 and 4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from framewright.perceptual.base import Encoder
from framewright.perceptual.slices import VggEncoder
from framewright.scorers.gatys.contrast import contrasts, with_contrasts
from framewright.scorers.gatys.follow import Follower, as_bytes
from framewright.scorers.gatys.lbfgs import minimise
from framewright.scorers.gatys.losses import StyleTarget, relative_loss
from framewright.scorers.gatys.reference import STYLE_WEIGHTS, centre_square, optimised, put_back
from framewright.scorers.gatys.start import FirstGuess, colours_of

__all__ = ["RETURN_EVERY", "Plain", "Remembered", "Steady"]

_COLD_FACTOR = 4
"""A frame with none before it gets so many times the evaluations, at half and at full size."""
_COLD_STEP, _WARM_STEP = 0.03, 0.003
"""First change of the values in [0, 1], root mean square."""
_STEADINESS = 100.0
"""Weight of staying near to the picture before: see docs/adr/0012."""
RETURN_EVERY = 32
"""Frames whose numbers in the video are multiples of it are optimised alone, too."""
_RETURN = 0.3
"""Share of what that gave, led along, in the start of every frame that follows. What was before
fades, and runs that began at different frames soon come to one solution after such a frame."""
_HURRY = 4
"""Before such a frame a run that began within the video has nothing that will last: its pictures
are thrown away, and get so many times fewer evaluations."""
_HUE_WEIGHT = 6.0
"""See ``minimise``: encoders see grey far better than hues."""
_LEAST_SIDE, _MULTIPLE = 64, 4
"""Frames are extended to what the encoder's poolings take, and to a size from which on
``FlowEstimator`` finds their motion."""
_HALVED_FROM = 128
"""Shorter side from which a frame with none before it is first optimised at half its size."""


@dataclass(frozen=True)
class Remembered:
    """A frame that was done, at the size at which it was optimised."""

    frame: NDArray[np.uint8]
    """RGB, shape (H, W, 3)."""
    picture: Tensor
    """Shape (1, 3, H, W)."""
    alone: Tensor
    """What the last frame that was optimised alone has become, led along; shape (1, 3, H, W)."""
    shared: bool
    """Whether all runs with this frame have optimised that one alone: see ``RETURN_EVERY``."""


@dataclass(frozen=True)
class _Seen:
    """What a painting is like at one size."""

    target: StyleTarget
    contrasts: Tensor


class Plain:
    """Does what the reference does: each frame alone."""

    def __init__(self, encoder: VggEncoder, painting: Tensor, steps: int, side: int) -> None:
        self._encoder, self._steps, self._side = encoder, steps, side
        self._target = StyleTarget(encoder, centre_square(painting, side))
        self._style_weight = STYLE_WEIGHTS[encoder.kind]

    def __call__(
        self, frame: Tensor, before: Remembered | None, number: int
    ) -> tuple[Tensor, None]:
        """Optimise a frame (1, 3, H, W); the result has its size."""
        square = centre_square(frame, self._side)
        picture = optimised(self._encoder, self._target, square, self._style_weight, self._steps)
        return put_back(picture, *frame.shape[-2:]), None


class Steady:
    """Lets each picture follow from the one before it.

    Args:
        encoder: what to look through, on the device of the frames.
        painting: (1, 3, H, W), RGB in [0, 1].
        strength: see ``relative_loss``.
        steps: evaluations for a frame that follows another.
        side: shorter side at which larger frames are optimised, in pixels.
        painted: start from what ``FirstGuess`` makes of frames, not from frames in the painting's
            colours: broader strokes, a higher loss.
    """

    def __init__(
        self,
        encoder: Encoder,
        painting: Tensor,
        strength: float,
        steps: int,
        side: int,
        painted: bool = False,
    ) -> None:
        self._encoder, self._painting = encoder, painting
        self._strength, self._steps, self._side = strength, steps, side
        self._style_weight = (
            STYLE_WEIGHTS[encoder.kind] if isinstance(encoder, VggEncoder) else None
        )
        self._guess = FirstGuess(encoder, painting) if painted else colours_of(painting).score
        self._follow = Follower()
        self._sizes: dict[int, _Seen] = {}

    def __call__(
        self, frame: Tensor, before: Remembered | None, number: int
    ) -> tuple[Tensor, Remembered]:
        """Optimise a frame.

        Args:
            frame: (1, 3, H, W).
            before: what the frame before left; None for the first of a run.
            number: of the frame in the video, from 0.

        Returns:
            Its picture, and what the next frame needs.
        """
        small = _shrunk(frame, self._side)
        height, width = small.shape[-2:]
        content = _extended(small)
        guess = with_contrasts(self._guess(content), self._seen(min(content.shape[-2:])).contrasts)
        start = torch.lerp(content, guess, min(1.0, 2 * self._strength))
        seen, led = as_bytes(content), None
        if before is not None and before.frame.shape == seen.shape:
            led = self._follow(before.frame, seen, torch.cat([before.picture, before.alone]))
        renewed = number % RETURN_EVERY == 0
        shared = renewed or (before is not None and (led is None or before.shared))
        if led is None or renewed:
            start = picture = alone = self._alone(content, start)
        if led is not None:
            (picture, alone_led), trust = led[0][:, None], led[1]
            aim = torch.lerp(picture, alone if renewed else alone_led, _RETURN)
            steps = self._steps if shared else -(-self._steps // _HURRY)
            start = torch.lerp(start, aim, trust)
            picture = self._optimised(content, start, steps, _WARM_STEP, (aim, trust))
            alone = alone if renewed else torch.lerp(picture, alone_led, trust)
        result = picture[..., :height, :width]
        return _enlarged(result, small, frame), Remembered(seen, picture, alone, shared)

    def _alone(self, content: Tensor, start: Tensor) -> Tensor:
        steps = _COLD_FACTOR * self._steps
        if min(content.shape[-2:]) >= _HALVED_FROM:
            half, begun = (_extended(_shrunk(x, min(x.shape[-2:]) // 2)) for x in (content, start))
            done = self._optimised(half, begun, steps, _COLD_STEP)
            start = _enlarged(done, begun, start)
        return self._optimised(content, start, steps, _COLD_STEP)

    def _optimised(
        self,
        content: Tensor,
        start: Tensor,
        steps: int,
        first_step: float,
        led: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        target = self._seen(min(content.shape[-2:])).target
        loss = relative_loss(
            self._encoder,
            target,
            content,
            self._strength,
            led,
            _STEADINESS,
            self._style_weight,
        )
        picture, _ = minimise(loss, start, steps, first_step, _HUE_WEIGHT)
        return picture.clamp(0, 1)

    def _seen(self, side: int) -> _Seen:
        """Look at the painting with its shorter side as long as a frame's, or less."""
        if side not in self._sizes:
            painting = _extended(_shrunk(self._painting, side))
            self._sizes[side] = _Seen(StyleTarget(self._encoder, painting), contrasts(painting))
        return self._sizes[side]


def _shrunk(pictures: Tensor, side: int) -> Tensor:
    """Scale pictures (N, 3, H, W) down until the shorter side has at most ``side`` pixels."""
    height, width = pictures.shape[-2:]
    if min(height, width) <= side:
        return pictures
    scale = side / min(height, width)
    size = (round(height * scale), round(width * scale))
    return F.interpolate(pictures, size, mode="bilinear", antialias=True, align_corners=False)


def _enlarged(result: Tensor, small: Tensor, large: Tensor) -> Tensor:
    """Bring to the size of ``large`` what became of ``small``, with the details of ``large``."""
    if small.shape == large.shape:
        return result.clone()
    change = F.interpolate(result - small, large.shape[-2:], mode="bicubic", align_corners=False)
    return (large + change).clamp(0, 1)


def _extended(pictures: Tensor) -> Tensor:
    """Repeat the right and lower border until the encoder can take pictures (N, 3, H, W)."""
    height, width = pictures.shape[-2:]
    right, bottom = (
        max(_LEAST_SIDE, -(-side // _MULTIPLE) * _MULTIPLE) - side for side in (width, height)
    )
    if not right and not bottom:
        return pictures
    return F.pad(pictures, (0, right, 0, bottom), mode="replicate")
