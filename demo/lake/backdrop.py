"""Sky and land in a picture."""

from __future__ import annotations

import numpy as np

from lake.air import Air
from lake.camera import FOCAL, Camera, View, lake_depth
from lake.fields import mix, sample, smooth
from lake.heights import CELL
from lake.land import Land, on_map
from lake.noise import tile
from lake.sun import toward_sun

DEPTHS = np.geomspace(45, 11600, 900).astype(np.float32)[:, None]
"""Metres ahead at which the land is looked up, near to far."""


def cast(land: Land, camera: Camera, view: View) -> None:
    """Fill ``view.depth``: for each column the land, front to back, hides what is behind."""
    dx, dz = camera.directions(view.columns)
    height = on_map(land.height, camera.x + DEPTHS * dx, camera.z + DEPTHS * dz)
    if view.eye < 0:
        height = np.where(height > 0, height, np.float32(-900))
    rise = FOCAL * (height - view.eye) / DEPTHS
    skyline = np.maximum.accumulate(rise, axis=0)
    steps, count, width = len(DEPTHS), len(view.rows), len(view.columns)
    pitch = view.rows[0] - view.rows[1]
    first = np.ceil((view.rows[0] - skyline) / pitch).clip(0, count).astype(np.int32)
    cells = np.bincount((first * width + np.arange(width)).ravel(), minlength=(count + 1) * width)
    index = steps - np.cumsum(cells.reshape(count + 1, width)[:count], axis=0)
    open_sky = index >= steps
    behind = np.minimum(index, steps - 1) * width + np.arange(width)
    before = np.maximum(np.minimum(index, steps - 1) - 1, 0) * width + np.arange(width)
    flat = rise.ravel()
    a, b = flat[before], flat[behind]
    t = np.clip((view.rows[:, None] - a) / np.where(b - a > 1e-6, b - a, 1), 0, 1)
    inverse = (1 / DEPTHS).ravel()
    near, far = inverse[before // width], inverse[behind // width]
    view.depth = np.where(open_sky, np.inf, 1 / mix(near, far, t)).astype(np.float32)


class Backdrop:
    """The sky and the land, with what is too small for the height field."""

    def __init__(self, land: Land, air: Air) -> None:
        self.land, self.air = land, air
        self.speckle = tile(512, 21, 0.35, 20)
        self.patches = tile(512, 22, 1.0, 3)

    def draw(self, camera: Camera, view: View, seconds: float) -> None:
        """Sky and land."""
        cast(self.land, camera, view)
        dx, dz = camera.directions(view.columns)
        up = np.broadcast_to((view.rows / FOCAL)[:, None], view.depth.shape)
        dx, dz = np.broadcast_to(dx, up.shape), np.broadcast_to(dz, up.shape)
        view.color = np.zeros((*up.shape, 3), np.float32)
        sky = np.isinf(view.depth) & (up > -0.02)
        view.color[sky] = self.air.sky(dx[sky], np.maximum(up[sky], 0), dz[sky], seconds)
        solid = np.isfinite(view.depth)
        if view.eye > 0:
            solid &= view.depth < lake_depth(view)
        depth = view.depth[solid]
        x, z = camera.x + depth * dx[solid], camera.z + depth * dz[solid]
        blend = smooth(1800, 6000, depth)[..., None]
        color = on_map(self.land.color, x, z) * (1 - blend)
        color = color + on_map(self.land.coarse, x - 1.5 * CELL, z - 1.5 * CELL, 4 * CELL) * blend
        close = np.exp(-depth / 900)
        rough = sample(self.speckle, x / 0.9, z / 0.9, wrap=True) * 0.30
        rough = rough + sample(self.patches, x / 0.7, z / 0.7, wrap=True) * 0.13
        color = color * (1 + close * rough).clip(0.3, 2)[..., None]
        cosine = toward_sun(dx[solid], up[solid], dz[solid])
        height = view.eye + depth * up[solid]
        view.color[solid] = self.air.haze(color, depth, height, cosine)
