"""What signs in to Azure storage where a flow or a task runs: settings, and Prefect's blocks."""

from __future__ import annotations

import json
from typing import Any, cast
from urllib.parse import urlsplit

from pydantic import SecretStr

from framewright.errors import InputError
from framewright.settings import Settings, get_settings
from framewright.storage import Store, open_store

__all__ = ["open_here", "settings_here"]


def settings_here() -> Settings:
    """Return this process's settings, with what the blocks named in ``azure_blocks`` sign in with.

    Blocks are loaded each time: a new token in a block counts from the next task on. What
    FRAMEWRIGHT_AZURE_LOGINS says counts before a block.

    Raises:
        InputError: a block is not there, or cannot sign in.
    """
    settings = get_settings()
    names = [name.strip() for name in settings.azure_blocks.split(",") if name.strip()]
    if not names:
        return settings
    logins = dict(login for name in names if (login := _login(name)) is not None)
    own = settings.azure_logins.get_secret_value()
    try:
        logins |= json.loads(own or "{}")
    except ValueError:
        return settings  # whoever signs in says what is wrong with it
    return settings.model_copy(update={"azure_logins": SecretStr(json.dumps(logins))})


def open_here(address: str) -> Store:
    """Open a store with what signs in here."""
    return open_store(address, settings_here())


def _login(name: str) -> tuple[str, str] | None:
    """Account and connection string of a block; None where DefaultAzureCredential is to sign in."""
    from prefect_azure import AzureBlobStorageCredentials

    try:
        block = cast("Any", AzureBlobStorageCredentials.load(name))
    except ValueError as error:
        raise InputError(
            f"there is no Prefect block azure-blob-storage-credentials/{name}, which "
            "FRAMEWRIGHT_AZURE_BLOCKS names: make it in the UI under Blocks, or correct the name."
        ) from error
    if block.client_secret is not None:
        raise InputError(
            f"the Prefect block {name!r} has a client secret, which is not supported: set "
            "AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_CLIENT_SECRET where flows and workers run, "
            "or give the block a connection string."
        )
    if block.connection_string is None:
        return None
    text = block.connection_string.get_secret_value()
    return _account(text, name), text


def _account(connection_string: str, name: str) -> str:
    pairs = (part.partition("=") for part in connection_string.split(";"))
    fields = {key.strip().lower(): value.strip() for key, _, value in pairs}
    if account := fields.get("accountname"):
        return account
    parts = urlsplit(fields.get("blobendpoint", ""))
    host = parts.hostname or ""
    account = host.partition(".")[0] if ".blob." in host else parts.path.strip("/")
    if not account:
        raise InputError(
            f"the connection string of the Prefect block {name!r} names no account: it needs "
            "AccountName or BlobEndpoint."
        )
    return account
