"""Changes to a file's bytes that know nothing of its format."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

__all__ = ["CHANGES", "EXTREMES", "extreme", "poke"]

EXTREMES = (0, 1, 2, 3, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0xFFFFFF)
EXTREMES += (0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
_LONG = (1 << 32, (1 << 62) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_HEAD = 4096


def extreme(rng: Random, width: int) -> int:
    """Return an unsigned number of ``width`` bytes at which programs trip."""
    top = (1 << 8 * width) - 1
    chosen = rng.choice(EXTREMES + (_LONG if width == 8 else ()))
    near = rng.choice((0, 0, 0, 1, -1))
    return max(0, min(top, chosen + near)) if rng.random() < 0.7 else rng.randrange(top + 1)


def poke(data: bytes, at: int, value: int, width: int, order: str = "big") -> bytes:
    """Return the data with a number written over it; the same where it does not fit."""
    if at < 0 or at + width > len(data):
        return data
    return (
        data[:at]
        + value.to_bytes(width, "little" if order == "little" else "big")
        + data[at + width :]
    )


def _range(rng: Random, data: bytes, most: int) -> tuple[int, int]:
    length = min(len(data), int(most ** rng.random()) + 1)
    start = rng.randrange(max(1, len(data) - length + 1))
    return start, start + length


def _flip(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    reach = len(data) if rng.random() < 0.6 else min(len(data), _HEAD)
    for _ in range(rng.choice((1, 1, 2, 4, 16, 64))):
        changed[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _noise(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    start, stop = _range(rng, data, 4096)
    return data[:start] + rng.randbytes(stop - start) + data[stop:]


def _blank(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    start, stop = _range(rng, data, 16384)
    return data[:start] + rng.choice((b"\0", b"\xff")) * (stop - start) + data[stop:]


def _cut_out(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    start, stop = _range(rng, data, len(data) // 2 + 1)
    return data[:start] + data[stop:]


def _cut_off(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(1, len(data))]


def _repeat(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    start, stop = _range(rng, data, 16384)
    return data[:stop] + data[start:stop] * rng.choice((1, 1, 1, 8)) + data[stop:]


def _swap(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    a, b, c, d = sorted(rng.randrange(len(data) + 1) for _ in range(4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _splice(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others)
    start, stop = _range(rng, other, len(other))
    at = rng.randrange(len(data) + 1)
    kept = at + (stop - start) * rng.randrange(2)
    return data[:at] + other[start:stop] + data[kept:]


def _join(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others)
    return data[: rng.randrange(1, len(data) + 1)] + other[rng.randrange(len(other)) :]


def _number(rng: Random, data: bytes, others: Sequence[bytes]) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 4))):
        width = rng.choice((1, 2, 4, 4, 8))
        reach = len(data) if rng.random() < 0.5 else min(len(data), _HEAD)
        order = rng.choice(("big", "little"))
        data = poke(data, rng.randrange(reach), extreme(rng, width), width, order)
    return data


CHANGES = {
    "flip": _flip,
    "noise": _noise,
    "blank": _blank,
    "cut_out": _cut_out,
    "cut_off": _cut_off,
    "repeat": _repeat,
    "swap": _swap,
    "splice": _splice,
    "join": _join,
    "number": _number,
}
"""By name: functions of a random generator, a file and other files; they return the new file."""
