"""A store in a local folder."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import BinaryIO

from framewright.errors import StoreKeyError, StoreUnavailable
from framewright.storage.base import ObjectInfo, check_key

__all__ = ["LocalStore", "remove_older"]

logger = logging.getLogger(__name__)

_STAGING = ".staging"
_MAX_NAME_BYTES = 255
_LEFT_BEHIND_SECONDS = 24 * 3600.0
"""A staged file of that age belongs to a process that was killed: a put takes minutes at most."""
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""How file systems without hard links refuse one: SMB, exFAT, some of FUSE."""
_skipped: set[str] = set()
"""Files that a listing of this process has left out."""
_swept: set[Path] = set()
"""Staging folders that this process has cleaned."""


class LocalStore:
    """Objects as files below ``root``; written beside their place, synced, then renamed into it.

    A key whose first part is ``.staging`` cannot be used: files being written live there.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(root).absolute()
        self._staging = self._root / _STAGING

    @property
    def url(self) -> str:
        """The folder's path."""
        return str(self._root)

    def _path(self, key: str) -> Path:
        parts = check_key(key).split("/")
        if parts[0] == _STAGING or any(len(part.encode()) > _MAX_NAME_BYTES for part in parts):
            raise StoreKeyError(
                f"storage key {key[:80]!r} is not allowed in a folder: it does not begin with "
                f"{_STAGING!r}, and no name in it is longer than {_MAX_NAME_BYTES} bytes."
            )
        return self._root / key

    def put(self, key: str, data: bytes | Path | BinaryIO, *, overwrite: bool = True) -> ObjectInfo:
        """Publish an object whole; see ``Store.put``."""
        target = self._path(key)
        if not overwrite and (found := self.stat(key)) is not None:
            return found
        try:
            self._staging.mkdir(parents=True, exist_ok=True)
            self._sweep()
            descriptor, name = tempfile.mkstemp(dir=self._staging)
            staged = Path(name)
            try:
                with os.fdopen(descriptor, "wb") as out:
                    _copy_into(out, data)
                    out.flush()
                    os.fsync(out.fileno())
                target.parent.mkdir(parents=True, exist_ok=True)
                _publish(staged, target, overwrite=overwrite)
            finally:
                staged.unlink(missing_ok=True)
        except OSError as error:
            raise StoreUnavailable(
                f"cannot write {key!r} to the store {self.url!r}: {error}. Check that the folder "
                "exists, is writable, and has space left."
            ) from error
        info = self.stat(key)
        if info is None:
            raise StoreUnavailable(f"{key!r} vanished from {self.url!r} right after it was written")
        return info

    def _sweep(self) -> None:
        """Once per process, remove what processes that were killed have left half-written."""
        if self._staging not in _swept:
            _swept.add(self._staging)
            remove_older(self._staging, "*", _LEFT_BEHIND_SECONDS)

    def read(self, key: str) -> bytes:
        """Return a small object's bytes."""
        with self.open(key) as stream:
            return stream.read()

    def open(self, key: str, *, sha256: str = "") -> AbstractContextManager[BinaryIO]:
        """Open an object for sequential reading."""
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise KeyError(key) from error
        except OSError as error:
            raise StoreUnavailable(f"cannot read {key!r} from {self.url!r}: {error}") from error

    def download(self, key: str, path: Path, *, sha256: str = "") -> None:
        """Write an object to a local file, which appears whole or not at all."""
        partial = path.with_name(path.name + ".part")
        try:
            with self.open(key) as source, partial.open("wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def stat(self, key: str) -> ObjectInfo | None:
        """Describe an object, or return None where there is none."""
        path = self._path(key)
        try:
            return _describe(key, path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                return None
            raise

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Yield objects whose key begins with ``prefix``, in the order of their keys.

        A file whose name cannot be a key is none of the store's; it is skipped, and logged once.
        """
        folder = prefix.rpartition("/")[0]
        start = self._root / check_key(folder) if folder else self._root
        keys = (path.relative_to(self._root).as_posix() for path in self._files(start))
        for key in sorted(key for key in keys if key.startswith(prefix)):
            try:
                info = self.stat(key)
            except (StoreKeyError, PermissionError) as error:
                self._skip(key, error)
                continue
            if info is not None:
                yield info
            elif (self._root / key).is_symlink():
                self._skip(key, "it is a link that leads to no file")

    def _skip(self, key: str, why: object) -> None:
        entry = f"{self.url}/{key}"
        if entry not in _skipped:
            _skipped.add(entry)
            logger.warning("%r is left out: %s", entry, why)

    def _files(self, start: Path) -> Iterator[Path]:
        for here, folders, names in os.walk(start):
            folder = Path(here)
            if folder == self._root and _STAGING in folders:
                folders.remove(_STAGING)
            yield from (folder / name for name in names)

    def metadata(self, key: str) -> dict[str, str]:
        """Return nothing: files have no notes on them."""
        self._path(key)
        return {}

    def delete(self, key: str) -> bool:
        """Remove an object; return whether it was there."""
        path = self._path(key)
        if not path.is_file():
            return False
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreUnavailable(f"cannot delete {key!r} from {self.url!r}: {error}") from error
        return True


def _copy_into(out: BinaryIO, data: bytes | Path | BinaryIO) -> None:
    if isinstance(data, bytes):
        out.write(data)
    elif isinstance(data, Path):
        with data.open("rb") as source:
            shutil.copyfileobj(source, out, 1 << 20)
    else:
        shutil.copyfileobj(data, out, 1 << 20)


def _publish(staged: Path, target: Path, *, overwrite: bool) -> None:
    if overwrite:
        staged.replace(target)
    else:
        try:
            os.link(staged, target)
        except FileExistsError:
            return
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # Not one step any more: should another writer come between, its object is replaced.
            if not target.exists():
                staged.replace(target)


def remove_older(folder: Path, pattern: str, age_seconds: float) -> None:
    """Remove a folder's files of a name pattern that were last written ``age_seconds`` ago or more.

    What cannot be removed stays: somebody else's files are no reason to fail.
    """
    limit = time.time() - age_seconds
    for path in folder.glob(pattern):
        with suppress(OSError):
            if path.is_file() and path.stat().st_mtime <= limit:
                path.unlink()


def _describe(key: str, path: Path) -> ObjectInfo | None:
    status = path.stat()
    if not path.is_file():
        return None
    etag = f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
    return ObjectInfo(key, status.st_size, etag, status.st_mtime)
