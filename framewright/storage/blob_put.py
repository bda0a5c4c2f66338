"""Putting a blob in one request, and what is kept with a blob."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from azure.core.exceptions import IncompleteReadError
from azure.storage.blob import BlobClient, ContentSettings

from framewright.storage.base import Label
from framewright.storage.blob_read import md5, only

__all__ = ["PutBlob", "kept"]

_MD5_FIRST_BYTES = 1 << 20
"""Of no more bytes the MD5 goes before them: it takes no noticeable time."""


class PutBlob:
    """One Put Blob, of whose bytes the service computes the MD5; callable again and again.

    Most bytes go with their MD5, and are refused if they do not match. Of many that are read by
    their sha256 the MD5 is computed while the service computes it too, and compared with the
    service's: where they came changed, the next call replaces them, and only them.
    """

    def __init__(
        self, blob: BlobClient, data: bytes, overwrite: bool, label: Label | None, by_sha256: bool
    ) -> None:
        self._late = by_sha256 and len(data) > _MD5_FIRST_BYTES
        self._blob = blob
        self._data = data
        self._overwrite = overwrite
        self._label = label
        self._spoilt = ""
        """ETag of what we have put and came changed."""

    def __call__(self) -> dict[str, Any]:
        """Put it; return what the service says of it.

        Raises:
            AzureError: it was refused, or came changed.
        """
        late = self._late and not self._spoilt
        more: dict[str, Any] = {**kept(self._label), **only(self._spoilt)}
        body = _HashedBody(self._data)
        if late:
            more["raw_request_hook"] = body.replace
        answer: dict[str, Any] = self._blob.upload_blob(
            self._data,
            length=len(self._data),
            overwrite=self._overwrite or bool(self._spoilt),
            validate_content=not late,
            **more,
        )
        if late and bytes(answer.get("content_md5") or b"") != body.md5:
            self._spoilt = answer["etag"]
            raise IncompleteReadError("the bytes changed on their way")
        return answer


class _HashedBody:
    """A request's bytes, hashed when the last one is sent: while the service hashes them too.

    In a thread beside the sending they would be hashed no sooner, and sent later.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.md5: bytes | None = None
        """Of all the bytes; None until they are sent."""

    def replace(self, request: Any) -> None:
        """Take the place of the bytes of the SDK's request."""
        request.http_request.data = self

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[bytes]:
        yield self._data
        self.md5 = md5(self._data).digest()


def kept(label: Label | None, md5: bytearray | None = None) -> dict[str, Any]:
    """Return the arguments with which the SDK keeps a label and an MD5 with a blob."""
    kind = {"content_type": label.content_type} if label else {}
    if md5 is not None or label:
        more: dict[str, Any] = {"content_settings": ContentSettings(content_md5=md5, **kind)}
        return {**more, "metadata": dict(label.metadata)} if label else more
    return {}
