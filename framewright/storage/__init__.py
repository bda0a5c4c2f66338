"""Where bytes live: a ``Store`` found by its address."""

from __future__ import annotations

from pathlib import Path

from framewright.errors import StoreKeyError
from framewright.settings import Settings
from framewright.storage.base import ObjectInfo, Store, WrongBytes, check_key
from framewright.storage.blob_address import is_blob_address, without_queries, without_secrets
from framewright.storage.local import LocalStore, remove_older
from framewright.storage.place import (
    Place,
    RemoteFile,
    open_blob_store,
    path_of,
    place_of,
)

__all__ = [
    "LocalStore",
    "ObjectInfo",
    "Place",
    "RemoteFile",
    "Store",
    "WrongBytes",
    "check_key",
    "is_blob_address",
    "open_store",
    "path_of",
    "place_of",
    "remove_older",
    "without_queries",
    "without_secrets",
]


def open_store(address: str, settings: Settings | None = None) -> Store:
    """Return the store at an address.

    Args:
        address: a folder's path, ``file://`` and its path, ``az://ACCOUNT/CONTAINER/PREFIX``, or
            the https address of such a container, with or without a SAS token.
        settings: what signs in, and time-outs; those of the process if None.

    Raises:
        StoreKeyError: the address names a kind of store that is not known.
        InputError: a package for that kind of store is missing, or nothing can sign in.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return LocalStore(Path(address).expanduser())
    if scheme == "file":
        return LocalStore(Path(rest))
    if is_blob_address(address):
        return open_blob_store(address, settings)
    raise StoreKeyError(
        f"storage address {without_queries(address)!r} is not understood: use the path of a "
        "folder, file://PATH, or az://ACCOUNT/CONTAINER/PREFIX."
    )
