"""An example of a scorer in a package of its own: see docs/adding-a-scorer.md."""

import torch
import torch.nn.functional as F

from framewright.types import ScorerIdentity

__all__ = ["Halftone"]


class Halftone:
    """Prints every frame as a newspaper does: black dots on white, larger where it is dark."""

    context_frames = 0

    def __init__(self, dot: int = 8) -> None:
        """Take the distance of the dots in pixels, 2 to 64."""
        self._dot = int(dot)
        if not 2 <= self._dot <= 64:
            raise ValueError("dot is from 2 to 64 pixels")
        self.identity = ScorerIdentity(name="halftone", version="1", params={"dot": self._dot})

    def setup(self, device: torch.device, threads: int) -> None:
        """Prepare the weights of luma (BT.709)."""
        self._luma = torch.tensor([0.2126, 0.7152, 0.0722], device=device)[:, None, None]

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        """Draw the dots of frames (N, 3, H, W)."""
        dot, (height, width) = self._dot, frames.shape[-2:]
        luma = (frames * self._luma).sum(dim=1, keepdim=True)
        tone = F.avg_pool2d(luma, dot, ceil_mode=True).repeat_interleave(dot, 2)
        tone = tone.repeat_interleave(dot, 3)[..., :height, :width]
        y, x = (
            torch.arange(n, device=frames.device) % dot - (dot - 1) / 2 for n in (height, width)
        )
        distance = (y[:, None].square() + x.square()).sqrt()
        radius = (1 - tone).sqrt() * dot * 0.75
        return (distance - radius + 0.5).clamp(0, 1).expand(frames.shape)
