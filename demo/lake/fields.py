"""Arithmetic on arrays: blending, looking up, moving and averaging."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
"""Numbers, float32 but for a few indices."""


def smooth(low: float, high: float, x: Array) -> Array:
    """0 at ``low``, 1 at ``high`` (which may be the smaller), an S-curve between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def mix(a: Array, b: Array, t: Array) -> Array:
    """From ``a`` at 0 to ``b`` at 1."""
    return a + (b - a) * t


def sample(field: Array, u: Array, v: Array, *, wrap: bool) -> Array:
    """Bilinear value of ``field`` at column ``u`` and row ``v``; the last axis may hold colours."""
    rows, columns = field.shape[:2]
    if not wrap:
        u, v = np.clip(u, 0, columns - 1.001), np.clip(v, 0, rows - 1.001)
    iu, iv = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    fu, fv = (u - iu).astype(np.float32), (v - iv).astype(np.float32)
    ju, jv = iu + 1, iv + 1
    if wrap:
        iu, iv, ju, jv = iu % columns, iv % rows, ju % columns, jv % rows
    flat = field.reshape(rows * columns, *field.shape[2:])
    if field.ndim == 3:
        fu, fv = fu[..., None], fv[..., None]
    iv, jv = iv * columns, jv * columns
    top = flat[iv + iu] * (1 - fu) + flat[iv + ju] * fu
    low = flat[jv + iu] * (1 - fu) + flat[jv + ju] * fu
    return (top * (1 - fv) + low * fv).astype(np.float32)


def shifted(field: Array, columns: float, rows: float) -> Array:
    """The field as seen ``columns`` and ``rows`` further on, edges repeated."""
    ic, ir = int(np.floor(columns)), int(np.floor(rows))
    fc, fr = np.float32(columns - ic), np.float32(rows - ir)
    c = np.clip(np.arange(field.shape[1] + 1) + ic, 0, field.shape[1] - 1)
    r = np.clip(np.arange(field.shape[0] + 1) + ir, 0, field.shape[0] - 1)
    moved = field[r][:, c]
    moved = moved[:-1] * (1 - fr) + moved[1:] * fr
    return (moved[:, :-1] * (1 - fc) + moved[:, 1:] * fc).astype(np.float32)


def averaged(field: Array, factor: int) -> Array:
    """Means over squares of ``factor`` cells."""
    rows, columns = field.shape[0] // factor, field.shape[1] // factor
    cut = field[: rows * factor, : columns * factor]
    parts = cut.reshape(rows, factor, columns, factor, *field.shape[2:])
    return parts.mean((1, 3), dtype=np.float32)
