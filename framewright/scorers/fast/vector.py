"""A style vector as text, for the parameters of a job: float16, little-endian, in base64."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from framewright.errors import ScorerOptionError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["text_of", "vector_of"]


def text_of(vector: Tensor) -> str:
    """Return a style vector of shape (STYLE_LENGTH,) as about 4 KB of text.

    It loses what float16 does not hold; the shipped vectors are float16 and lose nothing.
    """
    return base64.b64encode(vector.detach().cpu().numpy().astype("<f2").tobytes()).decode()


def vector_of(text: str) -> Tensor:
    """Return the float32 vector of shape (STYLE_LENGTH,) that a text holds.

    Raises:
        ScorerOptionError: it holds something else.
    """
    import numpy as np
    import torch

    from framewright.scorers.fast.network import STYLE_LENGTH

    try:
        values = np.frombuffer(base64.b64decode(text, validate=True), "<f2")
    except (binascii.Error, ValueError, TypeError) as error:
        raise ScorerOptionError(f"option numbers of scorer 'fast' is no style: {error}.") from error
    if values.shape != (STYLE_LENGTH,):
        raise ScorerOptionError(
            f"option numbers of scorer 'fast' holds {values.size} numbers, not {STYLE_LENGTH}: "
            "another release made it. Install the same release everywhere, and start anew from the "
            "image."
        )
    if not np.isfinite(values).all():
        raise ScorerOptionError("option numbers of scorer 'fast' holds some that are not finite.")
    return torch.from_numpy(values.astype(np.float32))
