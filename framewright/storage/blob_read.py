"""Reading a blob: one version of it, several ranges at a time, verified to the last byte.

The first answer tells ETag, size and MD5; all others are asked for by that ETag. Its bytes are
hashed and given on as they come, without a copy: by sha256 where the reader knows that, else by the
MD5 that was kept with the blob.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, IncompleteReadError
from azure.storage.blob import BlobClient, BlobProperties

from framewright.storage.base import Replaced, WrongBytes
from framewright.storage.blob_calls import BlobCaller, Changed, NotThere, OutOfRange
from framewright.storage.blocks import in_order

__all__ = ["BlobReader", "md5", "only"]

logger = logging.getLogger(__name__)

_CHECKED_BYTES = 4 << 20
"""Longest range whose MD5 the service computes on the way out, a limit of Azure."""
_INLINE_BYTES = 8 << 20
"""A blob of no more is hashed no sooner in a thread beside, which costs some CPU time."""

_Pieces = Generator[bytes, None, None]


def md5(data: bytes = b"") -> Any:
    """Return a running MD5, for verification only."""
    return hashlib.md5(data, usedforsecurity=False)


class _Hashing:
    """Hashes pieces: one while the next comes, in a thread beside, if no other read is under way.

    Several reads have each other to fill the time, and threads of their own would slow them down.
    """

    under_way = 0
    lock = threading.RLock()
    """Reentrant: the garbage collection may end a read that was given up while this is held."""

    def __init__(self, digest: Any, size_bytes: int) -> None:
        self._digest = digest
        self._large = size_bytes > _INLINE_BYTES
        self._beside: ThreadPoolExecutor | None = None
        self._last: Future[None] | None = None

    def __enter__(self) -> _Hashing:
        with self.lock:
            _Hashing.under_way += 1
            if self._large and _Hashing.under_way == 1:
                self._beside = ThreadPoolExecutor(1, thread_name_prefix="framewright-hash")
        return self

    def __exit__(self, *_: object) -> None:
        with self.lock:
            _Hashing.under_way -= 1
        if self._beside is not None:
            self._beside.shutdown(wait=False)

    def update(self, piece: bytes, *, is_last: bool) -> None:
        """Add a piece, when the one before it is hashed."""
        if self._last is not None:
            self._last.result()
        if self._beside is None or is_last:
            self._digest.update(piece)
        else:
            self._last = self._beside.submit(self._digest.update, piece)


@dataclass(frozen=True, slots=True)
class _Begun:
    """The first answer: what it says of the whole, and its bytes, which are still to come."""

    size_bytes: int
    """Of the whole blob."""
    etag: str
    wanted: str
    """The hash that the whole must have, in hex; empty where none is known."""
    digest: Any
    """Of that kind, of no bytes yet."""
    body: Any = None
    """The bytes of the first range, still to come; None for an empty blob."""

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes as they come, and end where the connection breaks."""
        if self.body is None:
            yield b""
            return
        try:
            yield from self.body
        except AzureError as error:
            logger.info("an answer broke off (%s); asking for the rest", type(error).__name__)
        finally:
            self.close()

    def close(self) -> None:
        """Take no more bytes."""
        if self.body is not None:
            self.body.response.internal_response.close()


@dataclass(frozen=True, slots=True)
class BlobReader:
    """Reads blobs in ranges of ``block_bytes``, ``threads`` of them at a time."""

    call: BlobCaller
    block_bytes: int
    threads: int

    def pieces(
        self, key: str, blob: BlobClient, etag: str = "", sha256: str = "", *, ahead: bool = False
    ) -> _Pieces:
        """Begin to read: the first request is made here, the others as the bytes are taken.

        Args:
            key: how the blob is called in messages.
            blob: what to read.
            etag: the version to read; whichever is there if empty.
            sha256: what its bytes must have, in hex; its MD5 is what counts if empty.
            ahead: take the first range at once: the reader may be slow, and no connection waits.

        Raises:
            KeyError: there is no such blob.
            Replaced: it is another version, or becomes one while it is read.
            WrongBytes: its bytes do not match the hash.
        """
        try:
            begun = self._first(key, blob, etag, sha256)
        except NotThere:
            begun = None
        if begun is None:
            raise KeyError(key)
        body: Iterable[bytes] = begun.pieces()
        if not begun.wanted and begun.size_bytes:
            # Nobody has kept an MD5 of the whole: the service is asked for one of each range.
            begun.close()
            body = ()
        checked = self._checked(key, begun, self._all(key, blob, begun, body))
        return _taken(checked, self.block_bytes) if ahead and begun.wanted else checked

    def _first(self, key: str, blob: BlobClient, etag: str, sha256: str) -> _Begun:
        doing, replaced = f"read {key!r}", False
        try:
            request = partial(_begin, blob, self.block_bytes, etag, sha256)
            return self.call(request, "read", doing)
        except OutOfRange:  # an empty blob has no first byte
            pass
        except Changed:
            replaced = True
        if not replaced:
            found = self.call(lambda: blob.get_blob_properties(), "read", doing)
            replaced = bool(found.size) or (etag != "" and found.etag.strip('"') != etag)
        if replaced:
            raise self._replaced(key)
        return _Begun(0, found.etag, sha256, _hash(sha256))

    def _all(
        self, key: str, blob: BlobClient, begun: _Begun, body: Iterable[bytes]
    ) -> Iterator[bytes]:
        """Yield the bytes of the first answer, then those that it did not have."""
        done = 0
        for chunk in body:
            done += len(chunk)
            yield chunk
        yield from self._rest(key, blob, begun, done)

    def _rest(self, key: str, blob: BlobClient, begun: _Begun, start: int) -> Iterator[bytes]:
        step = self.block_bytes if begun.wanted else min(self.block_bytes, _CHECKED_BYTES)
        offsets = range(start, begun.size_bytes, step)
        if not offsets:
            return

        def get(offset: int) -> bytes:
            wanted = min(step, begun.size_bytes - offset)
            request = partial(_range, blob, offset, wanted, begun.etag, check=not begun.wanted)
            return self.call(request, "read", f"read {key!r}")

        replaced = False
        try:
            yield from in_order(get, offsets, self.threads)
        except (Changed, NotThere, OutOfRange):
            replaced = True
        if replaced:
            raise self._replaced(key)

    def _replaced(self, key: str) -> Replaced:
        return Replaced(
            f"{key!r} in {self.call.location.url} was replaced or deleted while it was read: read "
            "it again."
        )

    def _checked(self, key: str, begun: _Begun, pieces: Iterator[bytes]) -> _Pieces:
        """Yield the pieces; the last one only when the whole is what was put."""
        done = 0
        with _Hashing(begun.digest, begun.size_bytes) as hashing:
            for piece in pieces:
                done += len(piece)
                if begun.wanted:
                    hashing.update(piece, is_last=done >= begun.size_bytes)
                    if done >= begun.size_bytes:
                        self._check(key, begun)
                yield piece

    def _check(self, key: str, begun: _Begun) -> None:
        kind, came = begun.digest.name.upper(), begun.digest.hexdigest()
        if came != begun.wanted:
            raise WrongBytes(
                f"{key!r} in {self.call.location.url} came with the {kind} {came}, was put with "
                f"{begun.wanted}. Read it again; if it stays so, delete the blob and run the job "
                "again."
            )


def _taken(pieces: _Pieces, least_bytes: int) -> _Pieces:
    """Take so many bytes at once; return an iterator of them and of the rest."""
    taken: deque[bytes] = deque()
    while least_bytes > 0 and (piece := next(pieces, None)) is not None:
        taken.append(piece)
        least_bytes -= len(piece)

    def given() -> _Pieces:
        try:
            while taken:
                yield taken.popleft()
            yield from pieces
        finally:
            pieces.close()

    return given()


def _hash(sha256: str) -> Any:
    return hashlib.sha256() if sha256 else md5()


class _Unread:
    """Stands for an answer's body where the SDK would read all of it; has none."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


def _begin(blob: BlobClient, length_bytes: int, etag: str, sha256: str) -> _Begun:
    bodies: list[Any] = []

    def keep_body(answer: Any) -> None:
        stream = answer.http_response.stream_download

        def unread(*args: Any, **options: Any) -> _Unread:
            bodies.append(stream(*args, **options))
            return _Unread(bodies[-1])

        answer.http_response.stream_download = unread

    found: BlobProperties = blob.download_blob(
        offset=0,
        length=length_bytes,
        max_concurrency=1,
        raw_response_hook=keep_body,
        **only(etag),
    ).properties
    size_bytes = int(str(found.content_range).rpartition("/")[2])
    kept = found.content_settings.content_md5
    wanted = sha256 or (bytes(kept).hex() if kept else "")
    return _Begun(size_bytes, str(found.etag), wanted, _hash(sha256), bodies[-1])


def _range(blob: BlobClient, offset: int, length_bytes: int, etag: str, *, check: bool) -> bytes:
    answer = blob.download_blob(
        offset=offset,
        length=length_bytes,
        max_concurrency=1,
        validate_content=check,
        **only(etag),
    )
    data: bytes = answer.readall()
    if len(data) != length_bytes:
        raise IncompleteReadError(f"{len(data)} of {length_bytes} bytes came")
    return data


def only(etag: str) -> dict[str, Any]:
    """Arguments that ask for one version of a blob."""
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
