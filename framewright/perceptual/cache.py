"""Encoders on this machine: files named by their hash, and names that point to them."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from framewright.errors import ScorerOptionError
from framewright.files import PARTIAL_PREFIX, file_sha256, publish

__all__ = ["EncoderCache"]

_SHA256 = re.compile(r"[0-9a-f]{64}")


class EncoderCache:
    """A folder of slices, for use by several processes at once: what is there is whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, data: bytes) -> Path:
        """Store a slice under its sha256; return its path."""
        path = self._path(hashlib.sha256(data).hexdigest())
        if not path.exists():
            self._write(path, data)
        return path

    def name(self, name: str, path: Path) -> None:
        """Let a name point to a slice that ``keep`` stored."""
        self._write(self.folder / f"{name}.sha256", f"{path.stem}\n".encode())

    def named(self, name: str) -> Path | None:
        """Return the slice that a name points to; None where there is none.

        Raises:
            ScorerOptionError: the file was changed since.
        """
        try:
            sha256 = (self.folder / f"{name}.sha256").read_text().strip()
        except FileNotFoundError:
            return None
        path = self._path(sha256)
        if not _SHA256.fullmatch(sha256) or not path.exists():
            return None
        found = file_sha256(path)
        if found != sha256:
            raise ScorerOptionError(
                f"{path} has sha256 {found[:12]}, not that of its name: it was changed; delete it "
                "and run again."
            )
        return path

    def _path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.safetensors"

    def _write(self, path: Path, data: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(prefix=PARTIAL_PREFIX, dir=self.folder)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            publish(Path(partial), path)
        finally:
            Path(partial).unlink(missing_ok=True)
