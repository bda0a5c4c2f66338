"""A store in a container of Azure Blob storage.

A blob appears only by one request: a Put Blob for small ones, the commit of its staged blocks for
large ones. Every request carries the MD5 of its bytes, which the service verifies; the MD5 of the
whole is kept with the blob, and verified by whoever reads it.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from azure.core import MatchConditions
from azure.core.exceptions import IncompleteReadError
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobProperties,
    ContentSettings,
)

from framewright.errors import StoreKeyError, StoreUnavailable
from framewright.settings import Settings, get_settings
from framewright.storage.base import MAX_KEY_BYTES, ObjectInfo, check_key
from framewright.storage.blob_address import parse_blob_address
from framewright.storage.blob_calls import (
    AlreadyThere,
    BlobCaller,
    BlocksGone,
    Changed,
    NotThere,
    OutOfRange,
)
from framewright.storage.blob_client import connect
from framewright.storage.blocks import PieceStream, block_bytes_for, in_order, read_blocks

__all__ = ["AzureStore"]

_ATTEMPTS = 5
"""How often a put or a read is begun where other writers of the same key come between."""

Result = TypeVar("Result")


class _Replaced(StoreUnavailable):
    """A blob was replaced or deleted while it was read."""


@dataclass(frozen=True, slots=True)
class _Source:
    """What is put: bytes from ``start`` of a stream on."""

    stream: BinaryIO
    size_bytes: int
    """0 where it is not known."""
    start: int | None
    """None for a stream that cannot be read twice."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """The first bytes of a blob, and what the answer says of the whole."""

    data: bytes
    size_bytes: int
    etag: str
    md5: bytes | None


class AzureStore:
    """Objects as block blobs below a prefix of a container; see ``Store``.

    Args:
        address: ``az://ACCOUNT/CONTAINER/PREFIX``, or the https address of it, with or without SAS.
        settings: what signs in, time-outs and block sizes; those of the process if None.

    Raises:
        InputError: the address, or what is to sign in, cannot be used.
    """

    def __init__(self, address: str, settings: Settings | None = None) -> None:
        settings = settings or get_settings()
        self._at = parse_blob_address(address, settings)
        self._call = BlobCaller(self._at, settings.azure_retry_seconds)
        self._block_bytes = settings.azure_block_bytes
        self._threads = settings.azure_concurrency
        self._container = connect(self._at, settings)

    @property
    def url(self) -> str:
        """The address, without anything that signs in."""
        return self._at.url

    def __repr__(self) -> str:
        return f"AzureStore({self.url!r})"

    def __reduce__(self) -> tuple[type[AzureStore], tuple[str]]:
        return AzureStore, (self.url,)

    def _blob(self, key: str) -> BlobClient:
        name = self._at.prefix + check_key(key)
        if len(name.encode()) > MAX_KEY_BYTES:
            raise StoreKeyError(
                f"storage key {key[:80]!r} is not allowed in {self.url}: with the prefix it has "
                f"more than {MAX_KEY_BYTES} bytes."
            )
        return self._container.get_blob_client(name)

    def put(self, key: str, data: bytes | Path | BinaryIO, *, overwrite: bool = True) -> ObjectInfo:
        """Publish an object whole; see ``Store.put``."""
        blob = self._blob(key)
        if not overwrite and (found := self.stat(key)) is not None:
            return found
        with _opened(data, key) as source:
            for _ in range(_ATTEMPTS):
                try:
                    return self._put(key, blob, source, overwrite)
                except AlreadyThere:
                    # Another writer's, or our own whose answer was lost: either is the first.
                    if not overwrite and (found := self.stat(key)) is not None:
                        return found
                except BlocksGone:
                    if not overwrite and (found := self.stat(key)) is not None:
                        return found
                if source.start is None:
                    break
                source.stream.seek(source.start)
        raise StoreUnavailable(
            f"cannot write {key!r} to {self.url}: other writers of the same object came between "
            "again and again. Put it once more."
        )

    def _put(self, key: str, blob: BlobClient, source: _Source, overwrite: bool) -> ObjectInfo:
        blocks = read_blocks(source.stream, block_bytes_for(source.size_bytes, self._block_bytes))
        first, second = next(blocks, b""), next(blocks, b"")
        if second:
            answer = self._put_blocks(
                key, blob, itertools.chain((first, second), blocks), overwrite
            )
            size_bytes = answer.pop("size_bytes")
        else:
            size_bytes = len(first)
            answer = self._call(
                lambda: blob.upload_blob(  # whose MD5 the service keeps by itself
                    first, length=len(first), overwrite=overwrite, validate_content=True
                ),
                "write",
                f"write {key!r}",
            )
        return _info(key, size_bytes, answer["etag"], answer["last_modified"])

    def _put_blocks(
        self, key: str, blob: BlobClient, blocks: Iterator[bytes], overwrite: bool
    ) -> dict[str, Any]:
        """Stage blocks, several at a time, under names that are this put's own; commit them."""
        ours, digest, size_bytes = secrets.token_hex(8), _md5(), 0

        def numbered() -> Iterator[tuple[str, bytes]]:
            nonlocal size_bytes
            for number, block in enumerate(blocks):
                digest.update(block)
                size_bytes += len(block)
                yield f"{ours}-{number:06d}", block

        def stage(item: tuple[str, bytes]) -> str:
            name, block = item
            self._call(
                lambda: blob.stage_block(name, block, length=len(block), validate_content=True),
                "write",
                f"write {key!r}",
            )
            return name

        names = list(in_order(stage, numbered(), self._threads))
        condition: dict[str, Any] = {}
        if not overwrite:
            condition["match_condition"] = MatchConditions.IfMissing
        answer = self._call(
            lambda: blob.commit_block_list(
                [BlobBlock(block_id=name) for name in names],
                content_settings=ContentSettings(content_md5=bytearray(digest.digest())),
                **condition,
            ),
            "write",
            f"write {key!r}",
        )
        return {**answer, "size_bytes": size_bytes}

    def read(self, key: str) -> bytes:
        """Return a small object's bytes."""
        return self._unless_replaced(lambda: b"".join(self._stream(key)))

    def open(self, key: str) -> AbstractContextManager[BinaryIO]:
        """Open an object for sequential reading; raises where it is replaced meanwhile."""
        return cast("BinaryIO", io.BufferedReader(PieceStream(self._stream(key)), 1 << 16))

    def download(self, key: str, path: Path) -> None:
        """Write an object to a local file, which appears whole or not at all."""
        self._unless_replaced(lambda: self._download(key, path))

    def _download(self, key: str, path: Path) -> None:
        partial_path = path.with_name(path.name + ".part")
        try:
            pieces = self._stream(key)
            with partial_path.open("wb") as out:
                for piece in pieces:
                    out.write(piece)
            partial_path.replace(path)
        finally:
            partial_path.unlink(missing_ok=True)

    def _unless_replaced(self, get: Callable[[], Result]) -> Result:
        """Get a whole object; begin anew where it is replaced while it is read."""
        for _ in range(_ATTEMPTS - 1):
            with suppress(_Replaced):
                return get()
        return get()

    def _stream(self, key: str) -> Iterator[bytes]:
        """Begin to read: the first request is made here, the others as the bytes are taken."""
        blob = self._blob(key)
        try:
            first = self._first(key, blob)
        except NotThere:
            first = None
        if first is None:
            raise KeyError(key)
        return self._checked(key, first, self._rest(key, blob, first))

    def _first(self, key: str, blob: BlobClient) -> _Piece:
        doing = f"read {key!r}"
        try:
            return self._call(lambda: _first_piece(blob, self._block_bytes), "read", doing)
        except OutOfRange:  # an empty blob has no first byte
            found = self._call(lambda: blob.get_blob_properties(), "read", doing)
        if found.size:
            raise self._replaced(key)
        return _Piece(b"", 0, found.etag, None)

    def _rest(self, key: str, blob: BlobClient, first: _Piece) -> Iterator[bytes]:
        offsets = range(len(first.data), first.size_bytes, self._block_bytes)
        if not offsets:
            return

        def get(offset: int) -> bytes:
            wanted = min(self._block_bytes, first.size_bytes - offset)
            return self._call(
                partial(_range, blob, offset, wanted, first.etag), "read", f"read {key!r}"
            )

        replaced = False
        try:
            yield from in_order(get, offsets, self._threads)
        except (Changed, NotThere, OutOfRange):
            replaced = True
        if replaced:
            raise self._replaced(key)

    def _replaced(self, key: str) -> _Replaced:
        return _Replaced(
            f"{key!r} in {self.url} was replaced or deleted while it was read: read it again."
        )

    def _checked(self, key: str, first: _Piece, rest: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the pieces; the last one only when the whole is what was put."""
        digest, done = _md5(), 0
        for piece in itertools.chain((first.data,), rest):
            digest.update(piece)
            done += len(piece)
            if done >= first.size_bytes and first.md5 and digest.digest() != first.md5:
                raise StoreUnavailable(
                    f"{key!r} in {self.url} came with the MD5 {digest.hexdigest()}, was put with "
                    f"{first.md5.hex()}. Read it again; if it stays so, delete the blob and run "
                    "the job again."
                )
            yield piece

    def stat(self, key: str) -> ObjectInfo | None:
        """Describe an object, or return None where there is none."""
        blob = self._blob(key)
        try:
            found = self._call(lambda: blob.get_blob_properties(), "read", f"look at {key!r}")
        except NotThere:
            return None
        return _info(key, found.size, found.etag, found.last_modified)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield objects whose key begins with ``prefix``, in the order of their keys."""
        if folder := prefix.rpartition("/")[0]:
            check_key(folder)
        found: list[ObjectInfo] = []
        token: str | None = None
        while True:
            page, token = self._call(
                partial(self._page, self._at.prefix + prefix, token), "list", f"list {prefix!r}"
            )
            found += page
            if not token:
                break
        yield from sorted(found, key=lambda info: info.key)

    def _page(self, prefix: str, token: str | None) -> tuple[Sequence[ObjectInfo], str | None]:
        pages = self._container.list_blobs(name_starts_with=prefix or None).by_page(token)
        skip = len(self._at.prefix)
        blobs = list(next(pages, ()))
        page = [_info(b.name[skip:], b.size, b.etag, b.last_modified) for b in blobs]
        return page, cast("str | None", getattr(pages, "continuation_token", None))

    def metadata(self, key: str) -> dict[str, str]:
        """Return what whoever put an object has noted on it."""
        blob = self._blob(key)
        try:
            found = self._call(lambda: blob.get_blob_properties(), "read", f"look at {key!r}")
        except NotThere:
            return {}
        return dict(found.metadata or {})

    def delete(self, key: str) -> bool:
        """Remove an object; return whether it was there."""
        blob, tries = self._blob(key), 0

        def remove() -> None:
            nonlocal tries
            tries += 1
            blob.delete_blob()

        try:
            self._call(remove, "delete", f"delete {key!r}")
        except NotThere:
            return tries > 1  # an earlier try whose answer was lost has removed it
        return True


@contextmanager
def _opened(data: bytes | Path | BinaryIO, key: str) -> Iterator[_Source]:
    if isinstance(data, bytes):
        yield _Source(io.BytesIO(data), len(data), 0)
    elif isinstance(data, Path):
        try:
            stream = data.open("rb")
        except OSError as error:
            raise StoreUnavailable(f"cannot write {key!r}: {error}") from error
        with stream:
            yield _Source(stream, data.stat().st_size, 0)
    else:
        yield _Source(data, 0, data.tell() if data.seekable() else None)


def _md5(data: bytes = b"") -> Any:
    return hashlib.md5(data, usedforsecurity=False)


def _first_piece(blob: BlobClient, length_bytes: int) -> _Piece:
    answer = blob.download_blob(offset=0, length=length_bytes, max_concurrency=1)
    found: BlobProperties = answer.properties
    data = answer.readall()
    size_bytes = int(str(found.content_range).rpartition("/")[2])
    md5 = found.content_settings.content_md5
    return _Piece(data, size_bytes, str(found.etag), bytes(md5) if md5 else None)


def _range(blob: BlobClient, offset: int, length_bytes: int, etag: str) -> bytes:
    answer = blob.download_blob(
        offset=offset,
        length=length_bytes,
        etag=etag,
        match_condition=MatchConditions.IfNotModified,
        max_concurrency=1,
    )
    data = answer.readall()
    if len(data) != length_bytes:
        raise IncompleteReadError(f"{len(data)} of {length_bytes} bytes came")
    return data


def _info(key: str, size_bytes: int, etag: str, modified: datetime) -> ObjectInfo:
    return ObjectInfo(key, size_bytes, etag.strip('"'), modified.timestamp())
