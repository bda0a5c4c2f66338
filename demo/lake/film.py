"""From light to a picture: bloom, tone curve, averaging down."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import numpy as np

from lake.clip import HEIGHT, SCALE, WIDTH, H, W
from lake.fields import Array, averaged, sample


def blurred(field: Array, radius: int) -> Array:
    """Three box blurs in a row: nearly a Gaussian."""
    for _ in range(3):
        for axis in (0, 1):
            pad = [(0, 0)] * 3
            pad[axis] = (radius + 1, radius)
            total = np.cumsum(np.pad(field, pad, mode="edge"), axis=axis, dtype=np.float64)
            far = np.take(total, np.arange(2 * radius + 1, total.shape[axis]), axis)
            near = np.take(total, np.arange(total.shape[axis] - 2 * radius - 1), axis)
            field = ((far - near) / (2 * radius + 1)).astype(np.float32)
    return field


def develop(light: Array) -> Array:
    """Bloom, tone curve, averaging down, a little vignette."""
    small = averaged(np.minimum(light, 12), 8)
    bright = np.maximum(small - 0.9, 0)
    bloom = 0.55 * blurred(bright, 2) + 0.45 * blurred(bright, 8)
    rows = (np.arange(H, dtype=np.float32)[:, None] + 0.5) / 8 - 0.5
    columns = (np.arange(W, dtype=np.float32)[None, :] + 0.5) / 8 - 0.5
    rows, columns = np.broadcast_to(rows, (H, W)), np.broadcast_to(columns, (H, W))
    light = light + 0.28 * sample(bloom, columns, rows, wrap=False)
    x = light * 0.80
    film = (x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14)
    picture = averaged(np.sqrt(np.clip(film, 0, 1)), SCALE) ** (2 / 2.2)
    ys, xs = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    vignette = 1 - 0.10 * (0.6 * xs**2 + 0.4 * ys**2) ** 1.5
    gray = picture.mean(-1, keepdims=True)
    picture = gray + (picture - gray) * 1.18
    return np.clip(picture * vignette[..., None], 0, 1).astype(np.float32)
