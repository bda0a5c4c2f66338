"""What signs in to blob storage, in words for people: never the signature or the key."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

__all__ = ["Token", "entra_identity", "read_token"]

_OF = {
    "b": "one blob",
    "bs": "a snapshot of a blob",
    "bv": "a version of a blob",
    "c": "a container",
    "d": "a directory",
}
_SCOPE = "https://storage.azure.com/.default"


@dataclass(frozen=True, slots=True)
class Token:
    """What a SAS token says of itself."""

    kind: str
    """In words, such as "user-delegation SAS of a container"."""
    rights: str
    """Letters such as ``rcw``; empty where a policy of the container has them."""
    policy: str
    """Name of that policy; empty where there is none."""
    starts: datetime | None
    expires: datetime | None
    """None where it is in the policy, or not understood."""


def read_token(secret: str) -> Token:
    """Read what is not secret in a SAS token; ``secret`` is its query, without a "?"."""
    fields = dict(parse_qsl(secret))
    if "srt" in fields:
        kind = "account SAS"
    else:
        kind = "user-delegation SAS" if "skoid" in fields else "service SAS"
        kind += f" of {_OF.get(fields.get('sr', ''), 'a place that is not named in it')}"
    # It ends with the key that signs it, too, which a user-delegation SAS names.
    ends = [end for name in ("se", "ske") if (end := _moment(fields.get(name, "")))]
    return Token(
        kind=kind,
        rights=fields.get("sp", ""),
        policy=fields.get("si", ""),
        starts=_moment(fields.get("st", "")),
        expires=min(ends) if ends else None,
    )


def _moment(text: str) -> datetime | None:
    with suppress(ValueError):
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None


def entra_identity() -> str:
    """Say who signs in where DefaultAzureCredential does: the one that needs the roles."""
    from azure.core.exceptions import AzureError
    from azure.identity import DefaultAzureCredential

    claims: dict[str, object] = {}
    with suppress(AzureError), DefaultAzureCredential() as credential:
        claims = _claims(credential.get_token(_SCOPE).token)
    managed = str(claims.get("xms_mirid", "")).rpartition("/")[2]
    person = next((claims[name] for name in ("upn", "unique_name") if name in claims), "")
    application = claims.get("appid") or claims.get("azp") or ""
    who = next(
        (
            words
            for words, known in (
                (f"the managed identity {managed!r}", managed),
                (f"the user {person!r}", person),
                (f"the application {application}", application),
            )
            if known
        ),
        "the identity that DefaultAzureCredential found",
    )
    return f"{who}, object ID {claims['oid']}" if "oid" in claims else who


def _claims(token: str) -> dict[str, object]:
    """What a token says of whom it was given to; its signature is for the storage to check."""
    with suppress(ValueError, IndexError):
        part = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        if isinstance(claims, dict):
            return claims
    return {}
