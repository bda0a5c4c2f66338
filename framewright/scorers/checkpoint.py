"""The scorer ``checkpoint``: a TransformerNet that the user has trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from framewright.errors import ScorerOptionError
from framewright.scorers.asset import asset
from framewright.types import ScorerIdentity

if TYPE_CHECKING:
    import torch

__all__ = ["CheckpointScorer"]

_MAX_BYTES = 64 << 20
"""The network has 1.68 million parameters: 6.7 MB."""


class CheckpointScorer:
    """Paints with your own TransformerNet, trained with pytorch/examples' fast_neural_style."""

    context_frames = 0

    def __init__(self, weights: str, range: int | str = 255) -> None:
        """Read the weights.

        Args:
            weights: path of a file that holds the network's ``state_dict``, saved with
                ``torch.save`` or as ``.safetensors``.
            range: value of white that the network was trained with: 255 in pytorch/examples, or 1.

        Raises:
            ScorerOptionError: the file is none of this network, or the range is another.
        """
        if str(range) not in ("1", "255"):
            raise ScorerOptionError(
                f"option range of scorer 'checkpoint' is {range!r}; use 255 for a network trained "
                "on values from 0 to 255, as in pytorch/examples, or 1."
            )
        self._top = int(range)
        file = asset(weights, _MAX_BYTES)

        from framewright.scorers.transformer_net import read_state

        self._state = read_state(file.path, _MAX_BYTES)
        self.assets = (file,)
        self.identity = ScorerIdentity(
            name="checkpoint",
            version="1",
            weights_sha256=file.sha256,
            params={"weights": file.reference, "range": self._top},
        )

    def setup(self, device: torch.device, threads: int) -> None:
        """Load the network and choose the fastest way to run it on this device."""
        from framewright.scorers.runtime import build_runner
        from framewright.scorers.transformer_net import TransformerNet

        network = TransformerNet(self._top)
        network.load_state_dict(self._state)
        self._run = build_runner(network, device, threads)
        self._device = device

    def prepare(self, height: int, width: int) -> None:
        """Compile the network for frames of a size, in pixels, which takes seconds on a CPU."""
        import torch

        self._run(torch.zeros(1, 3, height, width, device=self._device))

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        """Paint frames, shape (N, 3, H, W)."""
        return self._run(frames)
