"""Local files: their hash, and how a finished one takes its place."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

__all__ = ["PARTIAL_PREFIX", "file_sha256", "publish"]

PARTIAL_PREFIX = ".framewright-"
"""Names of files that are being written beside their place begin with it."""


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, in hex, reading it once in constant memory."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def publish(partial: Path, output: Path) -> None:
    """Move a finished temporary file to its place, whole and synced, with ordinary permissions."""
    partial.chmod(0o666 & ~_umask())
    with partial.open("rb") as stream:
        os.fsync(stream.fileno())
    partial.replace(output)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
