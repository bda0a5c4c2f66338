"""What tells one version of a video from another, and what a run of it is known by."""

from __future__ import annotations

import hashlib
import re

__all__ = ["ARRIVED", "bare_etag", "version_key"]

ARRIVED = "framewright.video.arrived"
"""Event of a video that is there, whole; the automation of `on-arrival` expects it."""
_ETAG = re.compile(r'^(?:W/)?"?(.*?)"?$', re.DOTALL)


def bare_etag(etag: str) -> str:
    """Return an ETag without the quotes that some answers have and others do not."""
    found = _ETAG.match(etag.strip())
    return found[1] if found else etag


def version_key(video: str, etag: str) -> str:
    """Return the name of one version of a video: 64 hexadecimal digits.

    The server's database takes no second run of a flow under one name, whoever asks and however
    often; that, and nothing else, makes one run of many events.
    """
    return hashlib.sha256(f"{video}\n{bare_etag(etag)}".encode()).hexdigest()
