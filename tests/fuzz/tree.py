"""Files of nested parts (MP4, Matroska, AVI), taken apart to be put together wrongly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from tests.fuzz.bytes import extreme

__all__ = ["Format", "Part", "ebml", "mp4", "riff", "written"]


@dataclass
class Part:
    """A box, an element or a chunk."""

    kind: bytes
    content: bytes = b""
    """What a part without parts holds; with parts, what lies before the first."""
    parts: list[Part] = field(default_factory=list)
    size: int | None = None
    """The size to be claimed; None for the true one."""

    def walk(self) -> Iterator[Part]:
        """Yield this part and all below it."""
        yield self
        for part in self.parts:
            yield from part.walk()


@dataclass(frozen=True)
class Format:
    """How a format writes the kind and the size of a part."""

    read: Callable[[bytes], Part | None]
    """Take a file apart; None where its parts do not fit together."""
    header: Callable[[Part, int], bytes]
    """What stands before the content of a part of that many bytes."""
    trailer: Callable[[int], bytes] = lambda size: b""


def written(whole: Part, form: Format) -> bytes:
    """Put a file together; of the outermost part, only what it holds."""

    def inner(part: Part) -> bytes:
        return part.content + b"".join(outer(child) for child in part.parts)

    def outer(part: Part) -> bytes:
        content = inner(part)
        size = len(content) if part.size is None else part.size
        return form.header(part, size) + content + form.trailer(len(content))

    return inner(whole)


_BOXES = {
    b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"dinf": 0, b"stbl": 0, b"edts": 0, b"udta": 0,
    b"mvex": 0, b"moof": 0, b"traf": 0, b"mfra": 0, b"meta": 4, b"ilst": 0, b"dref": 8, b"stsd": 8,
    b"avc1": 78, b"hvc1": 78, b"av01": 78, b"apcn": 78, b"mp4a": 28,
}  # fmt: skip
"""Boxes that hold boxes, and how many bytes lie before the first."""


def _read_mp4(data: bytes) -> Part | None:
    whole = Part(b"")
    at = 0
    while at + 8 <= len(data):
        size, start = int.from_bytes(data[at : at + 4], "big"), 8
        kind = data[at + 4 : at + 8]
        if size == 1:
            size, start = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if size < start or at + size > len(data):
            return None
        content = data[at + start : at + size]
        part = Part(kind, content)
        if kind in _BOXES and (held := _read_mp4(content[_BOXES[kind] :])):
            part = Part(kind, content[: _BOXES[kind]], held.parts)
        whole.parts.append(part)
        at += size
    return whole if at == len(data) else None


mp4 = Format(
    _read_mp4,
    lambda part, size: (
        (min(size, 0xFFFFFFF7) + 8).to_bytes(4, "big") + part.kind.ljust(4, b"\0")[:4]
    ),
)

_MASTERS = {
    bytes.fromhex(number)
    for number in [
        "18538067",
        "1f43b675",
        "1654ae6b",
        "ae",
        "e0",
        "e1",
        "a0",
        "1c53bb6b",
        "bb",
        "b7",
        "114d9b74",
        "4dbb",
        "1549a966",
        "1254c367",
        "7373",
        "67c8",
        "1043a770",
        "45b9",
        "b6",
        "80",
        "1a45dfa3",
        "6d80",
        "6240",
        "1941a469",
        "61a7",
        "55b0",
        "55d0",
    ]
}


def _vint(data: bytes, at: int) -> tuple[int, int]:
    """Return the value and the length of a number of EBML; (-1, 0) for none."""
    if at >= len(data) or not data[at]:
        return -1, 0
    length = 9 - data[at].bit_length()
    value = int.from_bytes(data[at : at + length], "big") & ((1 << 7 * length) - 1)
    return value, length


def _read_ebml(data: bytes) -> Part | None:
    whole = Part(b"")
    at = 0
    while at < len(data):
        _, wide = _vint(data, at)
        size, length = _vint(data, at + wide)
        if not wide or not length:
            return None
        start = at + wide + length
        if size == (1 << 7 * length) - 1:
            size = len(data) - start
        if start + size > len(data):
            return None
        kind, content = data[at : at + wide], data[start : start + size]
        held = _read_ebml(content) if kind in _MASTERS else None
        whole.parts.append(Part(kind, b"", held.parts) if held else Part(kind, content))
        at = start + size
    return whole


ebml = Format(
    _read_ebml,
    lambda part, size: part.kind + (min(size, (1 << 56) - 1) | 1 << 56).to_bytes(8, "big"),
)

_LISTS = (b"RIFF", b"LIST")


def _read_riff(data: bytes) -> Part | None:
    whole = Part(b"")
    at = 0
    while at + 8 <= len(data):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if at + 8 + size > len(data):
            return None
        content = data[at + 8 : at + 8 + size]
        held = _read_riff(content[4:]) if kind in _LISTS else None
        whole.parts.append(Part(kind, content[:4], held.parts) if held else Part(kind, content))
        at += 8 + size + size % 2
    return whole


riff = Format(
    _read_riff,
    lambda part, size: part.kind.ljust(4, b" ")[:4] + min(size, 0xFFFFFFFF).to_bytes(4, "little"),
    lambda size: bytes(size % 2),
)


def _pick(rng: Random, whole: Part) -> tuple[Part, int]:
    """Choose a part with parts, and the place of one of them."""
    holders = [part for part in whole.walk() if part.parts]
    # Large media parts have few siblings of interest: choose by holder, not by part.
    holder = rng.choice(holders)
    return holder, rng.randrange(len(holder.parts))


def swap_parts(rng: Random, whole: Part) -> None:
    """Exchange two parts, siblings or not."""
    (one, i), (other, j) = _pick(rng, whole), _pick(rng, whole)
    first, second = one.parts[i], other.parts[j]
    if any(part is second for part in first.walk()) or any(p is first for p in second.walk()):
        return
    one.parts[i], other.parts[j] = second, first


def repeat_part(rng: Random, whole: Part) -> None:
    """Say a part twice or more often."""
    holder, place = _pick(rng, whole)
    holder.parts[place:place] = [holder.parts[place]] * rng.choice((1, 1, 2, 50))


def drop_part(rng: Random, whole: Part) -> None:
    """Leave a part out."""
    holder, place = _pick(rng, whole)
    del holder.parts[place]


def nest_part(rng: Random, whole: Part) -> None:
    """Put a part into itself, or into another one, some levels deep."""
    holder, place = _pick(rng, whole)
    part = holder.parts[place]
    for _ in range(rng.choice((1, 2, 10, 200))):
        part = Part(part.kind, part.content[:16], [part])
    other, at = _pick(rng, whole)
    if any(held is other for held in part.walk()):
        holder.parts[place] = part
    else:
        other.parts.insert(at, part)


def lie_about_size(rng: Random, whole: Part) -> None:
    """Claim another size."""
    holder, place = _pick(rng, whole)
    part = holder.parts[place]
    true = len(part.content)
    near = rng.choice((1, -1, 4, -4, 8, 100, -100))
    part.size = max(0, true + near) if rng.random() < 0.5 else extreme(rng, 4)


def rename_part(rng: Random, whole: Part) -> None:
    """Give a part the kind of another."""
    holder, place = _pick(rng, whole)
    other, at = _pick(rng, whole)
    holder.parts[place].kind = other.parts[at].kind


def change_part(rng: Random, whole: Part) -> None:
    """Write extreme numbers into a small part: tables, sizes, times, dimensions."""
    small = [part for part in whole.walk() if 0 < len(part.content) <= 8192]
    if not small:
        return
    kinds = sorted({part.kind for part in small})
    kind = rng.choice(kinds)
    part = rng.choice([part for part in small if part.kind == kind])
    content = bytearray(part.content)
    width = min(rng.choice((1, 2, 4, 4, 4, 8)), len(content))
    aligned = rng.random() < 0.8
    for _ in range(rng.choice((1, 1, 1, 2, 4, 32))):
        at = rng.randrange(len(content) - width + 1)
        at -= at % width if aligned else 0
        content[at : at + width] = extreme(rng, width).to_bytes(width, "big")
    part.content = bytes(content)


def shorten_part(rng: Random, whole: Part) -> None:
    """Cut a part off within."""
    small = [part for part in whole.walk() if part.content]
    part = rng.choice(small)
    part.content = part.content[: rng.randrange(len(part.content))]


CHANGES = {
    "swap_parts": swap_parts,
    "repeat_part": repeat_part,
    "drop_part": drop_part,
    "nest_part": nest_part,
    "lie_about_size": lie_about_size,
    "rename_part": rename_part,
    "change_part": change_part,
    "change_part_more": change_part,
    "shorten_part": shorten_part,
}
"""By name: functions that change a file that was taken apart."""
