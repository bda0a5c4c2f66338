"""Where a file is that a user names: on this machine, or in Azure Blob storage."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import unquote

from framewright.errors import InputError, StoreKeyError
from framewright.settings import Settings
from framewright.storage.blob_address import is_blob_address, without_queries

if TYPE_CHECKING:
    from framewright.storage.azure import AzureStore

__all__ = [
    "Place",
    "RemoteFile",
    "container_and_key",
    "open_blob_store",
    "path_of",
    "place_of",
]


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A blob, there or not there yet."""

    store: AzureStore = field(compare=False)
    """Its container, and what signs in there."""
    key: str
    """Its name in the container."""
    url: str
    """Its address for people and records, without anything that signs in."""

    @property
    def name(self) -> str:
        """The last part of its name."""
        return self.key.rpartition("/")[2]

    def sibling(self, name: str) -> RemoteFile:
        """Another blob beside it."""
        folder = self.key.rpartition("/")[0]
        key = f"{folder}/{name}" if folder else name
        return RemoteFile(self.store, key, f"{self.store.url}/{key}")


Place: TypeAlias = Path | RemoteFile


def place_of(address: str, settings: Settings) -> Place:
    """Understand the address of one file.

    Args:
        address: a path, ``file://`` and a path, ``az://ACCOUNT/CONTAINER/PATH``, or the https
            address of a blob, with or without a SAS token.
        settings: what signs in where the address has no token.

    Raises:
        StoreKeyError: the address names a container, a folder, or no file that is known.
        InputError: a package for Azure storage is missing, or nothing can sign in.
    """
    return _blob(address, settings) if is_blob_address(address) else path_of(address)


def path_of(address: str) -> Path:
    """Understand the address of a file or folder on this machine: a path, or ``file://`` and one.

    Raises:
        StoreKeyError: it is another kind of address.
    """
    scheme, separator, rest = address.partition("://")
    if separator and scheme == "file":
        return Path(rest)
    if separator and "/" not in scheme:
        raise StoreKeyError(
            f"address {without_queries(address)!r} is not understood: use a path, file://PATH, "
            "az://ACCOUNT/CONTAINER/PATH, or the https address of a blob."
        )
    path = Path(address)
    if address.startswith("~"):  # in "./~" it is a name, which Path does not tell from "~"
        with suppress(RuntimeError):  # "~name", and no user has that name
            return path.expanduser()
    return path


def container_and_key(address: str) -> tuple[str, str]:
    """Take the address of a blob apart: that of its container, with any token, and its name there.

    A name may hold what an address may not, so only the container is parsed as one.
    """
    base, mark, query = address.partition("?")
    scheme, _, rest = base.partition("://")
    host, _, path = rest.partition("/")
    container, _, key = path.partition("/")
    if scheme.lower() != "az":
        key = unquote(key)
    return f"{scheme}://{host}/{container}{mark}{query}", key


def _blob(address: str, settings: Settings) -> RemoteFile:
    container, key = container_and_key(address)
    if not key or key.endswith("/"):
        raise StoreKeyError(
            f"address {without_queries(address)!r} names no file: it is "
            "az://ACCOUNT/CONTAINER/PATH, or the https address of one blob."
        )
    store = open_blob_store(container, settings)
    return RemoteFile(store, key, f"{store.url}/{key}")


def open_blob_store(address: str, settings: Settings | None) -> AzureStore:
    """Open a container, or say which package is missing for it."""
    try:
        from framewright.storage.azure import AzureStore
    except ModuleNotFoundError as error:
        raise InputError(
            f"the package of {error.name!r} is needed for {without_queries(address)!r}: "
            "pip install 'framewright[azure]'"
        ) from error
    return AzureStore(address, settings)
