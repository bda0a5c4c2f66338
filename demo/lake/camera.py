"""Where the eye is, what it looks at, and where things come to lie in the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lake.clip import SECONDS, H, W
from lake.fields import Array

FOCAL = 0.5 * W / np.tan(np.radians(62) / 2)
HORIZON = 0.50 * H


@dataclass(frozen=True)
class Camera:
    """Where the eye is and where it looks; the horizon stays level."""

    x: float
    z: float
    height: float
    yaw: float
    horizon: float

    @classmethod
    def at(cls, seconds: float) -> Camera:
        """The flight."""
        s = seconds / SECONDS
        ease = s + 0.06 * np.sin(2 * np.pi * s)
        return cls(
            x=-40 + 45 * np.sin(1.9 * s),
            z=40 + 165 * ease,
            height=8.5 + 7.5 * s * s + 0.5 * np.sin(5 * s),
            yaw=np.radians(1.0 - 6.0 * np.cos(np.pi * s)),
            horizon=HORIZON - 14 * np.sin(np.pi * s),
        )

    def directions(self, columns: Array) -> tuple[Array, Array]:
        """World x and z per metre of depth, for columns of the picture."""
        side = (columns - W / 2) / FOCAL
        sin, cos = np.sin(self.yaw), np.cos(self.yaw)
        return (sin + side * cos).astype(np.float32), (cos - side * sin).astype(np.float32)


@dataclass
class View:
    """A picture being made: colours, and how far away each is (infinite for sky)."""

    color: Array
    depth: Array
    rows: Array
    """Height of each row in pixels above the horizon."""
    columns: Array
    eye: float
    """Height of the eye over the water; negative for the mirror image."""


def project(camera: Camera, view: View, x: Array, z: Array) -> tuple[Array, Array]:
    """Depth, and column in the view's own pixels, of places in the world."""
    rx, rz = x - camera.x, z - camera.z
    sin, cos = np.sin(camera.yaw), np.cos(camera.yaw)
    depth = rx * sin + rz * cos
    across = W / 2 + FOCAL * (rx * cos - rz * sin) / np.maximum(depth, 1)
    return depth, (across - view.columns[0]) / (view.columns[1] - view.columns[0])


def lake_depth(view: View) -> Array:
    """Depth of the water in each row, infinite above the horizon."""
    below = np.where(view.rows < -0.05, -view.rows, np.float32(1e-9))
    depth = np.where(view.rows < -0.05, FOCAL * view.eye / below, np.inf)
    return np.broadcast_to(depth.astype(np.float32)[:, None], view.depth.shape)
