"""Damage a good clip where it hurts: inside chosen packets of its video."""

from __future__ import annotations

from pathlib import Path
from random import Random

import av

from tests.torture.make import Clip

__all__ = ["damage"]


def damage(clip: Clip, folder: Path, *places: int) -> Path:
    """Copy a clip with noise in the middle of some packets of its video, by their stored order."""
    data = bytearray(clip.path.read_bytes())
    random = Random(3)  # noqa: S311
    with av.open(f"file:{clip.path}") as container:
        packets = [p for p in container.demux(container.streams.video[0]) if p.size]
        for place in places:
            packet = packets[place]
            assert packet.pos is not None
            start, length = packet.pos + packet.size // 4, packet.size // 2
            data[start : start + length] = random.randbytes(length)
    path = folder / f"damaged{clip.path.suffix}"
    path.write_bytes(data)
    return path
