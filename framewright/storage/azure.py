"""A store in a container of Azure Blob storage.

A blob appears only by one request: a Put Blob for small ones, the commit of its staged blocks for
large ones. The MD5 of each request's bytes is compared with the one that the service computes: by
the service before it takes them, or by us afterwards (``PutBlob``). Readers verify the whole, by
its sha256 where they know that, else by the MD5 that is kept with the blob; without either, each
range by the service's MD5.
"""

from __future__ import annotations

import io
import itertools
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from azure.core import MatchConditions
from azure.storage.blob import BlobBlock, BlobClient

from framewright.errors import StoreKeyError, StoreUnavailable
from framewright.settings import Settings, get_settings
from framewright.storage.base import (
    MAX_KEY_BYTES,
    Found,
    Label,
    ObjectInfo,
    Replaced,
    check_key,
)
from framewright.storage.blob_address import parse_blob_address
from framewright.storage.blob_calls import (
    AlreadyThere,
    BlobCaller,
    BlocksGone,
    NotThere,
)
from framewright.storage.blob_client import connect
from framewright.storage.blob_put import PutBlob, kept
from framewright.storage.blob_read import BlobReader, md5
from framewright.storage.blocks import PieceStream, block_bytes_for, in_order, read_blocks

__all__ = ["AzureStore"]

_ATTEMPTS = 5
"""How often a put or a read is begun where other writers of the same key come between."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Source:
    """What is put: bytes from ``start`` of a stream on."""

    stream: BinaryIO
    size_bytes: int
    """0 where it is not known."""
    start: int | None
    """None for a stream that cannot be read twice."""
    by_sha256: bool = False
    """Whether its readers know its sha256: so it is with files, which are bundles and clips."""


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
        self._reader = BlobReader(self._call, self._block_bytes, self._threads)
        self._container = connect(self._at, settings)

    @property
    def account(self) -> str:
        """Name of the storage account."""
        return self._at.account

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

    def put(
        self,
        key: str,
        data: bytes | Path | BinaryIO,
        *,
        overwrite: bool = True,
        label: Label | None = None,
    ) -> ObjectInfo:
        """Publish an object whole, with a label where that is wanted; see ``Store.put``."""
        blob = self._blob(key)
        if not overwrite and (found := self.stat(key)) is not None:
            return found
        with _opened(data, key) as source:
            for _ in range(_ATTEMPTS):
                try:
                    return self._put(key, blob, source, overwrite, label)
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

    def _put(
        self, key: str, blob: BlobClient, source: _Source, overwrite: bool, label: Label | None
    ) -> ObjectInfo:
        by_sha256 = source.by_sha256 and label is None
        blocks = read_blocks(source.stream, block_bytes_for(source.size_bytes, self._block_bytes))
        first, second = next(blocks, b""), next(blocks, b"")
        if second:
            blocks = itertools.chain((first, second), blocks)
            answer = self._put_blocks(key, blob, blocks, overwrite, label, keep_md5=not by_sha256)
            size_bytes = answer.pop("size_bytes")
        else:
            size_bytes = len(first)
            put = PutBlob(blob, first, overwrite, label, by_sha256)
            answer = self._call(put, "write", f"write {key!r}")
        return _info(key, size_bytes, answer["etag"], answer["last_modified"])

    def _put_blocks(
        self,
        key: str,
        blob: BlobClient,
        blocks: Iterator[bytes],
        overwrite: bool,
        label: Label | None,
        *,
        keep_md5: bool,
    ) -> dict[str, Any]:
        """Stage blocks, several at a time, under names that are this put's own; commit them."""
        ours, digest, size_bytes = secrets.token_hex(8), md5(), 0

        def numbered() -> Iterator[tuple[str, bytes]]:
            nonlocal size_bytes
            for number, block in enumerate(blocks):
                if keep_md5:
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
        more = kept(label, bytearray(digest.digest()) if keep_md5 else None)
        if not overwrite:
            more["match_condition"] = MatchConditions.IfMissing
        answer = self._call(
            lambda: blob.commit_block_list([BlobBlock(block_id=name) for name in names], **more),
            "write",
            f"write {key!r}",
        )
        return {**answer, "size_bytes": size_bytes}

    def read(self, key: str) -> bytes:
        """Return a small object's bytes."""
        return self._unless_replaced(lambda: b"".join(self._reader.pieces(key, self._blob(key))))

    def open(self, key: str, *, sha256: str = "") -> AbstractContextManager[BinaryIO]:
        """Open an object for sequential reading; raises where it is replaced meanwhile."""
        pieces = self._reader.pieces(key, self._blob(key), sha256=sha256, ahead=True)
        return cast("BinaryIO", io.BufferedReader(PieceStream(pieces), 1 << 16))

    def download(self, key: str, path: Path, *, sha256: str = "") -> None:
        """Write an object to a local file, which appears whole or not at all."""
        self._unless_replaced(lambda: self._download(key, path, sha256=sha256))

    def download_version(self, key: str, path: Path, etag: str) -> None:
        """Write one version of an object to a local file, all of it or nothing.

        Raises:
            Replaced: the object is another one by now.
        """
        self._download(key, path, etag=etag)

    def _download(self, key: str, path: Path, *, etag: str = "", sha256: str = "") -> None:
        partial_path = path.with_name(path.name + ".part")
        try:
            pieces = self._reader.pieces(key, self._blob(key), etag, sha256)
            with closing(pieces), partial_path.open("wb", buffering=0) as out:
                for piece in pieces:
                    out.write(piece)
            partial_path.replace(path)
        finally:
            partial_path.unlink(missing_ok=True)

    def _unless_replaced(self, get: Callable[[], Result]) -> Result:
        """Get a whole object; begin anew where it is replaced while it is read."""
        for _ in range(_ATTEMPTS - 1):
            with suppress(Replaced):
                return get()
        return get()

    def stat(self, key: str) -> ObjectInfo | None:
        """Describe an object, or return None where there is none."""
        found = self.look(key)
        return found.info if found else None

    def look(self, key: str) -> Found | None:
        """Return an object's description and what is kept with it; None where there is none."""
        blob = self._blob(key)
        try:
            found = self._call(lambda: blob.get_blob_properties(), "read", f"look at {key!r}")
        except NotThere:
            return None
        md5 = found.content_settings.content_md5
        info = _info(key, found.size, found.etag, found.last_modified)
        return Found(info, bytes(md5).hex() if md5 else "", dict(found.metadata or {}))

    def first_byte(self, key: str) -> bytes:
        """Return the first byte of an object that is not empty: whether it can be read is seen."""
        blob = self._blob(key)
        try:
            return self._call(
                lambda: bytes(blob.download_blob(offset=0, length=1).readall()),
                "read",
                f"read {key!r}",
            )
        except NotThere as error:
            raise KeyError(key) from error

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

    def any_below(self, prefix: str) -> bool:
        """Whether there is an object whose key begins with ``prefix``; lists no more than that."""
        token: str | None = None
        while True:
            page, token = self._call(
                partial(self._page, self._at.prefix + prefix, token, 1), "list", f"list {prefix!r}"
            )
            if page or not token:
                return bool(page)

    def _page(
        self, prefix: str, token: str | None, most: int | None = None
    ) -> tuple[Sequence[ObjectInfo], str | None]:
        listed = self._container.list_blobs(name_starts_with=prefix or None, results_per_page=most)
        pages = listed.by_page(token)
        skip = len(self._at.prefix)
        blobs = list(next(pages, ()))
        page = [_info(b.name[skip:], b.size, b.etag, b.last_modified) for b in blobs]
        return page, cast("str | None", getattr(pages, "continuation_token", None))

    def metadata(self, key: str) -> dict[str, str]:
        """Return what whoever put an object has noted on it."""
        found = self.look(key)
        return dict(found.metadata) if found else {}

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
            yield _Source(stream, data.stat().st_size, 0, by_sha256=True)
    else:
        yield _Source(data, 0, data.tell() if data.seekable() else None)


def _info(key: str, size_bytes: int, etag: str, modified: datetime) -> ObjectInfo:
    return ObjectInfo(key, size_bytes, etag.strip('"'), modified.timestamp())
