"""One picture, from everything that is in it."""

from __future__ import annotations

import numpy as np

from lake.air import Air
from lake.backdrop import Backdrop
from lake.camera import Camera, View
from lake.clip import H, W
from lake.fields import Array
from lake.film import develop
from lake.land import make_land
from lake.moving import draw_birds, draw_boat
from lake.surface import Surface
from lake.trees import draw_trees, plant


class Scene:
    """The land, the sky, the lake and what moves on it."""

    def __init__(self) -> None:
        land = make_land()
        self.air = Air()
        self.backdrop = Backdrop(land, self.air)
        self.surface = Surface(land, self.air)
        self.trees = plant(land)

    def frame(self, seconds: float) -> Array:
        """One picture, (HEIGHT, WIDTH, 3) in [0, 1]."""
        camera = Camera.at(seconds)
        columns = np.arange(W, dtype=np.float32) + 0.5
        rows = (camera.horizon - np.arange(H, dtype=np.float32) - 0.5).astype(np.float32)
        view = View(np.empty(0), np.empty(0), rows, columns, camera.height)
        top = np.float32(H - camera.horizon + 60)
        mirror = View(
            np.empty(0),
            np.empty(0),
            np.arange(top, -1, -2, dtype=np.float32),
            np.arange(-60, W + 60, 2, dtype=np.float32) + 1,
            -camera.height,
        )
        self.backdrop.draw(camera, mirror, seconds)
        draw_trees(self.trees, self.air, camera, mirror)
        afloat = View(
            mirror.color.copy(), mirror.depth, mirror.rows, columns=mirror.columns, eye=mirror.eye
        )
        edge = draw_boat(self.air, camera, afloat, seconds)
        self.backdrop.draw(camera, view, seconds)
        self.surface.draw(camera, view, mirror, afloat.color, edge, seconds)
        draw_trees(self.trees, self.air, camera, view)
        draw_boat(self.air, camera, view, seconds)
        draw_birds(camera, view, seconds)
        return develop(view.color)
