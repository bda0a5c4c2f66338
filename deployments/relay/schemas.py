"""What Azure tells of blobs, in Event Grid's own schema and as CloudEvents 1.0."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployments.relay.arrival import Arrival, Poison
from flows.versions import bare_etag
from framewright.errors import StoreKeyError
from framewright.storage import check_key, without_queries

__all__ = ["VALIDATION", "Event", "events_in", "read_arrivals"]

VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
MAX_BODY_BYTES = 1 << 20
"""Event Grid's own limit on one delivery."""
MAX_EVENTS = 5000
"""Event Grid's own limit on events in one delivery."""
_CREATED = "Microsoft.Storage.BlobCreated"
_RENAMED = "Microsoft.Storage.BlobRenamed"
_STORAGE = "Microsoft.Storage."
_HOST = re.compile(r"([a-z0-9]{3,24})\.(?:blob|dfs)\.([a-z0-9.-]+)")
_EMULATOR = re.compile(r"(?:127\.0\.0\.1|localhost|azurite)(?::\d+)?")
_PUBLIC = "core.windows.net"
_SUBJECT = re.compile(r"/blobServices/[^/]+/containers/([^/]+)/blobs/(.+)", re.DOTALL)
_CONTAINER = re.compile(r"(?=.{3,63}$)(\$?[a-z0-9]+(-[a-z0-9]+)*)")
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]+=*\s*")

Text = Annotated[str, Field(max_length=8192)]


class _Lenient(BaseModel):
    """Azure adds fields as time goes on; those that count are checked."""

    model_config = ConfigDict(extra="ignore")


class Event(_Lenient):
    """The envelope of either schema, by the names that they share."""

    kind: Annotated[str, Field(min_length=1, max_length=256)]
    subject: Text = ""
    data: dict[str, Any]


class _EventGrid(_Lenient):
    eventType: Annotated[str, Field(min_length=1, max_length=256)]
    subject: Text = ""
    data: dict[str, Any]


class _CloudEvent(_Lenient):
    specversion: Literal["1.0"]
    type: Annotated[str, Field(min_length=1, max_length=256)]
    subject: Text = ""
    data: dict[str, Any]


class _Created(_Lenient):
    url: Annotated[str, Field(min_length=1, max_length=8192)]
    eTag: Annotated[str, Field(min_length=1, max_length=256)]
    contentLength: Annotated[int, Field(ge=0, le=1 << 62)] | None = None
    sequencer: Annotated[str, Field(max_length=256)] = ""


class _Renamed(_Lenient):
    destinationUrl: Annotated[str, Field(min_length=1, max_length=8192)]
    sequencer: Annotated[str, Field(min_length=1, max_length=256)]


def read_arrivals(body: bytes) -> list[Arrival]:
    """Return what a message tells of blobs that are there now.

    Deletions and other changes of blobs tell of none. Nothing is decided here about which of them
    count.

    Args:
        body: one event or a list of them, as JSON, or as JSON in Base64.

    Raises:
        Poison: it is none of that.
    """
    found = (_arrival(event) for event in events_in(body))
    return [arrival for arrival in found if arrival is not None]


def events_in(body: bytes) -> list[Event]:
    """Return the events of a message.

    Raises:
        Poison: it is not one event, or a list of them, of a known schema.
    """
    document = _json(_text(body))
    items = document if isinstance(document, list) else [document]
    if not items:
        raise Poison("an empty list of events")
    if len(items) > MAX_EVENTS:
        raise Poison(f"{len(items)} events in one message; at most {MAX_EVENTS} are allowed")
    return [_event(item) for item in items]


def _text(body: bytes) -> str:
    if len(body) > MAX_BODY_BYTES:
        raise Poison(f"{len(body)} bytes; at most {MAX_BODY_BYTES} are allowed")
    if not body.strip():
        raise Poison("an empty message")
    if body.lstrip()[:1] not in (b"{", b"[", b"\xef") and _BASE64.fullmatch(body):
        try:
            body = base64.b64decode(b"".join(body.split()), validate=True)
        except (binascii.Error, ValueError):
            raise Poison("neither JSON nor Base64: its padding is wrong") from None
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Poison(f"not UTF-8 text: {error.reason} at byte {error.start}") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise Poison("JSON that is nested too deeply") from None
    except ValueError as error:  # also of integers with more digits than Python converts
        raise Poison(f"not JSON: {error}") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a value of JSON")


def _event(item: object) -> Event:
    if not isinstance(item, dict):
        raise Poison(f"an event is a JSON object, not {type(item).__name__}")
    try:
        if "specversion" in item:
            cloud = _CloudEvent.model_validate(item)
            return Event(kind=cloud.type, subject=cloud.subject, data=cloud.data)
        if "eventType" in item:
            grid = _EventGrid.model_validate(item)
            return Event(kind=grid.eventType, subject=grid.subject, data=grid.data)
    except ValidationError as error:
        raise Poison("an event with wrong fields: " + _words(error)) from None
    raise Poison("neither an Event Grid event (no eventType) nor a CloudEvent (no specversion)")


def _arrival(event: Event) -> Arrival | None:
    if event.kind == VALIDATION:
        return None  # only an HTTP end point is asked to prove anything
    if not event.kind.startswith(_STORAGE):
        raise Poison(f"an event of the type {event.kind[:80]!r}: not one of Azure storage")
    try:
        if event.kind == _CREATED:
            created = _Created.model_validate(event.data)
            video = _address(created.url, event.subject)
            etag = bare_etag(created.eTag)
            return Arrival(video, etag, created.contentLength, sequencer=created.sequencer)
        if event.kind == _RENAMED:
            renamed = _Renamed.model_validate(event.data)
            video = _address(renamed.destinationUrl, "")
            return Arrival(video, "", sequencer=renamed.sequencer)
    except ValidationError as error:
        raise Poison(f"data of {event.kind} with wrong fields: {_words(error)}") from None
    return None


def _address(url: str, subject: str) -> str:
    """Return the address by which framewright knows a blob.

    The subject has the name as it is, the URL with percent signs.
    """
    shown = without_queries(url)[:200]
    try:
        parts = urlsplit(url)
        host = parts.netloc.lower()
    except ValueError:
        raise Poison(f"not a URL: {shown!r}") from None
    if parts.scheme not in ("http", "https"):
        raise Poison(f"not the URL of a blob: {shown!r}")
    path = parts.path.lstrip("/")
    if _EMULATOR.fullmatch(host):
        account, _, path = path.partition("/")
        suffix = _PUBLIC
    else:
        known = _HOST.fullmatch(host)
        if known is None:
            raise Poison(f"not the URL of a blob: {shown!r}")
        account, suffix = known[1], known[2]
    container, _, name = unquote(path).partition("/")
    named = _SUBJECT.fullmatch(subject)
    if named is not None:
        if named[1] != container:
            raise Poison(f"subject and URL name different containers: {shown!r}")
        name = named[2]
    try:
        where = f"{container}/{check_key(name)}"
    except StoreKeyError as error:
        raise Poison(f"a blob that cannot be a source: {error}") from None
    if not _CONTAINER.fullmatch(container):
        raise Poison(f"no container can be called {container[:80]!r}")
    if suffix == _PUBLIC:
        return f"az://{account}/{where}"
    return f"https://{account}.blob.{suffix}/{quote(where)}"


def _words(error: ValidationError) -> str:
    """Say what is wrong with which field, without the values: they may hold signatures."""

    def parts() -> Iterator[str]:
        for one in error.errors(include_input=False, include_url=False):
            yield f"{'.'.join(map(str, one['loc']))}: {one['msg']}"

    return without_queries("; ".join(parts()))[:500]
