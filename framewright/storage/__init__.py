"""Where bytes live: a ``Store`` found by its address."""

from __future__ import annotations

from pathlib import Path

from framewright.errors import StoreKeyError
from framewright.storage.base import ObjectInfo, Store, check_key
from framewright.storage.local import LocalStore, remove_older

__all__ = ["LocalStore", "ObjectInfo", "Store", "check_key", "open_store", "remove_older"]


def open_store(address: str) -> Store:
    """Return the store at an address: a folder's path, or ``file://`` and its path.

    Raises:
        StoreKeyError: the address names a kind of store that is not known.
    """
    scheme, separator, rest = address.partition("://")
    if not separator:
        return LocalStore(Path(address).expanduser())
    if scheme == "file":
        return LocalStore(Path(rest))
    raise StoreKeyError(
        f"storage address {address!r} is not understood: use the path of a folder, or file://PATH."
    )
