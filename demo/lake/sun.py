"""The sun and its light."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import numpy as np

from lake.fields import Array

SUN_AZIMUTH, SUN_ELEVATION = np.radians(-22.0), np.radians(9.0)
SUN = np.array(
    [
        np.sin(SUN_AZIMUTH) * np.cos(SUN_ELEVATION),
        np.sin(SUN_ELEVATION),
        np.cos(SUN_AZIMUTH) * np.cos(SUN_ELEVATION),
    ],
    np.float32,
)
SUNLIGHT = np.array([3.3, 2.05, 1.05], np.float32)
SKYLIGHT = np.array([0.30, 0.40, 0.60], np.float32)


def toward_sun(dx: Array, up: Array, dz: Array) -> Array:
    """Cosine of the angle between a direction and the sun."""
    length = np.sqrt(dx * dx + up * up + dz * dz)
    return ((dx * SUN[0] + up * SUN[1] + dz * SUN[2]) / length).astype(np.float32)
