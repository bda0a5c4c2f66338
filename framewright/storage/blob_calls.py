"""Calls of blob storage: bounded retries, and each failure as an error that says what to do.

No error carries the original one along: its text, and the frames of its traceback, show addresses
with their signatures.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeVar
from urllib.parse import parse_qsl

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from framewright.errors import InputError, StoreDenied, StoreUnavailable
from framewright.storage.blob_address import BlobLocation, without_queries

__all__ = ["AlreadyThere", "BlobCaller", "BlocksGone", "Changed", "NotThere", "OutOfRange", "Right"]

logger = logging.getLogger(__name__)

Right = Literal["read", "write", "list", "delete"]
Result = TypeVar("Result")

_NEEDS: dict[Right, tuple[str, str, str]] = {
    "read": ("r", "'read' (r)", "Storage Blob Data Reader"),
    "write": ("w", "'create' and 'write' (c, w)", "Storage Blob Data Contributor"),
    "list": ("l", "'list' (l)", "Storage Blob Data Reader"),
    "delete": ("d", "'delete' (d)", "Storage Blob Data Contributor"),
}
"""For each right: its letter and name in a SAS token, and the least built-in role that has it."""
_NOT_SIGNED_IN = (
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "NoAuthenticationInformation",
)
_OFFLINE = ("BlobArchived", "BlobBeingRehydrated")
_CORRUPTED = ("Md5Mismatch", "Crc64Mismatch")
_FIRST_PAUSE_SECONDS = 0.4
_LONGEST_PAUSE_SECONDS = 8.0


class _Answer(Exception):
    """What the storage answered; the store turns it into what its contract says."""


class NotThere(_Answer):
    """There is no such blob."""


class AlreadyThere(_Answer):
    """There is a blob already, and it was not to be replaced."""


class Changed(_Answer):
    """The blob is not the one that it was."""


class BlocksGone(_Answer):
    """Blocks that were staged are not there any more: another writer's commit removed them."""


class OutOfRange(_Answer):
    """The blob has no byte at that place."""


@dataclass(frozen=True, slots=True)
class BlobCaller:
    """Makes calls and tries them again, until one has taken longer than the limit."""

    location: BlobLocation
    patience_seconds: float
    """How long one call is tried, in seconds; the last try may end one time-out later."""

    def __call__(self, function: Callable[[], Result], right: Right, doing: str) -> Result:
        """Return what ``function`` returns.

        Args:
            function: one request; may be called several times.
            right: what has to be allowed for it.
            doing: the words behind "cannot", such as ``read 'a/b'``.

        Raises:
            StoreDenied: the storage does not allow it; not tried again.
            InputError: the container or the request is not possible; not tried again.
            StoreUnavailable: it did not answer, or not usefully, in all that time.
            _Answer: it answered, and what it said is for the store to judge.
        """
        started, tries, pause = time.monotonic(), 0, _FIRST_PAUSE_SECONDS
        while True:
            tries += 1
            try:
                return function()
            except AzureError as error:
                final, words = self._judge(error, right, doing), _words(error)
            if final is not None:
                raise final
            passed = time.monotonic() - started
            wait = pause * random.uniform(0.5, 1)  # noqa: S311 - only spreads the tries
            if passed + wait >= self.patience_seconds:
                raise self.gave_up(doing, words, tries, passed)
            logger.info("cannot %s yet (%s); trying again in %.1f s", doing, words, wait)
            time.sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def gave_up(self, doing: str, words: str, tries: int, seconds: float) -> StoreUnavailable:
        """The error for storage that does not answer."""
        return StoreUnavailable(
            f"cannot {doing} in {self.location.url} at {self.location.endpoint}: {words}; tried "
            f"{tries} times in {seconds:.0f} s. Check the network and that the storage account is "
            "up, then run the same again: what is stored is kept. "
            "FRAMEWRIGHT_AZURE_RETRY_SECONDS sets how long it is tried."
        )

    def _judge(self, error: AzureError, right: Right, doing: str) -> Exception | None:
        """Return what to raise at once, or None where another try may help."""
        if isinstance(error, ClientAuthenticationError) and not _status(error):
            return self._no_login(error, doing)
        status, code = _status(error), _code(error)
        if code in ("ContainerNotFound", "ContainerBeingDeleted"):
            return InputError(
                f"cannot {doing} in {self.location.url}: there is no container "
                f"{self.location.container!r}. Make it (az storage container create), or correct "
                "the address."
            )
        answers = {404: NotThere, 409: AlreadyThere, 412: Changed, 416: OutOfRange}
        if code in _OFFLINE:
            return InputError(
                f"cannot {doing} in {self.location.url}: the blob is in the archive tier, where "
                "nothing can be read. Move it (az storage blob set-tier --tier Hot), wait some "
                "hours until it is back, and run again."
            )
        if code == "InvalidBlockList":
            return BlocksGone()
        if code in ("BlobAlreadyExists", "ConditionNotMet"):
            return AlreadyThere() if right == "write" else Changed()
        if status in (401, 403):
            return self._denied(right, doing, status, code)
        if status in answers:
            return answers[status]()
        if status is None or status in (408, 429) or status >= 500 or code in _CORRUPTED:
            return None
        if status < 400:  # the answer began well and then broke off
            return None
        return InputError(
            f"cannot {doing} in {self.location.url}: the storage refuses the request ({status} "
            f"{code}). Check the address, and the account's settings."
        )

    def _denied(self, right: Right, doing: str, status: int, code: str) -> StoreDenied:
        sign_in = self.location.sign_in
        letters, permission, role = _NEEDS[right]
        begin = f"cannot {doing} in {self.location.url}: {status} {code}."
        sas = dict(parse_qsl(sign_in.secret)) if sign_in.kind == "sas" else {}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if "se" in sas and sas["se"] < now:
            words = f"It expired at {sas['se']}: {sign_in.source}. Make a new one."
            return StoreDenied(f"{begin} {words}", right)
        lacks = "sp" in sas and not set(letters) <= set(sas["sp"])
        if not lacks and (sas or status == 401 or code in _NOT_SIGNED_IN):
            return StoreDenied(
                f"{begin} The storage account does not accept {sign_in.source}: it may be another "
                "container's or account's, not be valid yet, or not be whole; or the account's "
                f"network rules keep this machine out. Needed is the right to {right}.",
                right,
            )
        needed = f"permission {permission}" if sas else f"role {role!r}"
        return StoreDenied(
            f"{begin} The right to {right} is missing: {sign_in.source} needs the {needed} on the "
            f"container {self.location.container!r}.",
            right,
        )

    def _no_login(self, error: AzureError, doing: str) -> StoreDenied:
        first = without_queries(str(error)).splitlines()[0][:200]
        return StoreDenied(
            f"cannot {doing} in {self.location.url}: nothing signs in to Azure ({first}). Give the "
            "machine a managed identity, run `az login`, or set FRAMEWRIGHT_AZURE_SAS.",
            "",
        )


def _status(error: AzureError) -> int | None:
    return error.status_code if isinstance(error, HttpResponseError) else None


def _code(error: AzureError) -> str:
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def _words(error: AzureError) -> str:
    """What went wrong, short and without any query."""
    if status := _status(error):
        return f"it answers {status} {_code(error)}".rstrip()
    text = without_queries(str(error.message if hasattr(error, "message") else error))
    return f"{type(error).__name__}: {' '.join(text.split())[:200]}"
