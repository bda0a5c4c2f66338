"""What moves through the picture: a sailing boat and gulls."""

from __future__ import annotations

import numpy as np

from lake.air import Air
from lake.camera import FOCAL, Camera, View, project
from lake.clip import SEED, H, W
from lake.fields import Array, smooth
from lake.sun import toward_sun


def patch(camera: Camera, view: View, x: float, z: float, tall: float) -> tuple[Array, ...] | None:
    """Pixels around a thing on the water: row, column, metres across and up, depth."""
    depth, column = project(camera, view, np.array(x), np.array(z))
    if depth < 20:
        return None
    pitch = view.rows[0] - view.rows[1]
    unit = FOCAL / depth / pitch
    foot = (view.rows[0] + FOCAL * view.eye / depth) / pitch
    count, width = view.depth.shape
    left, right = int(column - tall * unit), int(column + tall * unit)
    top, low = int(foot - 1.2 * tall * unit), int(foot + 0.1 * tall * unit) + 2
    py, px = np.mgrid[max(top, 0) : min(low, count), max(left, 0) : min(right, width)]
    if not py.size:
        return None
    return py, px, (px - column) / unit, (foot - py) / unit, np.array(depth)


def draw_boat(air: Air, camera: Camera, view: View, seconds: float) -> float:
    """A sloop under sail, heeling a little; its depth."""
    x, z = 62 - 3.4 * seconds, 322 + 1.2 * seconds
    got = patch(camera, view, x, z, 11)
    if got is None:
        return 0.0
    py, px, u, v, depth = got
    heel = 0.05 + 0.03 * np.sin(1.3 * seconds)
    v = v - 0.10 * np.sin(1.7 * seconds) - 0.02 * u * np.sin(1.1 * seconds)
    s = u - heel * v
    luff = np.clip((v - 1.5) / 8.6, 0, 1)
    main = (v > 1.5) & (v < 10.1) & (s > 0.12) & (s < 3.9 * (1 - luff) ** 0.8 + 0.1)
    jib = (v > 1.2) & (v < 8.4) & (s < -0.12) & (s > -3.1 * (1 - (v - 1.2) / 7.2))
    mast = (np.abs(s) < 0.09) & (v > 0.8) & (v < 10.6)
    boom = (np.abs(v - 1.42) < 0.09) & (s > 0) & (s < 4.0)
    sheer = 0.85 + 0.018 * (s - 0.6) ** 2
    hull = (v > 0.0) & (v < sheer) & (s > -3.9 + 0.75 * (0.9 - v)) & (s < 4.1 - 0.35 * (0.9 - v))
    stripe = hull & (v > sheer - 0.24)
    color = np.zeros((*u.shape, 3), np.float32)
    seams = smooth(0.80, 0.97, np.abs(np.sin(1.35 * v + 0.22 * s)).astype(np.float32))
    weave = 1.12 - 0.13 * seams - 0.10 * np.abs(s) + 0.10 * np.sin(0.9 * s + 0.35 * v)
    for mask, tint, amount in (
        (main, (1.05, 0.72, 0.47), weave),
        (jib, (1.35, 0.98, 0.66), weave + 0.1 + 0.07 * s),
        (hull, (0.030, 0.045, 0.075), 0.7 + 0.9 * v),
        (stripe, (0.85, 0.62, 0.44), 1.0 + 0 * v),
        (mast | boom, (0.13, 0.085, 0.055), 1.0 + 0 * v),
    ):
        color[mask] = (np.array(tint, np.float32) * np.asarray(amount)[..., None])[mask]
    hit = (main | jib | mast | boom | hull) & (view.depth[py, px] > depth - 8)
    rows, columns = py[hit], px[hit]
    dx, dz = camera.directions(view.columns)
    up = view.rows[rows] / FOCAL
    cosine = toward_sun(dx[columns], up, dz[columns])
    far = np.full(len(rows), depth, np.float32)
    view.color[rows, columns] = air.haze(color[hit], far, v[hit], cosine)
    return float(depth)


def draw_birds(camera: Camera, view: View, seconds: float) -> None:
    """A few gulls that cross the picture."""
    rng = np.random.default_rng(SEED + 2)
    for bird in range(7):
        ahead, across, up = rng.uniform(-16, 16), rng.uniform(-13, 13), rng.uniform(-4, 4)
        x, z = 95 - 11 * seconds + across, 330 + 8 * seconds + ahead
        depth, column = project(camera, view, np.array(x), np.array(z))
        row = view.rows[0] - FOCAL * (34 + up - view.eye) / depth
        size = FOCAL * 0.85 / depth
        beat = np.sin(seconds * rng.uniform(8, 11) + bird * 2)
        r = int(size * 1.6) + 2
        py, px = np.mgrid[int(row) - r : int(row) + r, int(column) - r : int(column) + r]
        ok = (py >= 0) & (py < H) & (px >= 0) & (px < W)
        py, px = py[ok], px[ok]
        u, v = (px - column) / size, (row - py) / size
        wing = np.abs(u)
        curve = (0.55 * beat + 0.25) * wing - 0.45 * wing**2 * (0.6 + 0.4 * beat)
        thick = 0.13 * (1.15 - wing) + 0.10 * np.exp(-((u / 0.16) ** 2))
        hit = (wing < 1) & (np.abs(v - curve) < np.maximum(thick, 0.6 / size))
        view.color[py[hit], px[hit]] *= 0.22
