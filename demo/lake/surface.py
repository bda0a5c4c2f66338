"""How the water looks: what it mirrors, what shines through, the sun in its waves."""

# mypy: disable-error-code="no-any-return"
from __future__ import annotations

import numpy as np

from lake.air import Air
from lake.camera import FOCAL, Camera, View, lake_depth
from lake.fields import Array, mix, sample
from lake.land import Land, on_map
from lake.sun import SUN, toward_sun
from lake.waves import Water


class Surface:
    """The surface of the lake."""

    def __init__(self, land: Land, air: Air) -> None:
        self.land, self.air, self.water = land, air, Water()

    def draw(
        self, camera: Camera, view: View, mirror: View, boat: Array, edge: float, seconds: float
    ) -> None:
        """Water wherever it is nearer than land.

        It mirrors ``boat``, the mirror image with the boat in it, up to the depth ``edge``.
        """
        far = lake_depth(view)
        wet = (far < view.depth) & np.isfinite(far)
        wet[: np.searchsorted(-view.rows, 0.4)] = False
        row, column = np.nonzero(wet)
        depth = far[wet]
        dx, dz = camera.directions(view.columns)
        dx, dz = dx[column], dz[column]
        x, z = camera.x + depth * dx, camera.z + depth * dz
        fine = depth / FOCAL + 0.3 * depth * depth / (FOCAL * view.eye)
        sx, sz, spread = self.water.slopes(x, z, fine, seconds)
        ahead = sx * dx + sz * dz
        side = sx * dz - sz * dx
        down = view.eye / depth
        lift = -view.rows[row] + 2 * FOCAL * (-ahead) * 0.9
        blur = 2.2 * FOCAL * np.sqrt(spread)
        lean = 2 * FOCAL * side * (down + 0.10)
        seen = np.zeros((len(depth), 3), np.float32)
        for tap, weight in ((-0.9, 0.25), (0.0, 0.4), (0.9, 0.35)):
            e = np.abs(lift + tap * blur) + 0.5
            v = (mirror.rows[0] - e) / (mirror.rows[0] - mirror.rows[1])
            u = (view.columns[column] + lean - mirror.columns[0]) / (
                mirror.columns[1] - mirror.columns[0]
            )
            behind = int(np.searchsorted(-depth, -edge))
            for part, image in (
                (slice(0, behind), mirror.color),
                (slice(behind, None), boat),
            ):
                seen[part] += weight * sample(image, u[part], v[part], wrap=False)
        tilt = np.clip(down + ahead * -0.5 + 0.5 * np.sqrt(spread), 0.004, 1)
        fresnel = 0.03 + 0.97 * (1 - tilt) ** 5
        deep = np.array([0.010, 0.045, 0.062], np.float32)
        bed = on_map(self.land.height, x, z)
        shallow = np.exp(np.minimum(bed, 0) / 1.4)[:, None] * np.array([0.05, 0.07, 0.05])
        color = mix(deep + shallow.astype(np.float32), seen, (fresnel * 0.93)[:, None])
        color = color + self.glitter(dx, dz, down, sx, sz, spread, x, z)
        cosine = toward_sun(dx, -down, dz)
        view.color[wet] = self.air.haze(color, depth, np.zeros_like(depth), cosine)
        view.depth[wet] = depth

    def glitter(
        self,
        dx: Array,
        dz: Array,
        down: Array,
        sx: Array,
        sz: Array,
        spread: Array,
        x: Array,
        z: Array,
    ) -> Array:
        """Sun in the waves: how likely the unresolved slope is the one that mirrors it."""
        length = np.sqrt(dx * dx + dz * dz + down * down)
        hx, hy, hz = SUN[0] - dx / length, SUN[1] + down / length, SUN[2] - dz / length
        miss = (hx / hy + sx) ** 2 + (hz / hy + sz) ** 2
        spread = spread + 0.0006
        chance = np.exp(-miss / (2 * spread)) / spread
        reach = on_map(self.land.light, x, z)
        return (0.0042 * chance * reach)[:, None] * np.array([1.0, 0.66, 0.33], np.float32)
