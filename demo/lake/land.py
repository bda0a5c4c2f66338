"""The land: its heights, what covers them and the light on them."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lake.fields import Array, averaged, mix, sample, shifted, smooth
from lake.heights import CELL, COLUMNS, ROWS, X0, Z0, heights
from lake.noise import tile
from lake.sun import SKYLIGHT, SUN, SUN_AZIMUTH, SUN_ELEVATION, SUNLIGHT


@dataclass
class Land:
    """The height field and what is painted on it."""

    height: Array
    color: Array
    """Lit colour, (rows, columns, 3)."""
    coarse: Array
    """The same, averaged over 4 x 4 cells, for what is far away."""
    light: Array
    """How much of the sun reaches each cell."""


def sun_on(height: Array) -> Array:
    """Share of the sun's disc that each cell sees; reach is doubled from pass to pass."""
    rise = np.float32(np.tan(SUN_ELEVATION) * CELL)
    horizon = shifted(height, np.sin(SUN_AZIMUTH), np.cos(SUN_AZIMUTH)) - rise
    reach = 1.0
    for _ in range(10):
        ahead = shifted(horizon, reach * np.sin(SUN_AZIMUTH), reach * np.cos(SUN_AZIMUTH))
        horizon = np.maximum(horizon, ahead - np.float32(reach) * rise)
        reach *= 2
    return smooth(-9, 7, height - horizon)


def paint(height: Array, light: Array) -> Array:
    """Snow, rock, scree, meadow and forest floor, lit by sun and sky."""
    dz, dx = np.gradient(height, CELL)
    up = 1 / np.sqrt(1 + dx * dx + dz * dz)
    facing = np.maximum((-dx * SUN[0] + SUN[1] - dz * SUN[2]) * up, 0)
    steep = 1 - up
    size = 1024
    mottle = np.tile(tile(size, 3, 1.1), (3, 3))[:ROWS, :COLUMNS]
    grain = np.tile(tile(size, 4, 0.4, 40), (3, 3))[:ROWS, :COLUMNS]

    def tint(*rgb: float) -> Array:
        return np.array(rgb, np.float32)

    bands = smooth(-1.4, 1.4, mottle + 0.5 * np.sin(height / 45 + 3 * mottle))
    rock = mix(tint(0.17, 0.145, 0.13), tint(0.34, 0.30, 0.27), bands[..., None])
    rock = rock * (1 + 0.26 * grain)[..., None]
    grass = mix(tint(0.17, 0.15, 0.05), tint(0.27, 0.19, 0.07), smooth(-1, 1, mottle)[..., None])
    woods = mix(
        tint(0.035, 0.06, 0.028), tint(0.12, 0.085, 0.025), smooth(0.3, 1.6, grain)[..., None]
    )
    woods = woods * (1 + 0.35 * grain)[..., None]
    sand = tint(0.30, 0.26, 0.20) * (1 + 0.15 * grain)[..., None]
    snow = tint(0.86, 0.88, 0.92) * (1 + 0.03 * grain)[..., None]

    color = mix(grass, woods, smooth(-0.5, 0.1, mottle + 0.3)[..., None])
    alpine = smooth(330, 560, height + 90 * mottle)[..., None]
    color = mix(color, grass * 0.85, alpine)
    color = mix(color, rock, smooth(0.20, 0.32, steep + 0.03 * grain + 0.00009 * height)[..., None])
    color = mix(sand, color, smooth(0.4, 1.8, height + 0.4 * grain)[..., None])
    cover = smooth(480, 820, height + 110 * mottle) * smooth(0.42, 0.22, steep + 0.03 * mottle)
    color = mix(color, snow, cover[..., None])

    around = averaged(height, 8)
    around = np.repeat(np.repeat(around, 8, 0), 8, 1)
    around = shifted(shifted(around, 4, 4), -4, -4)
    open_sky = np.clip(0.85 + (height - around) / 60, 0.45, 1.15) * (0.45 + 0.55 * up)
    lit = (facing * light)[..., None] * SUNLIGHT
    bounce = np.array([0.16, 0.11, 0.07], np.float32)
    return (color * (lit + open_sky[..., None] * (SKYLIGHT + bounce))).astype(np.float32)


def make_land() -> Land:
    """Everything about the land that no frame changes."""
    height = heights()
    light = sun_on(height)
    color = paint(height, light)
    return Land(height, color, averaged(color, 4), light)


def on_map(field: Array, x: Array, z: Array, cell: float = CELL) -> Array:
    """A field of the land at a place in the world."""
    return sample(field, (x - X0) / cell, (z - Z0) / cell, wrap=False)
