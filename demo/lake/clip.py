"""The clip's seed, size and length."""

from __future__ import annotations

SEED = 20
WIDTH, HEIGHT, RATE, SECONDS = 640, 360, 24, 8
FRAMES = RATE * SECONDS
SCALE = 2
"""Each side is rendered this many times too large, then averaged."""
W, H = WIDTH * SCALE, HEIGHT * SCALE
