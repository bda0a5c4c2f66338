"""L-BFGS over a batch of pictures, each with its own history, without waiting for the device.

Two-loop recursion as in Nocedal and Wright, "Numerical Optimization" (2nd ed.), algorithm 7.4.
Every decision is a ``torch.where``, so that nothing is copied from a GPU while it runs, and the
number of evaluations is known beforehand. Where a trial does not lower the loss enough, the
picture stays and the next trial is shorter; what the failed one told about the curvature is kept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Objective", "minimise"]

Objective = Callable[[Tensor], Tensor]
"""Pictures (N, 3, H, W) to losses (N,), each of its own picture alone."""

_HISTORY = 12
_SUFFICIENT = 1e-4
"""Of the decrease that the slope promises: Armijo's constant."""

_SHORTER, _SHORTEST = 0.5, 0.1
"""Most and least of its length that a trial keeps after one that failed."""


def minimise(
    objective: Objective,
    start: Tensor,
    evaluations: int,
    first_step: float,
    hue_weight: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Lower the losses of pictures with a fixed number of evaluations.

    All are of value and gradient, but the last of several is of the value alone.

    Args:
        objective: what to lower.
        start: (N, 3, H, W), float32.
        evaluations: how often the objective is called; 1 or more.
        first_step: root mean square of the first change of a picture's values.
        hue_weight: how much less curved the objective is taken to be along differences between the
            three channels than along their mean, before it is known.

    Returns:
        The best pictures found, and their losses (N,).
    """
    x = start.detach()
    loss, gradient = _evaluate(objective, x)
    pairs: deque[tuple[Tensor, Tensor, Tensor]] = deque(maxlen=_HISTORY)
    size = x[0].numel() ** 0.5
    weighed = _weighed(gradient, hue_weight)
    scale = first_step * size / _dot(weighed, weighed).sqrt().clamp_min(1e-30)
    length = torch.ones_like(loss)
    for left in reversed(range(evaluations - 1)):
        direction = _direction(gradient, pairs, scale, hue_weight)
        slope = _dot(direction, gradient)
        downhill = slope < 0
        direction = torch.where(
            _wide(downhill), direction, -_wide(scale) * _weighed(gradient, hue_weight)
        )
        slope = _dot(direction, gradient)
        step = _wide(length) * direction
        if not left:
            return _last(objective, x, step, loss, _SUFFICIENT * length * slope)
        trial_loss, trial_gradient = _evaluate(objective, x + step)
        change = trial_gradient - gradient
        curvature = _dot(step, change)
        sound = curvature > 1e-10 * _dot(step, step).sqrt() * _dot(change, change).sqrt()
        inverse = torch.where(sound, 1 / curvature.clamp_min(1e-30), 0.0)
        pairs.append((step, change, inverse))
        squared = _dot(change, _weighed(change, hue_weight)).clamp_min(1e-30)
        scale = torch.where(sound, curvature / squared, scale)
        better = trial_loss <= loss + _SUFFICIENT * length * slope
        x = torch.where(_wide(better), x + step, x)
        # The minimum of the parabola through both losses and the slope.
        bend = (trial_loss - loss - length * slope).clamp_min(1e-30)
        shorter = (-0.5 * slope * length / bend).clamp(_SHORTEST, _SHORTER)
        length = torch.where(better, 1.0, length * shorter)
        loss = torch.where(better, trial_loss, loss)
        gradient = torch.where(_wide(better), trial_gradient, gradient)
    return x, loss


@torch.no_grad()
def _last(
    objective: Objective, x: Tensor, step: Tensor, loss: Tensor, decrease: Tensor
) -> tuple[Tensor, Tensor]:
    """Try a step after which none follows: its gradient is not needed."""
    trial_loss = objective(x + step)
    better = trial_loss <= loss + decrease
    return torch.where(_wide(better), x + step, x), torch.where(better, trial_loss, loss)


def _direction(
    gradient: Tensor,
    pairs: deque[tuple[Tensor, Tensor, Tensor]],
    scale: Tensor,
    hue_weight: float,
) -> Tensor:
    """Return the negative gradient, times what the pairs tell of the inverse curvature."""
    q = -gradient
    steps = []
    for step, change, inverse in reversed(pairs):
        along = inverse * _dot(step, q)
        q = q - _wide(along) * change
        steps.append(along)
    q = _wide(scale) * _weighed(q, hue_weight)
    for (step, change, inverse), along in zip(pairs, reversed(steps), strict=True):
        q = q + _wide(along - inverse * _dot(change, q)) * step
    return q


def _evaluate(objective: Objective, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    loss = objective(x)
    (gradient,) = torch.autograd.grad(loss.sum(), x)
    return loss.detach(), gradient.detach()


def _weighed(gradient: Tensor, hue_weight: float) -> Tensor:
    grey = gradient.mean(1, keepdim=True)
    return torch.lerp(grey, gradient, hue_weight)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(1)


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None, None]
