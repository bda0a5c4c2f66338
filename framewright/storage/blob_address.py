"""Addresses of blob storage, what signs in there, and how secrets are kept out of both."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

from framewright.errors import InputError, StoreKeyError
from framewright.settings import Settings
from framewright.storage.base import check_key

__all__ = [
    "BlobLocation",
    "SignIn",
    "is_blob_address",
    "parse_blob_address",
    "without_queries",
    "without_secrets",
]

PUBLIC_SUFFIX = ".blob.core.windows.net"
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_CONTAINER = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
_HOST = re.compile(r"(?P<account>[a-z0-9]{3,24})\.blob\.[a-z0-9.-]+")
_CONNECTION = re.compile(
    r"(^|;)\s*(AccountKey|SharedAccessSignature|BlobEndpoint)\s*=", re.IGNORECASE
)
_QUERY = re.compile(r"\?[^\s'\"<>)]*")
_SECRET = re.compile(r"\b((?:sig|AccountKey|SharedAccessSignature)=)[^&;\s'\"]+", re.IGNORECASE)
_HELP = (
    "use the path of a folder, file://PATH, az://ACCOUNT/CONTAINER/PREFIX, or "
    f"https://ACCOUNT{PUBLIC_SUFFIX}/CONTAINER/PREFIX"
)


@dataclass(frozen=True, slots=True)
class SignIn:
    """With what the storage is asked. Its repr shows the kind only."""

    kind: Literal["entra", "sas", "account key"]
    source: str
    """Where it comes from, in words for messages."""
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class BlobLocation:
    """A prefix within a container of an account, and how it is reached."""

    account: str
    container: str
    prefix: str
    """Empty, or names joined and ended by ``/``."""
    endpoint: str
    """Base address of the account's blob service, without a query."""
    url: str
    """The address that names it on every machine; free of secrets."""
    sign_in: SignIn


def is_blob_address(address: str) -> bool:
    """Whether an address is one of blob storage, right or wrong."""
    return address.lower().startswith(("az://", "https://", "http://"))


def without_queries(text: str) -> str:
    """Return a text with the query of every address in it cut off: signatures stand there."""
    return _QUERY.sub("", text)


def without_secrets(text: str) -> str:
    """Return a text without the queries of its addresses, and without signatures and keys."""
    return _SECRET.sub(r"\1...", without_queries(text))


def parse_blob_address(address: str, settings: Settings) -> BlobLocation:
    """Understand an address of blob storage.

    A SAS token in the address is taken out of it and signs in; otherwise the settings say what
    does.

    Raises:
        StoreKeyError: the address is not one of blob storage; the message shows no query.
        InputError: the connection string is not understood, or for another account.
    """
    shown = without_queries(address)
    parts = urlsplit(address)
    if parts.username or parts.password or parts.fragment or parts.scheme not in ("az", "https"):
        raise StoreKeyError(f"storage address {_hidden(parts.netloc, shown)!r}: {_HELP}.")
    if parts.scheme == "az":
        account = parts.netloc
        path = parts.path  # as it is: no percent encoding, as in a key
        if parts.query:
            raise StoreKeyError(
                f"storage address {shown!r} has a query. A SAS token belongs into "
                "FRAMEWRIGHT_AZURE_SAS, or behind an https address."
            )
        suffix = ""
    else:
        match = _HOST.fullmatch(parts.netloc.lower())
        if match is None:
            raise StoreKeyError(
                f"storage address {shown!r}: the host is not ACCOUNT{PUBLIC_SUFFIX}, or that of "
                "another cloud; for any other, use az:// and FRAMEWRIGHT_AZURE_ENDPOINT."
            )
        account, path = match["account"], unquote(parts.path)
        suffix = parts.netloc.lower()[len(account) :]
    container, _, rest = path.strip("/").partition("/")
    if not _ACCOUNT.fullmatch(account) or not _CONTAINER.fullmatch(container):
        raise StoreKeyError(
            f"storage address {shown!r}: {account!r} must be an account (3 to 24 of a-z, 0-9) and "
            f"{container!r} a container (3 to 63 of a-z, 0-9, single dashes); {_HELP}."
        )
    prefix = f"{check_key(rest.strip('/'))}/" if rest.strip("/") else ""
    sign_in, known = _sign_in(parts.query, settings, account, container)
    public = suffix in ("", PUBLIC_SUFFIX)  # one name for both, wherever the endpoint is
    endpoint = _endpoint(account, settings, known) if public else f"https://{account}{suffix}"
    where = f"{container}/{prefix}".rstrip("/")
    url = f"az://{account}/{where}" if public else f"{endpoint}/{quote(where)}"
    return BlobLocation(account, container, prefix, endpoint, url, sign_in)


def _hidden(netloc: str, shown: str) -> str:
    """Take a user and a password out of an address that is shown."""
    return shown.replace(netloc, netloc.rpartition("@")[2]) if "@" in netloc else shown


def _connection(text: str, source: str) -> dict[str, str]:
    """The fields of a connection string, by their names in lower case."""
    pairs = [part.split("=", 1) for part in text.strip().rstrip(";").split(";")]
    fields = {pair[0].strip().lower(): pair[-1].strip() for pair in pairs}
    signed = "sharedaccesssignature" in fields or {"accountname", "accountkey"} <= fields.keys()
    if any(len(pair) != 2 for pair in pairs) or not signed:
        raise InputError(
            f"{source} is not understood: it is NAME=VALUE;NAME=VALUE, with "
            "SharedAccessSignature, or with AccountName and AccountKey. Copy it again."
        )
    return fields


def _sign_in(
    query: str, settings: Settings, account: str, container: str
) -> tuple[SignIn, dict[str, str]]:
    """Return what signs in, the most particular first, and its connection string's fields."""
    if query:
        return SignIn("sas", "the SAS token of the address", query), {}
    text, source = _login(settings, account, container)
    if not text and (sas := settings.azure_sas.get_secret_value().strip()):
        text, source = sas, "FRAMEWRIGHT_AZURE_SAS"
    if text and not _CONNECTION.search(text):
        return SignIn("sas", f"the SAS token of {source}", text.lstrip("?")), {}
    if not text:
        source = "FRAMEWRIGHT_AZURE_CONNECTION_STRING"
        text = settings.azure_connection_string.get_secret_value().strip()
    if not text:
        return SignIn("entra", "the identity that DefaultAzureCredential found"), {}
    known = _connection(text, source)
    if (named := known.get("accountname", account)) != account:
        raise InputError(
            f"{source} is for the account {named!r}, the storage address names {account!r}: set "
            "the one that fits, or one for each account in FRAMEWRIGHT_AZURE_LOGINS."
        )
    if sas := known.get("sharedaccesssignature", "").lstrip("?"):
        return SignIn("sas", f"the SAS token of {source}", sas), known
    return SignIn("account key", f"the account key of {source}", known["accountkey"]), known


def _login(settings: Settings, account: str, container: str) -> tuple[str, str]:
    """What FRAMEWRIGHT_AZURE_LOGINS has for a container, else for its account; empty if nothing."""
    text = settings.azure_logins.get_secret_value().strip()
    if not text:
        return "", ""
    try:
        logins = json.loads(text)
    except ValueError:
        logins = None
    if not isinstance(logins, dict) or not all(isinstance(v, str) for v in logins.values()):
        raise InputError(
            "FRAMEWRIGHT_AZURE_LOGINS is not understood: it is a JSON object, such as "
            '{"ACCOUNT/CONTAINER": "SAS TOKEN", "ACCOUNT": "CONNECTION STRING"}.'
        )
    for place in (f"{account}/{container}", account):
        if found := logins.get(place, "").strip():
            return found, f"FRAMEWRIGHT_AZURE_LOGINS for {place!r}"
    return "", ""


def _endpoint(account: str, settings: Settings, known: dict[str, str]) -> str:
    """Base address for ``az://``: from the setting, the connection string, or the public one."""
    endpoint = settings.azure_endpoint.replace("{account}", account)
    if not endpoint and known:
        endpoint = known.get("blobendpoint", "")
        if not endpoint and (suffix := known.get("endpointsuffix")):
            endpoint = f"{known.get('defaultendpointsprotocol', 'https')}://{account}.blob.{suffix}"
    endpoint = (endpoint or f"https://{account}{PUBLIC_SUFFIX}").rstrip("/")
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or "@" in endpoint:
        raise InputError(
            f"the blob endpoint {without_queries(endpoint)!r} is not understood: it is "
            "http(s)://HOST, or http(s)://HOST:PORT/ACCOUNT for an emulator, and nothing else."
        )
    return endpoint
