"""Writing the state of a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

__all__ = ["save_whole"]


def save_whole(state: dict[str, Any], path: Path) -> None:
    """Save a state to a file that appears whole or not at all; an old one stays until then."""
    partial = path.with_suffix(".part")
    torch.save(state, partial)
    partial.replace(path)
