"""The stages that one run of the training goes through."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["REFINED", "STAGES", "Stage"]


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

    layout: float = 0.0
    """Weight of ``layout_distance``: what differs in colour should still differ."""

    upsampling: str = "bilinear"
    predicted: float = 0.0
    """Share of the pictures whose style is a made-up one, by the predictor."""


_NEAREST = "nearest"
REFINED = 5
"""The stage at which exported weights may begin."""

STAGES = (
    Stage(1200, 128, 4, (2e-3, 2e-3), steady=6.0, upsampling=_NEAREST),
    Stage(700, 192, 2, (2e-3, 1e-3), content=1.5, steady=20.0, upsampling=_NEAREST),
    Stage(550, 256, 2, (1e-3, 2e-5), content=1.5, steady=100.0, hatch=1000.0, upsampling=_NEAREST),
    Stage(900, 256, 2, (8e-4, 1e-5), content=1.5, steady=100.0, hatch=1000.0, upsampling=_NEAREST),
    Stage(2700, 160, 3, (9e-4, 1e-5), content=1.5, steady=150.0, hatch=1000.0, predicted=0.35),
    Stage(4950, 160, 3, (8e-4, 1e-4), content=1.5, steady=150.0, hatch=1000.0, predicted=0.5,
          layout=2.0),
    Stage(500, 256, 2, (1e-4, 1e-5), content=1.5, steady=250.0, hatch=1000.0, predicted=0.5,
          layout=2.0),
)  # fmt: skip
