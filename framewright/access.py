"""What is at an address, and what may be done there: tried out, and said in words."""

from __future__ import annotations

import os
import pwd
import secrets
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from framewright.doctor import Finding
from framewright.errors import InputError, StoreDenied, StoreUnavailable
from framewright.settings import Settings, get_settings
from framewright.storage import is_blob_address, place_of, without_secrets
from framewright.storage.blob_address import BlobLocation, SignIn, parse_blob_address
from framewright.storage.place import container_and_key, open_blob_store

if TYPE_CHECKING:
    from framewright.storage.azure import AzureStore
    from framewright.storage.base import Found

__all__ = ["examine_address", "shown_address"]

_PATIENCE_SECONDS = 10.0
"""Somebody waits for the answer: no request is tried for longer."""
_SOON = timedelta(days=1)
_TOKENS = "docs/operations.md, under 'Tokens', has the command."
_NO_LOGIN = (
    "`az login`, a managed identity of this machine, or a SAS token in FRAMEWRIGHT_AZURE_LOGINS or "
    "FRAMEWRIGHT_AZURE_SAS."
)
_TRY = "`--write` tries it: with a small file or blob, which is deleted again."

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Tried(Generic[Result]):
    """What came of an attempt, or why it is not allowed."""

    result: Result | None
    denied: StoreDenied | None = None


def shown_address(address: str) -> str:
    """Return an address as it may be shown: without tokens, and without a password.

    A "?" in a path is one of the file's name.
    """
    is_path = "://" not in address or address.startswith("file://")
    if is_path and "sig=" not in address.lower():
        return address
    scheme, separator, rest = without_secrets(address).partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def examine_address(address: str, *, write: bool = False) -> list[Finding]:
    """Look at an address: whether it can be reached, what it is, and what may be done there.

    Args:
        address: a path, ``file://`` and a path, ``az://ACCOUNT/CONTAINER[/PATH]``, or the https
            address of a container or blob, with or without a SAS token.
        write: try whether it can be written to, too; what was written is deleted.

    Returns:
        Findings in the order ``reach``, ``kind``, ``sign-in``, ``list``, ``read``, ``write``; they
        end where no further one makes sense. What is only not allowed is a note where a job can do
        without.
    """
    findings: list[Finding] = []
    settings = get_settings()
    patience = min(_PATIENCE_SECONDS, settings.azure_retry_seconds)
    settings = settings.model_copy(update={"azure_retry_seconds": patience})
    look = _look_at_blobs if is_blob_address(address) else _look_at_files
    try:
        findings.extend(look(address, settings, write))
    except StoreUnavailable as error:
        advice = (
            "Check the account's name, the network, DNS, and whether the account's firewall lets "
            "this machine in (az storage account network-rule list)."
        )
        findings.append(Finding("reach", "problem", str(error), advice))
    except StoreDenied as error:
        findings.append(Finding("sign-in", "problem", str(error), _NO_LOGIN))
    except (InputError, OSError) as error:
        advice = "Correct the address, or make what it names; then ask again."
        findings.append(Finding("reach", "problem", without_secrets(str(error)), advice))
    return findings


def _look_at_blobs(address: str, settings: Settings, write: bool) -> Iterator[Finding]:
    base, key = container_and_key(address)
    at, store = parse_blob_address(base, settings), open_blob_store(base, settings)
    folder = key if not key or key.endswith("/") else f"{key}/"
    name = key if key and not key.endswith("/") else folder + _new_name()
    below = _tried(lambda: store.any_below(folder))
    found = _tried(lambda: store.look(name))
    yield Finding("reach", "ok", f"{at.endpoint} answers")
    yield _kind(at, key, below, found)
    login = _sign_in(at.sign_in)
    yield login
    if login.verdict == "problem":
        return
    yield _may_list(below)
    wrote = _wrote(store, key.rpartition("/")[0]) if write else None
    yield _may_read(store, name, found, wrote)
    yield wrote or _not_tried(at.sign_in)


def _tried(attempt: Callable[[], Result]) -> _Tried[Result]:
    try:
        return _Tried(attempt())
    except StoreDenied as error:
        if not error.right:  # nothing signs in: so it is for everything
            raise
        return _Tried(None, error)


def _new_name() -> str:
    return f"framewright-doctor-{secrets.token_hex(8)}"


def _kind(at: BlobLocation, key: str, below: _Tried[bool], found: _Tried[Found | None]) -> Finding:
    if not key:
        unsure = below.denied and found.denied
        words = f"container {at.container!r} of the account {at.account!r}"
        return Finding("kind", "ok", words + (", if it is there" if unsure else ""))
    if (blob := found.result) is not None and blob.metadata.get("hdi_isfolder") != "true":
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(blob.info.modified_seconds))
        return Finding("kind", "ok", f"blob, {blob.info.size_bytes} bytes, written {when} UTC")
    if below.result or blob is not None:
        advice = "" if key.endswith("/") else "For results, write it with '/' at its end."
        return Finding("kind", "note" if advice else "ok", "folder", advice)
    if below.denied if key.endswith("/") else found.denied:
        missing = "listed" if key.endswith("/") else "read"
        return Finding("kind", "note", f"not to be told: it may not be {missing}", "See below.")
    return Finding(
        "kind",
        "note",
        "no blob is there" if below.denied else "nothing is there yet",
        "Right for a result that is to come; else check the spelling: upper and lower case differ.",
    )


def _sign_in(sign_in: SignIn) -> Finding:
    if sign_in.kind == "account key":
        advice = "It may do anything with the account: for development only. Better is " + _NO_LOGIN
        return Finding("sign-in", "note", sign_in.source, advice)
    from framewright.storage.sign_in import entra_identity, read_token

    if sign_in.kind == "entra":
        return Finding("sign-in", "ok", f"Microsoft Entra: {entra_identity()}")
    token = read_token(sign_in.secret)
    words = f"{sign_in.source}: {token.kind}"
    words += f", permissions {token.rights}" if token.rights else ""
    words += f", policy {token.policy!r}" if token.policy else ""
    now = datetime.now(UTC)
    if token.starts and token.starts > now:
        advice = "Wait, or make another; check this machine's clock."
        return Finding("sign-in", "problem", f"{words}, not before {_time(token.starts)}", advice)
    if token.expires is None:
        advice = "" if token.policy else "Make a new one with a date: " + _TOKENS
        return Finding("sign-in", "note" if advice else "ok", f"{words}, no date in it", advice)
    left = token.expires - now
    if left < timedelta():
        words += f", expired {_time(token.expires)}"
        return Finding("sign-in", "problem", words, "Make a new one: " + _TOKENS)
    words += f", until {_time(token.expires)}, in {_duration(left)}"
    if left < _SOON:
        return Finding("sign-in", "note", words, "Make a new one before: " + _TOKENS)
    return Finding("sign-in", "ok", words)


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _duration(left: timedelta) -> str:
    hours = left.seconds // 3600
    return (
        f"{left.days} days {hours} h" if left.days else f"{hours} h {left.seconds // 60 % 60} min"
    )


def _may_list(below: _Tried[bool]) -> Finding:
    if below.denied:
        advice = (
            "Only a relay that lists, `sweep`, `score-folder` and the doctor of a work store need "
            "it: a SAS token with l, or the role 'Storage Blob Data Reader'. No job does."
        )
        return Finding("list", "note", str(below.denied), advice)
    return Finding("list", "ok", "yes" if below.result else "yes; nothing is there")


def _may_read(
    store: AzureStore, name: str, found: _Tried[Found | None], wrote: Finding | None
) -> Finding:
    denied = found.denied
    if denied is None and found.result is not None and found.result.info.size_bytes:
        try:
            store.first_byte(name)
            return Finding("read", "ok", "yes, its first byte came")
        except StoreDenied as error:
            denied = error
        except (InputError, KeyError) as error:
            return Finding("read", "problem", str(error), "The message says what to do.")
    if denied is None:
        return Finding("read", "ok", "yes; no blob was there to read")
    advice = (
        "A SAS token with r, or the role 'Storage Blob Data Reader' on the container; a new role "
        f"takes minutes. {_TOKENS}"
    )
    writable = wrote is not None and wrote.verdict != "problem"
    return Finding("read", "note" if writable else "problem", str(denied), advice)


def _wrote(store: AzureStore, folder: str) -> Finding:
    """Write a small blob into a folder, and delete it."""
    key = f"{folder}/{_new_name()}" if folder else _new_name()
    try:
        store.put(key, secrets.token_bytes(32))
    except StoreDenied as error:
        advice = (
            "A SAS token with c and w, or the role 'Storage Blob Data Contributor' on the "
            f"container; a new role takes minutes. {_TOKENS}"
        )
        return Finding("write", "problem", str(error), advice)
    try:
        store.delete(key)
    except StoreDenied:
        advice = f"Delete {store.url}/{key} with another login. No job deletes results."
        return Finding("write", "note", "yes, but what was written may not be deleted", advice)
    return Finding("write", "ok", "yes; what was written is deleted")


def _not_tried(sign_in: SignIn) -> Finding:
    rights = ""
    if sign_in.kind == "sas":
        from framewright.storage.sign_in import read_token

        rights = read_token(sign_in.secret).rights
    if not rights:
        return Finding("write", "note", "not tried", _TRY)
    says = "allows it" if {"c", "w"} <= set(rights) else "has not both c and w"
    return Finding("write", "note", f"not tried; the token {says}", _TRY)


def _look_at_files(address: str, settings: Settings, write: bool) -> Iterator[Finding]:
    path = place_of(address, settings)
    assert isinstance(path, Path)  # noqa: S101 - its address is none of a blob
    path = path.absolute()
    there = next(place for place in (path, *path.parents) if place.exists())
    yield Finding("reach", "ok", "on this machine")
    yield _file_kind(path, there)
    yield Finding("sign-in", "ok", f"as the user {_user()!r} of this machine")
    if path.is_dir():
        yield _allowed("list", path, lambda: _list(path))
    elif path.is_file():
        yield _allowed("read", path, lambda: path.open("rb").close())
    folder = there if there.is_dir() else there.parent
    if write:
        yield _allowed("write", folder, lambda: _write_into(folder))
        return
    words = "allow it" if os.access(folder, os.W_OK | os.X_OK) else "do not allow it"
    yield Finding("write", "note", f"not tried; permissions of {str(folder)!r} {words}", _TRY)


def _file_kind(path: Path, there: Path) -> Finding:
    if path != there:
        advice = "Right for a result that is to come; else check the spelling."
        words = f"nothing is there yet; {str(there)!r} is"
        return Finding("kind", "note", words, advice)
    if path.is_dir():
        return Finding("kind", "ok", "folder")
    if path.is_file():
        return Finding("kind", "ok", f"file, {path.stat().st_size} bytes")
    words = f"neither file nor folder, but {stat.filemode(path.stat().st_mode)}"
    return Finding("kind", "problem", words, "Name a file or a folder.")


def _user() -> str:
    with suppress(KeyError):
        return pwd.getpwuid(os.geteuid()).pw_name
    return str(os.geteuid())


def _allowed(what: str, path: Path, attempt: Callable[[], object]) -> Finding:
    try:
        attempt()
    except OSError as error:
        advice = f"Change its permissions (ls -ld {str(path)!r}), or name another."
        return Finding(what, "problem", f"no: {error.strerror}", advice)
    words = f"yes, in {str(path)!r}; what was written is deleted" if what == "write" else "yes"
    return Finding(what, "ok", words)


def _list(folder: Path) -> None:
    with os.scandir(folder) as entries:
        next(entries, None)


def _write_into(folder: Path) -> None:
    with tempfile.NamedTemporaryFile(dir=folder, prefix=_new_name()) as file:
        file.write(secrets.token_bytes(32))
