"""Events as Azure sends them, and twenty kinds of messages that are none."""

from __future__ import annotations

import base64
import json
from typing import Any

__all__ = ["BASE64", "POISON", "cloud_event", "grid_event", "message"]

ACCOUNT = "devstoreaccount1"


def created(
    name: str, etag: str, size_bytes: int | None, container: str, account: str
) -> dict[str, Any]:
    return {
        "api": "PutBlockList",
        "clientRequestId": "4c5dd7fb-2c48-4a27-bb30-5361b5de920a",
        "requestId": "9aeb0fdf-c01e-0131-0922-9eb549000000",
        "eTag": etag,
        "contentType": "video/mp4",
        "contentLength": size_bytes,
        "blobType": "BlockBlob",
        "url": f"https://{account}.blob.core.windows.net/{container}/{name.replace(' ', '%20')}",
        "sequencer": "00000000000004420000000000028963",
        "storageDiagnostics": {"batchId": "b68529f3-68cd-4744-baa4-3c0498ec19f0"},
    }


def grid_event(
    name: str,
    etag: str = "0x8D4BCC2E4835CD0",
    size: int | None = 524288,
    container: str = "media",
    account: str = ACCOUNT,
) -> dict[str, Any]:
    """In Event Grid's own schema."""
    return {
        "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a",
        "subject": f"/blobServices/default/containers/{container}/blobs/{name}",
        "eventType": "Microsoft.Storage.BlobCreated",
        "eventTime": "2026-11-25T01:23:45.6789Z",
        "id": "831e1650-001e-001b-66ab-eeb76e069631",
        "data": created(name, etag, size, container, account),
        "dataVersion": "",
        "metadataVersion": "1",
    }


def cloud_event(
    name: str,
    etag: str = "0x8D4BCC2E4835CD0",
    size: int | None = 524288,
    container: str = "media",
    account: str = ACCOUNT,
) -> dict[str, Any]:
    """In the CloudEvents schema, version 1.0."""
    return {
        "specversion": "1.0",
        "type": "Microsoft.Storage.BlobCreated",
        "source": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a",
        "id": "9aeb0fdf-c01e-0131-0922-9eb549069631",
        "time": "2026-11-25T01:23:45.6789Z",
        "subject": f"/blobServices/default/containers/{container}/blobs/{name}",
        "data": created(name, etag, size, container, account),
    }


def message(document: object) -> bytes:
    """As Event Grid writes it into a queue."""
    return base64.b64encode(json.dumps(document).encode())


BASE64 = message(grid_event("incoming/a.mp4"))


def _with(**changes: Any) -> bytes:
    event = grid_event("incoming/a.mp4")
    data = {**event["data"], **changes.pop("data", {})}
    return json.dumps({**event, "data": data, **changes}).encode()


POISON: dict[str, tuple[bytes, str]] = {
    "a blank": (b" ", "an empty message"),
    "words": (b"hello", "neither JSON nor Base64"),
    "not JSON": (b'{"eventType": ', "not JSON: Expecting value"),
    "bytes": (base64.b64encode(b"\xff\xfe\xfd"), "not UTF-8 text"),
    "a number": (b"[17]", "an event is a JSON object, not int"),
    "no events": (b"[]", "an empty list of events"),
    "some object": (b'{"a": 1}', "neither an Event Grid event"),
    "a huge list": (message([1] * 5001), "5001 events in one message"),
    "NaN": (b'{"eventType": NaN}', "NaN is not a value of JSON"),
    "too deep": (b"[" * 30_000, "nested too deeply"),
    "digits": (b'{"eventType": ' + b"9" * 5000 + b"}", "not JSON: Exceeds the limit"),
    "no data": (b'{"eventType": "Microsoft.Storage.BlobCreated"}', "data: Field required"),
    "another service": (_with(eventType="Microsoft.KeyVault.SecretNearExpiry"), "of the type"),
    "an old CloudEvent": (
        json.dumps({**cloud_event("incoming/a.mp4"), "specversion": "0.3"}).encode(),
        "specversion: Input should be '1.0'",
    ),
    "no ETag": (_with(data={"eTag": None}), "eTag: Input should be a valid string"),
    "negative": (_with(data={"contentLength": -1}), "contentLength: Input should be greater"),
    "no URL": (_with(data={"url": ""}), "url: String should have at least 1 character"),
    "elsewhere": (_with(data={"url": "https://example.org/media/a.mp4"}), "not the URL of a blob"),
    "two containers": (
        _with(data={"url": f"https://{ACCOUNT}.blob.core.windows.net/other/a.mp4"}),
        "different containers",
    ),
    "a way out": (
        _with(subject="/blobServices/default/containers/media/blobs/../../etc/passwd"),
        "cannot be a source",
    ),
}
