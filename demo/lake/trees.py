"""The forest: where it grows and how a tree is drawn."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from lake.air import Air
from lake.camera import FOCAL, Camera, View, project
from lake.clip import SEED
from lake.fields import Array, sample, smooth
from lake.land import Land, on_map
from lake.noise import tile
from lake.sun import SKYLIGHT, SUNLIGHT, toward_sun


@dataclass
class Trees:
    """One entry per tree."""

    x: Array
    z: Array
    ground: Array
    tall: Array
    tint: Array
    leafy: Array
    light: Array
    phase: Array


def plant(land: Land) -> Trees:
    """Spruces and autumn birches on the slopes along the lake."""
    rng = np.random.default_rng(SEED + 1)
    step = 7.0
    gz, gx = np.mgrid[0:2500:step, -1700:1300:step].astype(np.float32)
    x = (gx + rng.uniform(-0.5, 0.5, gx.shape) * step).astype(np.float32).ravel()
    z = (gz + rng.uniform(-0.5, 0.5, gx.shape) * step).astype(np.float32).ravel()
    ground = on_map(land.height, x, z)
    steep = np.abs(on_map(land.height, x + 6, z) - ground) / 6
    grove = sample(tile(256, 31, 1.3, 2), x / 11, z / 11, wrap=True)
    chance = smooth(-1.7, -0.1, grove) * smooth(1.6, 4.5, ground) * smooth(620, 420, ground)
    chance = chance * smooth(1.7, 1.0, steep)
    keep = rng.random(x.shape) < chance
    x, z, ground, grove = x[keep], z[keep], ground[keep], grove[keep]
    n = len(x)
    patch = sample(tile(256, 32, 1.2, 3), x / 9, z / 9, wrap=True)
    leafy = (patch + 0.6 * rng.normal(size=n) - 0.006 * ground) > 0.75
    tall = rng.uniform(9, 19, n) * np.where(leafy, 0.62, 1.0) * (1 - 0.0006 * ground)
    spruce = np.array([0.040, 0.062, 0.030]) * rng.uniform(0.7, 1.45, (n, 1))
    gold = np.array([0.34, 0.20, 0.035]) * rng.uniform(0.65, 1.15, (n, 1))
    rust = np.array([0.27, 0.095, 0.028]) * rng.uniform(0.65, 1.15, (n, 1))
    autumn = np.where(rng.random((n, 1)) < 0.3, rust, gold)
    return Trees(
        x,
        z,
        ground,
        tall.astype(np.float32),
        np.where(leafy[:, None], autumn, spruce).astype(np.float32),
        leafy,
        on_map(land.light, x, z),
        rng.random(n).astype(np.float32),
    )


@dataclass
class TreePixels:
    """Pixels that trees may cover, far trees first."""

    tree: Array
    row: Array
    column: Array
    u: Array
    """Across from the stem, in heights of the tree."""
    v: Array
    """Above the ground, in heights of the tree."""
    depth: Array

    def only(self, keep: Array) -> TreePixels:
        """Those of them that are marked."""
        return TreePixels(*(getattr(self, field.name)[keep] for field in fields(self)))


def tree_pixels(trees: Trees, camera: Camera, view: View) -> TreePixels:
    """The boxes around all trees in sight, pixel by pixel."""
    pitch = view.rows[0] - view.rows[1]
    depth, column = project(camera, view, trees.x, trees.z)
    scale = FOCAL / np.maximum(depth, 1) / pitch
    size = trees.tall * scale
    foot = view.rows[0] / pitch - (trees.ground - view.eye) * scale
    count, width = view.depth.shape
    ok = (depth > 30) & (size > 3.0 / pitch) & (column > -60) & (column < width + 60)
    ok &= (foot > -20) & (foot - size < count)
    order = np.nonzero(ok)[0]
    order = order[np.argsort(-depth[order])]
    size, foot, column, depth = size[order], foot[order], column[order], depth[order]
    wide = np.where(trees.leafy[order], 0.40, 0.25)
    nx, ny = (2 * wide * size).astype(np.int32) + 2, size.astype(np.int32) + 2
    area = nx * ny
    who = np.repeat(np.arange(len(order), dtype=np.int32), area)
    ly, lx = np.divmod(np.arange(len(who)) - np.repeat(np.cumsum(area) - area, area), nx[who])
    px = np.floor(column - nx / 2).astype(np.int32)[who] + lx
    py = np.floor(foot - ny + 1).astype(np.int32)[who] + ly
    inside = (px >= 0) & (px < width) & (py >= 0) & (py < count)
    who, px, py = who[inside], px[inside], py[inside]
    u = ((px - column[who]) / size[who]).astype(np.float32)
    v = ((foot[who] - py) / size[who]).astype(np.float32)
    return TreePixels(order[who], py, px, u, v, depth[who].astype(np.float32))


def draw_trees(trees: Trees, air: Air, camera: Camera, view: View) -> None:
    """Every tree that covers some pixels; near ones overwrite far ones."""
    at = tree_pixels(trees, camera, view)
    near = (at.depth < view.depth[at.row, at.column] + 6) & (at.v > 0) & (at.v < 1)
    at = at.only(near)
    u, v, phase, leafy = at.u, at.v, trees.phase[at.tree], trees.leafy[at.tree]
    layer = (v * 8 + phase * 7 + 0.8 * np.sign(u) * phase) % 1
    crumb = np.sin(u * 71 + v * 53 + phase * 40) * np.sin(v * 97 - u * 61 + phase * 90)
    cone = 0.225 * np.maximum(1.03 - v, 0) ** 0.85 * (1.0 - 0.42 * layer) + 0.012 * crumb
    cone = np.where(v < 0.07, 0.02, cone)
    bough = np.sin(v * 23 + phase * 60 + np.sign(u) * 2) * np.sin(v * 11 + phase * 31)
    ball = np.sqrt(np.maximum((v - 0.12) * (1.02 - v), 0)) * (1.12 - 0.55 * v) * 0.72
    ball = ball * (0.84 + 0.22 * bough) + 0.045 * crumb
    ball = np.where((v < 0.2) & (np.abs(u) < 0.025), 0.025, ball)
    edge = np.where(leafy, ball, cone)

    hit = np.abs(u) < edge
    at, layer, crumb, edge = at.only(hit), layer[hit], crumb[hit], edge[hit]
    leafy, sun = trees.leafy[at.tree], trees.light[at.tree]
    bulge = np.clip(at.u / np.maximum(edge, 0.01), -1, 1)
    sunny = np.clip(0.42 - 0.62 * bulge + 0.25 * (at.v - 0.5) + 0.30 * crumb, 0, 1)
    sunny = sunny * np.where(leafy, 1.0, 1.05 - 0.6 * layer) * (0.12 + 0.88 * sun)
    glow = np.where(leafy, 0.30, 0.10) * sun
    sky = 0.34 + 0.46 * at.v
    color = trees.tint[at.tree] * (
        SUNLIGHT * (1.25 * sunny + glow)[:, None] + SKYLIGHT * sky[:, None]
    )
    dx, dz = camera.directions(view.columns)
    up = view.rows[at.row] / FOCAL
    cosine = toward_sun(dx[at.column], up, dz[at.column])
    hazy = air.haze(color, at.depth, view.eye + at.depth * up, cosine)
    view.color[at.row, at.column] = hazy
    view.depth[at.row, at.column] = at.depth
