"""Files of the user that a scorer needs on every worker: weights, a painting.

On the driver ``asset(path)`` names a local file by its content. The name, a reference such as
``asset:0123...cdef.onnx``, goes into ``identity.params``; the file goes into the work store. On a
worker the constructor gets the reference, and ``asset(reference)`` gives a local copy of the same
bytes. There it takes nothing else: whoever can write a manifest must not make a worker read its
machine's files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from framewright.errors import ScorerOptionError
from framewright.files import file_sha256

__all__ = ["Asset", "Fetch", "asset", "fetched_by", "local_path", "references"]

_REFERENCE = re.compile(r"asset:(?P<sha256>[0-9a-f]{64})(?P<suffix>(?:\.[a-z0-9]{1,16})?)")
_SUFFIX = re.compile(r"\.[a-z0-9]{1,16}")

Fetch = Callable[["Asset"], Path]
"""Finds the local copy of an asset, whose ``path`` is empty."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, by its content and by where it lies on this machine."""

    sha256: str
    suffix: str
    """Lower case, with its dot; empty where the file has none of letters and digits."""
    path: Path

    @property
    def reference(self) -> str:
        """What stands for it in ``identity.params``: the same on every machine."""
        return f"asset:{self.sha256}{self.suffix}"

    @property
    def key(self) -> str:
        """Its key in the work store: one object, whatever the file is called."""
        return f"assets/{self.sha256[:2]}/{self.sha256}"

    def located(self, path: Path) -> Asset:
        """The same asset, at its place on this machine."""
        return Asset(self.sha256, self.suffix, path)


_rebuilding: ContextVar[Fetch | None] = ContextVar("rebuilding", default=None)
"""Set while a scorer is built from an identity that another machine may have written."""


def asset(file: str | Path, max_bytes: int = 64 << 30) -> Asset:
    """Return a user's file: for the constructor of a scorer, on driver and worker alike.

    Args:
        file: a path on the driver, whose bytes are read once to hash them; on a worker the
            reference that the driver's scorer put into ``identity.params``.
        max_bytes: largest file accepted.

    Raises:
        ScorerOptionError: there is no such file, it is empty, too large, or cannot be read; on a
            worker, that is not a reference.
    """
    if (fetch := _rebuilding.get()) is None:
        return _named_by_content(local_path(file), max_bytes)
    found = _parsed(file)
    if found is None:
        raise _refused_path(file)
    path = fetch(found)
    _check_size(path, path.stat().st_size, max_bytes)
    return found.located(path)


def local_path(file: str | Path) -> Path:
    """Return the path of a file that only the driver reads, such as an image of which the scorer
    keeps some numbers.

    Raises:
        ScorerOptionError: it is no path, or begins with the home of a user who is not there; or
            this is a worker: it opens no file that a manifest names.
    """
    if not isinstance(file, str | Path) or not str(file) or "\0" in str(file):
        raise ScorerOptionError(f"{file!r} is not the path of a file.")
    if _rebuilding.get() is not None:
        raise _refused_path(file)
    try:
        return Path(file).expanduser()
    except RuntimeError as error:
        raise ScorerOptionError(
            f"the file {str(file)!r} cannot be found: its user has no home folder here; give the "
            "path without '~'."
        ) from error


def references(params: Any) -> Iterator[Asset]:
    """Yield the assets that parameters refer to, at any depth; without a path."""
    if isinstance(params, dict):
        for value in params.values():
            yield from references(value)
    elif isinstance(params, list | tuple):
        for value in params:
            yield from references(value)
    elif (found := _parsed(params)) is not None:
        yield found


@contextmanager
def fetched_by(fetch: Fetch) -> Iterator[None]:
    """Let ``asset`` take references, and nothing else, while a worker builds a scorer."""
    token = _rebuilding.set(fetch)
    try:
        yield
    finally:
        _rebuilding.reset(token)


def _parsed(text: object) -> Asset | None:
    match = _REFERENCE.fullmatch(text) if isinstance(text, str) else None
    return Asset(match["sha256"], match["suffix"], Path()) if match else None


def _refused_path(file: object) -> ScorerOptionError:
    return ScorerOptionError(
        f"the job names the file {str(file)[:200]!r} by a path; a worker opens only files that the "
        "driver has put into the work store. Plan the job again with this release."
    )


def _named_by_content(path: Path, max_bytes: int) -> Asset:
    try:
        found = path.stat()
        if not path.is_file():
            raise ScorerOptionError(f"{str(path)!r} is not a file.")
        _check_size(path, found.st_size, max_bytes)
        sha256 = _hashed(path, found.st_size, found.st_mtime_ns, found.st_ino)
    except OSError as error:
        raise ScorerOptionError(
            f"the file {str(path)!r} cannot be read ({error.strerror}); name one on the machine "
            "that plans the job."
        ) from error
    suffix = path.suffix.lower()
    return Asset(sha256, suffix if _SUFFIX.fullmatch(suffix) else "", path.absolute())


def _check_size(path: Path, size_bytes: int, max_bytes: int) -> None:
    if not 0 < size_bytes <= max_bytes:
        raise ScorerOptionError(
            f"the file {str(path)!r} has {size_bytes} bytes; from 1 to {max_bytes} are accepted."
        )


@lru_cache(maxsize=32)
def _hashed(path: Path, size_bytes: int, modified_ns: int, inode: int) -> str:
    """Hash a file once, as long as it stays what it is."""
    return file_sha256(path)
