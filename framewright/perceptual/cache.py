"""Encoders on this machine: files named by their hash, and names that point to them."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from framewright.errors import EnvironmentMismatch
from framewright.files import PARTIAL_PREFIX, publish

__all__ = ["EncoderCache"]

_SHA256 = re.compile(r"[0-9a-f]{64}")


class EncoderCache:
    """A folder of slices, for use by several processes at once: what is there is whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, data: bytes) -> str:
        """Store a slice; return its sha256, by which ``read`` finds it."""
        sha256 = hashlib.sha256(data).hexdigest()
        if not self._path(sha256).exists():
            self._write(self._path(sha256), data)
        return sha256

    def read(self, sha256: str) -> bytes:
        """Return the slice with a hash.

        Raises:
            EnvironmentMismatch: it is not here, or the file was changed.
        """
        path = self._path(sha256)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise EnvironmentMismatch(
                f"the encoder {sha256[:12]} is not on this machine: copy {path.name} from the "
                f"folder of the same name on the machine that planned the job to {self.folder}, or "
                "let both use one shared folder (FRAMEWRIGHT_MODEL_CACHE)."
            ) from error
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise EnvironmentMismatch(
                f"{path} has sha256 {found[:12]}, not {sha256[:12]}: it was changed; delete it and "
                "run again."
            )
        return data

    def name(self, name: str, sha256: str) -> None:
        """Let a name point to a slice."""
        self._write(self.folder / f"{name}.sha256", f"{sha256}\n".encode())

    def named(self, name: str) -> str:
        """Return the hash that a name points to; empty where there is none, or no such file."""
        try:
            sha256 = (self.folder / f"{name}.sha256").read_text().strip()
        except FileNotFoundError:
            return ""
        return sha256 if _SHA256.fullmatch(sha256) and self._path(sha256).exists() else ""

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
