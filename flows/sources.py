"""Which objects are sources: where they lie and how their names end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from flows.versions import bare_etag, version_key
from framewright.storage import Store
from tasks.login import open_here

__all__ = [
    "MASK_MARK",
    "SETTLED_SECONDS",
    "SUFFIXES",
    "Found",
    "address_of",
    "is_below",
    "is_source_name",
    "list_sources",
]

SUFFIXES = (
    *(".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4"),
    *(".mpeg", ".mpg", ".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
)
"""Ends of names that are taken for a video's where nothing else is configured."""
MASK_MARK = ".mask"
"""What stands before the suffix of a video that is no source, but the mask of one."""
SETTLED_SECONDS = 10.0
"""A local file that was written later than that may still be growing."""


@dataclass(frozen=True, slots=True)
class Found:
    """One source in a listing."""

    video: str
    """Its address."""
    name: str
    """Its key in the listed folder: what follows that in the address, without percent signs."""
    etag: str
    size_bytes: int
    modified_seconds: float

    @property
    def key(self) -> str:
        """Name of this version of it."""
        return version_key(self.video, self.etag)


def address_of(store: Store, key: str) -> str:
    """Return the address of what a folder or prefix has under a key, as events write it."""
    name = quote(key) if store.url.startswith("https://") else key
    return f"{store.url.rstrip('/')}/{name}"


def is_below(address: str, folder: str) -> bool:
    """Whether an address lies below that of a folder or prefix, not beside it."""
    return address.startswith(folder.rstrip("/") + "/")


def is_source_name(address: str, suffixes: Sequence[str]) -> bool:
    """Whether an address ends as a source's does: visible, with a suffix, and not as a mask's."""
    name = address.rpartition("/")[2].lower()
    is_mask = name.rpartition(".")[0].endswith(MASK_MARK)
    return not name.startswith(".") and not is_mask and name.endswith(tuple(suffixes))


def list_sources(folder: str, outputs: Sequence[str], suffixes: Sequence[str]) -> Iterator[Found]:
    """Yield the sources below a folder or prefix, by name.

    Empty ones do not count, nor do local files that may still be growing. Blobs appear whole.

    Raises:
        FramewrightError: it cannot be listed.
    """
    store = open_here(folder)
    now, is_local = time.time(), store.url.startswith("/")
    for info in store.list():
        video = address_of(store, info.key)
        if any(is_below(video, output) for output in outputs):
            continue
        if not info.size_bytes or (is_local and abs(now - info.modified_seconds) < SETTLED_SECONDS):
            continue
        if is_source_name(video, suffixes):
            etag = bare_etag(info.etag)
            yield Found(video, info.key, etag, info.size_bytes, info.modified_seconds)
