"""The ``fast`` scorer: one pass of a small network paints a frame in a trained style."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framewright.errors import ScorerOptionError
from framewright.scorers.fast.weights import style_names, weights_sha256
from framewright.types import ScorerIdentity

if TYPE_CHECKING:
    import torch

__all__ = ["FastScorer"]


class FastScorer:
    """Paints every frame in the style of a painting that its network was trained on."""

    context_frames = 0

    def __init__(self, style: str = "starry_night") -> None:
        """Choose the painting.

        Args:
            style: name of a trained painting.

        Raises:
            ScorerOptionError: it is not known.
        """
        if style not in style_names():
            raise ScorerOptionError(
                f"unknown style {style!r}. Styles: {', '.join(style_names())}. "
                "`framewright styles` tells more about them."
            )
        self._style = style
        self.identity = ScorerIdentity(
            name="fast", version="1", weights_sha256=weights_sha256(), params={"style": style}
        )

    def setup(self, device: torch.device, threads: int) -> None:
        """Load the network and choose the fastest way to run it on this device."""
        from framewright.scorers.fast.network import ConditionalStyleNet
        from framewright.scorers.fast.weights import load_weights
        from framewright.scorers.runtime import build_runner

        trunk, vectors = load_weights()
        network = ConditionalStyleNet()
        network.load_state_dict(trunk)
        self._run = build_runner(network.bake(vectors[self._style]), device, threads)
        self._device = device

    def prepare(self, height: int, width: int) -> None:
        """Compile the network for frames of a size, in pixels, which takes seconds on a CPU."""
        import torch

        self._run(torch.zeros(1, 3, height, width, device=self._device))

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        """Paint frames, shape (N, 3, H, W)."""
        return self._run(frames)
