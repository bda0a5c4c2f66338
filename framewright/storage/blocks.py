"""Large objects in blocks: how many, of which size, and several at a time in order."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, BinaryIO, TypeVar, cast

from framewright.errors import StoreKeyError

__all__ = [
    "MAX_BLOCKS",
    "MAX_BLOCK_BYTES",
    "PieceStream",
    "block_bytes_for",
    "in_order",
    "read_blocks",
]

MAX_BLOCKS = 50_000
"""Most blocks of one blob, a limit of Azure."""
MAX_BLOCK_BYTES = 4000 << 20
"""Largest block, a limit of Azure."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def block_bytes_for(size_bytes: int, wanted_bytes: int) -> int:
    """Return the block size for an object: the wanted one, or the least that is large enough.

    Raises:
        StoreKeyError: no block size is: the object is larger than a blob can be.
    """
    block_bytes = max(wanted_bytes, -(-size_bytes // MAX_BLOCKS))
    if block_bytes > MAX_BLOCK_BYTES:
        limit = MAX_BLOCKS * MAX_BLOCK_BYTES
        raise StoreKeyError(f"an object of {size_bytes} bytes is too large; at most {limit}.")
    return block_bytes


def read_blocks(stream: BinaryIO, block_bytes: int) -> Iterator[bytes]:
    """Yield a stream's bytes in full blocks, the last one shorter; nothing for an empty one."""
    while block := _read_full(stream, block_bytes):
        yield block


def _read_full(stream: BinaryIO, wanted_bytes: int) -> bytes:
    """Read so many bytes, or what is left: a pipe gives fewer than asked for at a time."""
    block = stream.read(wanted_bytes)
    if not block or len(block) == wanted_bytes:
        return block or b""
    parts, missing = [block], wanted_bytes - len(block)
    while missing and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """Yield ``work(item)`` in the order of the items, with so many of them under way at a time.

    At most ``threads + 1`` items or results are held. The first error, in order, is raised; what
    has not begun by then is not begun.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="framewright-store") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class PieceStream(io.RawIOBase):
    """Pieces of bytes as a stream."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._piece = memoryview(b"")

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer with what is left of one piece; 0 at the end."""
        while not self._piece:
            if (piece := next(self._pieces, None)) is None:
                return 0
            self._piece = memoryview(piece)
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def close(self) -> None:
        """End the source of the pieces too."""
        if not self.closed:
            cast("Any", self._pieces).close()
        super().close()
