"""Scorers from another package, found like any user's own: slow, deadly, broken; or of records."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from framewright.errors import InputError
from framewright.scorers.base import Column
from framewright.types import ScorerIdentity

if TYPE_CHECKING:
    import torch


LAST_SECONDS = 1.0
"""What a dying process has left: Prefect hears from it that the task runs."""
GOOD_CALLS = 60
"""Calls, of all processes together, after which a broken scorer fails: more than two units of 25
frames take, and fewer than three."""


class TroubleScorer:
    """Returns each frame as it came, after a while; or kills its process, or fails."""

    context_frames = 0

    def __init__(
        self, seconds_per_frame: float = 0.0, deadly: bool = False, broken_while: str = ""
    ) -> None:
        self._seconds = seconds_per_frame
        self._deadly = deadly
        self._calls = Path(broken_while) if broken_while else None
        self.identity = ScorerIdentity(
            name="trouble",
            version="1",
            params={
                "seconds_per_frame": seconds_per_frame,
                "deadly": deadly,
                "broken_while": broken_while,
            },
            flickers=False,
        )

    def setup(self, device: torch.device, threads: int) -> None:
        """Nothing to load."""

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        """Wait, then return the frames; or die, or fail while the file of calls is there."""
        if self._calls is not None and self._calls.exists():
            with self._calls.open("a") as calls:
                calls.write("." * len(frames))
            if self._calls.stat().st_size > GOOD_CALLS:
                raise InputError("the scorer is broken")
        if self._deadly:
            time.sleep(LAST_SECONDS)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self._seconds * len(frames))
        return frames


class BrightnessScorer:
    """Records how bright a frame is."""

    identity = ScorerIdentity(name="brightness", version="1", result="records")
    context_frames = 0
    columns = (Column("mean", "float64", "mean of R, G and B, from 0 to 1"),)

    def setup(self, device: torch.device, threads: int) -> None:
        """Nothing to load."""

    def record(self, frames: torch.Tensor) -> list[list[dict[str, float]]]:
        """Return one record for each frame."""
        return [[{"mean": float(frame.mean())}] for frame in frames]
