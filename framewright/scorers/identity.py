"""The scorer that changes nothing: for tests, and for measuring everything around the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framewright.types import ScorerIdentity

if TYPE_CHECKING:
    import torch

__all__ = ["IdentityScorer"]


class IdentityScorer:
    """Returns each frame as it came."""

    identity = ScorerIdentity(name="identity", version="1", takes_hdr=True, flickers=False)
    context_frames = 0

    def setup(self, device: torch.device, threads: int) -> None:
        """Nothing to load."""

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        """Return ``frames``, shape (N, 3, H, W), unchanged."""
        return frames
