"""The stages that one run of the training goes through."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["STAGES", "Stage"]


@dataclass(frozen=True)
class Stage:
    """A stretch of steps with the same crops and weights."""

    steps: int
    size: int
    """Side of the square crops in pixels."""

    batch: int
    rate: tuple[float, float]
    """Learning rate at the first and the last step, a cosine between."""

    style: float = 10.0
    content: float = 1.0
    smooth: float = 0.05
    """Weight of the total variation."""

    steady: float = 0.0
    """Weight of the disagreement under noise and shifts, which is measured at every other step."""

    hatch: float = 0.0
    """Weight of patterns that repeat with the pixel grid in empty areas."""


STAGES = (
    Stage(steps=1200, size=128, batch=4, rate=(2e-3, 2e-3), steady=6.0),
    Stage(steps=700, size=192, batch=2, rate=(2e-3, 1e-3), content=1.5, steady=20.0),
    Stage(steps=550, size=256, batch=2, rate=(1e-3, 2e-5), content=1.5, steady=100.0, hatch=1000.0),
    Stage(steps=900, size=256, batch=2, rate=(8e-4, 1e-5), content=1.5, steady=100.0, hatch=1000.0),
)
