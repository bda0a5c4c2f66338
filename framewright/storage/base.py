"""What a store is: named bytes, published whole.

The vocabulary is that of blob storage (keys, prefixes, ETags, conditional puts), so that a local
folder and a blob container behave alike. Keys use ``/`` between parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

from framewright.errors import StoreKeyError, StoreUnavailable

__all__ = [
    "MAX_KEY_BYTES",
    "Found",
    "Label",
    "ObjectInfo",
    "Replaced",
    "Store",
    "WrongBytes",
    "check_key",
]

MAX_KEY_BYTES = 1024
"""Longest key in UTF-8 bytes: the limit of Azure blob names."""


class Replaced(StoreUnavailable):
    """An object was replaced or deleted while it was read."""


class WrongBytes(StoreUnavailable):
    """What came is not what was put, by its hash."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """A stored object as a listing shows it."""

    key: str
    size_bytes: int
    etag: str
    """Opaque; changes whenever the content is written anew."""
    modified_seconds: float
    """Time of publication, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is kept with a blob, for whoever finds it there."""

    content_type: str
    metadata: Mapping[str, str]
    """Names that are words of a programming language, and ASCII values."""


@dataclass(frozen=True, slots=True)
class Found:
    """A blob, and what is kept with it."""

    info: ObjectInfo
    md5: str
    """Of its bytes, in hex; empty where whoever wrote it did not say."""
    metadata: Mapping[str, str]


@runtime_checkable
class Store(Protocol):
    """Named bytes. Every write is atomic: a reader or a listing sees the old object or the new.

    Methods raise ``StoreKeyError`` for a key that is not allowed, ``KeyError`` where an object
    that must exist does not, ``StoreDenied`` where a right is missing, and ``StoreUnavailable``
    where the storage does not answer.
    """

    @property
    def url(self) -> str:
        """Address from which ``open_store`` makes the same store on another machine."""

    def put(self, key: str, data: bytes | Path | BinaryIO, *, overwrite: bool = True) -> ObjectInfo:
        """Publish an object whole.

        With ``overwrite=False`` an object that is there already stays as it is and is returned:
        the first writer wins, and a retry of the same put is harmless.
        """

    def read(self, key: str) -> bytes:
        """Return a small object's bytes."""

    def open(self, key: str, *, sha256: str = "") -> AbstractContextManager[BinaryIO]:
        """Open an object for sequential reading, in constant memory.

        A store that is reached by a network verifies what it reads: by ``sha256`` where the caller
        knows it, which is the quickest, else by what the store keeps.
        """

    def download(self, key: str, path: Path, *, sha256: str = "") -> None:
        """Write an object to a local file, which appears whole or not at all; see ``open``."""

    def stat(self, key: str) -> ObjectInfo | None:
        """Describe an object, or return None where there is none."""

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield objects whose key begins with ``prefix``, in the order of their keys."""

    def metadata(self, key: str) -> dict[str, str]:
        """Return what whoever put an object has noted on it; nothing where there is no object."""

    def delete(self, key: str) -> bool:
        """Remove an object; return whether it was there."""


def check_key(key: str) -> str:
    """Return ``key``, or raise ``StoreKeyError`` where a store could not hold it safely."""
    parts = key.split("/")
    if not key or any(part in ("", ".", "..") for part in parts):
        raise StoreKeyError(
            f"storage key {key!r} is not allowed: a key is one or more names joined by '/', "
            "none of them empty, '.' or '..'."
        )
    size_bytes = len(key.encode(errors="surrogatepass"))
    is_text = not any("\ud800" <= letter <= "\udfff" for letter in key)
    if "\0" in key or "\\" in key or size_bytes > MAX_KEY_BYTES or not is_text:
        raise StoreKeyError(
            f"storage key {key[:80]!r} is not allowed: Unicode text, no NUL, no backslash, "
            f"at most {MAX_KEY_BYTES} bytes."
        )
    return key
