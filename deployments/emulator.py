"""Azure Blob storage of a local stack: Azurite, its two accounts, and who may do what there.

Users write to the account ``media``; what framewright needs for itself lies in ``ops``. Every
service gets tokens for the containers it needs, with the rights it needs.
"""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient, generate_container_sas

from deployments.deploying import PROJECT
from deployments.local_stack import Stack, StackError, add, wait_for
from deployments.private import read_private, write_private, write_secret
from deployments.processes import free_ports

__all__ = ["CONNECTION_STRING_FILE", "INCOMING", "OUTGOING", "WORK", "start"]

PROGRAM = PROJECT / ".azurite/node_modules/azurite/dist/src/blob/main.js"
CONTAINERS = {"media": ("incoming", "outgoing"), "ops": ("work",)}
INCOMING, OUTGOING, WORK = "az://media/incoming", "az://media/outgoing", "az://ops/work/framewright"
CONNECTION_STRING_FILE = "media-connection-string"
TOKEN_DAYS = 30
"""Tokens are made anew at every start."""
RIGHTS = {
    "prefect worker": {"media/incoming": "rl", "media/outgoing": "rcwl", "ops/work": "rcwl"},
    "dask workers": {"ops/work": "rcw"},
    "relay": {"media/incoming": "rl", "media/outgoing": "rl"},
}
"""Rights on containers, as the letters of SAS tokens: read, create, write, list."""


def start(stack: Stack) -> Stack:
    """Start Azurite as a part of a stack, and give the parts that follow what signs in there.

    Raises:
        StackError: Azurite is not installed, or does not come up.
    """
    program = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    if not PROGRAM.exists() or program is None:
        raise StackError("Azurite is not installed: make azurite")
    home = Path(stack.home)
    [port] = free_ports(1)
    endpoint = f"http://127.0.0.1:{port}"
    private = read_private(home)
    keys = _keys(private.get("azurite", {}))
    private["azurite"] = {"AZURITE_ACCOUNTS": ";".join(f"{a}:{key}" for a, key in keys.items())}
    common = {
        "FRAMEWRIGHT_AZURE_ENDPOINT": f"{endpoint}/{{account}}",
        "FRAMEWRIGHT_WORK_STORE": WORK,
        "FRAMEWRIGHT_OPS_ACCOUNT": "ops",
    }
    private["all"] = {**private.get("all", {}), **common}
    for service, rights in RIGHTS.items():
        logins = {place: _token(place, letters, keys) for place, letters in rights.items()}
        login = {"FRAMEWRIGHT_AZURE_LOGINS": json.dumps(logins)}
        private[service] = {**private.get(service, {}), **login}
    write_private(home, private)
    arguments = [str(PROGRAM), "--blobPort", str(port), "--location", str(home / "azurite")]
    arguments += ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    stack = add(stack, "azurite", arguments, program=program)
    wait_for(stack, "azurite", lambda: _listens(port))
    for account, names in CONTAINERS.items():
        connection = _connection_string(account, keys[account], endpoint)
        for name in names:
            with suppress(ResourceExistsError):
                BlobServiceClient.from_connection_string(connection).create_container(name)
    media = _connection_string("media", keys["media"], endpoint)
    write_secret(home / CONNECTION_STRING_FILE, media)
    return stack


def _keys(kept: dict[str, str]) -> dict[str, str]:
    """The accounts' keys: those of an earlier start, for what is stored is kept too."""
    if text := kept.get("AZURITE_ACCOUNTS"):
        return dict(pair.split(":", 1) for pair in text.split(";"))
    return {name: base64.b64encode(secrets.token_bytes(64)).decode() for name in CONTAINERS}


def _token(place: str, rights: str, keys: dict[str, str]) -> str:
    account, _, container = place.partition("/")
    now = datetime.now(UTC)
    return generate_container_sas(
        account,
        container,
        account_key=keys[account],
        permission=rights,
        start=now - timedelta(minutes=5),
        expiry=now + timedelta(days=TOKEN_DAYS),
    )


def _connection_string(account: str, key: str, endpoint: str) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName={account};AccountKey={key};"
        f"BlobEndpoint={endpoint}/{account};"
    )


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
