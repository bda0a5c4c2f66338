"""The linear map that gives colours another mean and covariance and moves them least.

That of Monge and Kantorovich, after Pitié and Kokaram, "The linear Monge-Kantorovitch colour
mapping for example-based colour transfer" (CVMP 2007), equation 11.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["colour_map", "matrix_power"]


def colour_map(have: Tensor, want: Tensor, floor: float) -> Tensor:
    """Return the matrices (N, 3, 3) that turn colours of one covariance into those of another.

    Args:
        have: (N, 3, 3), covariances of colours in [0, 1].
        want: (N, 3, 3), or (3, 3) for all.
        floor: added to the variances of ``have``, so that flat pictures have a map too.
    """
    have = have + floor * torch.eye(3, device=have.device)
    root, inverse = matrix_power(have, 0.5), matrix_power(have, -0.5)
    return inverse @ matrix_power(root @ want @ root, 0.5) @ inverse


def matrix_power(matrices: Tensor, exponent: float) -> Tensor:
    """Power of symmetric positive matrices (..., 3, 3), computed in float64."""
    values, vectors = torch.linalg.eigh(matrices.double())
    powered = vectors @ torch.diag_embed(values.clamp_min(1e-12) ** exponent)
    result: Tensor = (powered @ vectors.transpose(-1, -2)).to(matrices.dtype)
    return result
