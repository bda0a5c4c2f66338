"""A mask: where a frame is painted, where it stays as it is, and where it is mixed."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from framewright.scorers.painting import read_painting

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["StillMask", "check_mask"]

_LONGEST_SIDE = 4096
_SNAP = 1e-4
"""Values this near to 0 or 1 are meant to be that."""


def check_mask(path: Path) -> None:
    """Refuse a file that is no mask, before anything is scored.

    Raises:
        ScorerOptionError: it is not an image that ``read_painting`` takes.
    """
    read_painting(path, _LONGEST_SIDE)


class StillMask:
    """A picture that is stretched over every frame: white 1, black 0, by its luma."""

    def __init__(self, path: Path, device: torch.device) -> None:
        import numpy as np
        import torch

        picture = read_painting(path, _LONGEST_SIDE).convert("L")
        self._mask = torch.from_numpy(np.asarray(picture, np.float32) / 255)[None, None]
        self._device = device
        self.at = functools.lru_cache(maxsize=1)(self._at)

    def _at(self, height: int, width: int) -> Tensor:
        """Return the mask for frames of a size: (1, 1, height, width), in [0, 1]."""
        import torch
        import torch.nn.functional as F

        mask = F.interpolate(self._mask, (height, width), mode="bilinear", antialias=True)
        mask = torch.where(mask < _SNAP, 0.0, mask)
        return torch.where(mask > 1 - _SNAP, 1.0, mask).to(self._device)
