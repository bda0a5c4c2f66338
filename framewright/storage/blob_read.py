"""Reading a blob: one version of it, several ranges at a time, verified to the last byte.

The first range tells ETag, size and MD5; all others ask for that ETag. The hash of the whole is
computed as the bytes arrive, so that the network and the storage work meanwhile: the sha256 where
the reader knows it, else the MD5 that was kept with the blob.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import IncompleteReadError
from azure.storage.blob import BlobClient, BlobProperties

from framewright.storage.base import Replaced, WrongBytes
from framewright.storage.blob_calls import BlobCaller, Changed, NotThere, OutOfRange
from framewright.storage.blocks import in_order

__all__ = ["BlobReader", "md5", "only"]

_CHECKED_BYTES = 4 << 20
"""Longest range whose MD5 the service computes on the way out, a limit of Azure."""


def md5(data: bytes = b"") -> Any:
    """Return a running MD5, for verification only."""
    return hashlib.md5(data, usedforsecurity=False)


@dataclass(frozen=True, slots=True)
class _Piece:
    """The first bytes of a blob, and what the answer says of the whole."""

    data: bytes
    size_bytes: int
    etag: str
    wanted: str
    """The hash that the whole must have, in hex; empty where none is known."""
    digest: Any
    """That of ``data``, ready to go on."""


@dataclass(frozen=True, slots=True)
class BlobReader:
    """Reads blobs in ranges of ``block_bytes``, ``threads`` of them at a time."""

    call: BlobCaller
    block_bytes: int
    threads: int

    def pieces(
        self, key: str, blob: BlobClient, etag: str = "", sha256: str = ""
    ) -> Iterator[bytes]:
        """Begin to read: the first request is made here, the others as the bytes are taken.

        Args:
            key: how the blob is called in messages.
            blob: what to read.
            etag: the version to read; whichever is there if empty.
            sha256: what its bytes must have, in hex; its MD5 is what counts if empty.

        Raises:
            KeyError: there is no such blob.
            Replaced: it is another version, or becomes one while it is read.
            WrongBytes: its bytes do not match the hash.
        """
        try:
            first = self._first(key, blob, etag, sha256)
        except NotThere:
            first = None
        if first is None:
            raise KeyError(key)
        if not first.wanted and first.size_bytes:
            # Nobody has kept an MD5 of the whole: the service is asked for one of each range.
            first = replace(first, data=b"")
        return self._checked(key, first, self._rest(key, blob, first))

    def _first(self, key: str, blob: BlobClient, etag: str, sha256: str) -> _Piece:
        doing, replaced = f"read {key!r}", False
        try:
            request = partial(_first_piece, blob, self.block_bytes, etag, sha256)
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
        return _Piece(b"", 0, found.etag, sha256, _hash(sha256))

    def _rest(self, key: str, blob: BlobClient, first: _Piece) -> Iterator[bytes]:
        step = self.block_bytes if first.wanted else min(self.block_bytes, _CHECKED_BYTES)
        offsets = range(len(first.data), first.size_bytes, step)
        if not offsets:
            return

        def get(offset: int) -> bytes:
            wanted = min(step, first.size_bytes - offset)
            request = partial(_range, blob, offset, wanted, first.etag, check=not first.wanted)
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

    def _checked(self, key: str, first: _Piece, rest: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the pieces; the last one only when the whole is what was put."""
        digest, done = first.digest, 0
        for number, piece in enumerate(itertools.chain((first.data,), rest)):
            if number and first.wanted:
                digest.update(piece)
            done += len(piece)
            if done >= first.size_bytes and first.wanted not in ("", digest.hexdigest()):
                raise WrongBytes(
                    f"{key!r} in {self.call.location.url} came with the {digest.name.upper()} "
                    f"{digest.hexdigest()}, was put with {first.wanted}. Read it again; if it "
                    "stays so, delete the blob and run the job again."
                )
            yield piece


def _hash(sha256: str) -> Any:
    return hashlib.sha256() if sha256 else md5()


class _Hashed:
    """A stream of the SDK whose chunks go through a hash while the next ones are on their way."""

    def __init__(self, stream: Any, digest: Any) -> None:
        self._stream = stream
        self._digest = digest

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._digest.update(chunk)
            yield chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _first_piece(blob: BlobClient, length_bytes: int, etag: str, sha256: str) -> _Piece:
    digest = _hash(sha256)

    def hash_as_it_comes(answer: Any) -> None:
        stream = answer.http_response.stream_download
        answer.http_response.stream_download = lambda *args, **options: _Hashed(
            stream(*args, **options), digest
        )

    answer = blob.download_blob(
        offset=0,
        length=length_bytes,
        max_concurrency=1,
        raw_response_hook=hash_as_it_comes,
        **only(etag),
    )
    found: BlobProperties = answer.properties
    data = answer.readall()
    size_bytes = int(str(found.content_range).rpartition("/")[2])
    kept = found.content_settings.content_md5
    wanted = sha256 or (bytes(kept).hex() if kept else "")
    return _Piece(data, size_bytes, str(found.etag), wanted, digest)


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
