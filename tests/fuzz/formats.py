"""Changes that know a format: tables of MP4, dimensions, packets of MPEG-TS, tags of FLV, Ogg."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

from tests.fuzz.bytes import extreme, poke
from tests.fuzz.tree import CHANGES as TREE_CHANGES
from tests.fuzz.tree import Format, Part, ebml, mp4, riff, written

__all__ = ["changes_of"]

Change = Callable[[Random, bytes], bytes]

_TABLES = {
    b"stts": (8, 8), b"ctts": (8, 8), b"stsc": (8, 12), b"stsz": (12, 4), b"stco": (8, 4),
    b"co64": (8, 8), b"stss": (8, 4), b"elst": (8, 12), b"trun": (12, 4), b"sdtp": (4, 1),
}  # fmt: skip
"""Boxes that are tables: where the rows begin, and how long one is."""


def _table(rng: Random, whole: Part) -> None:
    """Change rows of a table, or how many rows it claims."""
    tables = [part for part in whole.walk() if part.kind in _TABLES and len(part.content) > 8]
    if not tables:
        return
    part = rng.choice(tables)
    start, row = _TABLES[part.kind]
    rows = max(1, (len(part.content) - start) // row)
    if rng.random() < 0.2:
        count = rng.choice((rows - 1, rows + 1, rows // 2, 2 * rows, extreme(rng, 4)))
        at = 8 if part.kind == b"stsz" else 4
        part.content = poke(part.content, at, count & 0xFFFFFFFF, 4)
        return
    width = min(4, row)
    for _ in range(rng.choice((1, 1, 2, rows))):
        at = start + rng.randrange(rows) * row + rng.choice(range(0, row, width))
        old = int.from_bytes(part.content[at : at + width], "big")
        near = old + rng.choice((1, -1, 2, -2, 100, -100, old, -old // 2))
        value = near if rng.random() < 0.6 else extreme(rng, width)
        part.content = poke(part.content, at, value & ((1 << 8 * width) - 1), width)


_NUMBERS = {
    b"mvhd": (12, 16), b"mdhd": (12, 16), b"tkhd": (20, 76, 80), b"avc1": (24, 26),
    b"hvc1": (24, 26), b"av01": (24, 26), b"apcn": (24, 26), b"tfhd": (8, 12), b"tfdt": (4, 8),
    b"mfhd": (4,), b"trex": (8, 12, 16), b"sidx": (8, 12), b"vmhd": (4,), b"pasp": (0, 4),
}  # fmt: skip
"""Where numbers of weight lie: time scales, durations, dimensions."""


def _numbers(rng: Random, whole: Part) -> None:
    """Change a time scale, a duration or a dimension."""
    found = [part for part in whole.walk() if part.kind in _NUMBERS]
    if found:
        part = rng.choice(found)
        width = 2 if part.kind in (b"avc1", b"hvc1", b"av01", b"apcn") else 4
        at = rng.choice(_NUMBERS[part.kind])
        part.content = poke(part.content, at, extreme(rng, width), width)


_UINTS = [
    "b0",
    "ba",
    "54b0",
    "54ba",
    "2ad7b1",
    "23e383",
    "e7",
    "d7",
    "83",
    "9b",
    "fb",
    "4489",
    "53ab",
    "53ac",
    "f1",
    "b3",
    "9a",
    "536e",
    "63a2",
]


def _elements(rng: Random, whole: Part) -> None:
    """Change a number or a float of Matroska: dimensions, scale, time, duration."""
    kinds = {bytes.fromhex(number) for number in _UINTS}
    found = [part for part in whole.walk() if part.kind in kinds and part.content]
    if found:
        kind = rng.choice(sorted({part.kind for part in found}))
        part = rng.choice([part for part in found if part.kind == kind])
        width = rng.choice((len(part.content), 1, 2, 4, 8))
        part.content = extreme(rng, width if width in (1, 2, 4, 8) else 8).to_bytes(8, "big")


def _blocks(rng: Random, whole: Part) -> None:
    """Change the track, the time or the flags of blocks, or their order."""
    holders = [part for part in whole.walk() if any(p.kind == b"\xa3" for p in part.parts)]
    if not holders:
        return
    holder = rng.choice(holders)
    if rng.random() < 0.3:
        rng.shuffle(holder.parts)
        return
    for _ in range(rng.choice((1, 1, 4, 20))):
        block = rng.choice([part for part in holder.parts if part.kind == b"\xa3"])
        at, width = rng.choice(((0, 1), (1, 2), (3, 1), (4, 4)))
        block.content = poke(block.content, at, extreme(rng, width), width)


def _tree(form: Format, change: Callable[[Random, Part], None]) -> Change:
    def changed(rng: Random, data: bytes) -> bytes:
        whole = form.read(data)
        if whole is None or not whole.parts:
            return data
        change(rng, whole)
        return written(whole, form)

    return changed


_TS = 188


def _ts(rng: Random, data: bytes) -> bytes:
    """Drop, repeat, exchange packets of a transport stream, or lie in their headers."""
    packets = [data[at : at + _TS] for at in range(0, len(data), _TS)]
    kind = rng.choice(("drop", "repeat", "swap", "pid", "header", "adapt", "payload", "pes"))
    count = rng.choice((1, 1, 3, 20))
    for _ in range(count):
        at = rng.randrange(len(packets))
        packet = packets[at]
        if kind == "drop" and len(packets) > 1:
            del packets[at]
        elif kind == "repeat":
            packets.insert(at, packet)
        elif kind == "swap":
            other = rng.randrange(len(packets))
            packets[at], packets[other] = packets[other], packet
        elif kind == "pid":
            packets[at] = poke(packet, 1, rng.choice((0, 17, 256, 257, 4096, 8191)), 2)
        elif kind == "header":
            packets[at] = poke(packet, rng.randrange(4), rng.randrange(256), 1)
        elif kind == "adapt":
            packets[at] = poke(packet, 4 + rng.randrange(8), extreme(rng, 1), 1)
        elif kind == "payload":
            packets[at] = packet[:12] + rng.randbytes(max(0, len(packet) - 12))
        else:
            packets[at] = _pes(rng, packet)
    return b"".join(packets)


def _pes(rng: Random, packet: bytes) -> bytes:
    at = packet.find(b"\0\0\1")
    return poke(packet, at + rng.randrange(3, 20), rng.randrange(256), 1) if at >= 0 else packet


def _little(rng: Random, whole: Part) -> None:
    """Change numbers of an AVI's headers and index, which are little-endian."""
    kinds = (b"avih", b"strh", b"strf", b"idx1", b"indx")
    found = [part for part in whole.walk() if part.kind in kinds and len(part.content) >= 4]
    if found:
        part = rng.choice(found)
        for _ in range(rng.choice((1, 1, 8))):
            at = rng.randrange(len(part.content) // 4) * 4
            part.content = poke(part.content, at, extreme(rng, 4), 4, "little")


def _flv(rng: Random, data: bytes) -> bytes:
    """Change sizes, times and first bytes of FLV tags."""
    places, at = [], 13
    while at + 11 < len(data):
        places.append(at)
        at += 15 + int.from_bytes(data[at + 1 : at + 4], "big")
    for _ in range(rng.choice((1, 1, 4, 20))):
        place = rng.choice(places or [0])
        offset, width = rng.choice(((0, 1), (1, 2), (4, 2), (7, 1), (11, 1), (12, 1), (13, 2)))
        data = poke(data, place + offset, extreme(rng, width), width)
    return data


def _crc(page: bytes) -> int:
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7) & 0xFFFFFFFF if crc >> 31 else crc << 1 & 0xFFFFFFFF
    return crc


def _ogg(rng: Random, data: bytes) -> bytes:
    """Change the header of an Ogg page, its content or its place; its checksum stays right."""
    pages = [b"OggS" + piece for piece in data.split(b"OggS")[1:]]
    at = rng.randrange(len(pages))
    kind = rng.choice(("header", "content", "drop", "repeat"))
    if kind == "drop":
        del pages[at]
    elif kind == "repeat":
        pages.insert(at, pages[at])
    else:
        low, high = (5, 27) if kind == "header" else (27, len(pages[at]))
        page = poke(pages[at], rng.randrange(low, max(high, low + 1)), rng.randrange(256), 1)
        page = poke(page, 22, 0, 4)
        pages[at] = page[:22] + struct.pack("<I", _crc(page)) + page[26:]
    return b"".join(pages)


def _start_codes(rng: Random, data: bytes) -> bytes:
    """Drop, repeat or exchange units of an elementary stream, or change the first bytes of one."""
    pieces = data.split(b"\0\0\1")
    at, other = rng.randrange(len(pieces)), rng.randrange(len(pieces))
    kind = rng.choice(("drop", "repeat", "swap", "head"))
    if kind == "drop" and len(pieces) > 2:
        del pieces[at]
    elif kind == "repeat":
        pieces.insert(at, pieces[at])
    elif kind == "swap":
        pieces[at], pieces[other] = pieces[other], pieces[at]
    else:
        pieces[at] = poke(pieces[at], rng.randrange(8), rng.randrange(256), 1)
    return b"\0\0\1".join(pieces)


def _of_tree(form: Format, *more: Callable[[Random, Part], None]) -> dict[str, Change]:
    every = {**TREE_CHANGES, **{change.__name__.strip("_"): change for change in more}}
    return {name: _tree(form, change) for name, change in every.items()}


def changes_of(suffix: str) -> dict[str, Change]:
    """Return the changes that know a format, by name."""
    if suffix in (".mp4", ".mov"):
        made = _of_tree(mp4, _table, _numbers)
        return {**made, "table_more": made["table"], "table_most": made["table"]}
    if suffix in (".mkv", ".webm"):
        return _of_tree(ebml, _elements, _blocks)
    if suffix == ".avi":
        return _of_tree(riff, _little)
    single = {".ts": _ts, ".flv": _flv, ".ogg": _ogg, ".h264": _start_codes, ".mpg": _start_codes}
    change = single.get(suffix)
    return {f"{suffix[1:]}_{n}": change for n in range(4)} if change else {}
