"""Assets in the work store: put there by the driver, fetched into a local folder by each worker.

What a scorer needs of the user's files is in the store under its content's hash before a manifest
names it, shared by all jobs. A worker keeps its copies between jobs, up to a bound.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from framewright.errors import InputError, ManifestError
from framewright.files import PARTIAL_PREFIX, file_sha256, publish
from framewright.scorers.asset import Asset, references
from framewright.scorers.base import RecordScorer, Scorer, files_of
from framewright.settings import Settings
from framewright.storage import Store, remove_older
from framewright.types import ScorerIdentity

__all__ = ["FetchedAssets", "assets_of", "upload_assets"]

logger = logging.getLogger(__name__)

_IN_USE_SECONDS = 3600.0
"""A copy used within that time stays: a worker may be about to open it."""
_LEFT_BEHIND_SECONDS = 24 * 3600.0
"""A partial copy of that age belongs to a process that was killed."""


def assets_of(scorer: Scorer | RecordScorer, mask: Asset | None = None) -> dict[str, Path]:
    """Return where the driver has the files of the user's, by reference: a scorer's and a mask."""
    return files_of(scorer) | ({mask.reference: mask.path} if mask else {})


def upload_assets(scorer: ScorerIdentity, assets: Mapping[str, Path], store: Store) -> None:
    """Put all files that a scorer refers to into the store; what is there already stays.

    Raises:
        InputError: a file is neither in the store nor among ``assets``, or changes meanwhile.
        StoreUnavailable: the store did not take it.
    """
    for one in references(scorer.params):
        there, path = store.stat(one.key), assets.get(one.reference)
        if path is None and there is None:
            raise InputError(
                f"scorer {scorer.name!r} needs the file {one.reference}, which is not in the store "
                f"{store.url!r}: plan with the assets of the scorer, see assets_of."
            )
        if path is None or (there is not None and there.size_bytes == path.stat().st_size):
            continue
        logger.info("uploading %s as %s", path.name, one.key)
        try:
            with path.open("rb") as stream:
                store.put(one.key, cast(BinaryIO, _Verified(stream, one.sha256)))
        except OSError as error:
            raise InputError(f"cannot read {str(path)!r}: {error.strerror}.") from error


class _Verified(io.RawIOBase):
    """A file whose end is refused where its bytes are not those that were hashed before.

    So the store never publishes an object that is not what its key says.
    """

    def __init__(self, stream: io.BufferedReader, sha256: str) -> None:
        self._stream = stream
        self._sha256 = sha256
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        count = self._stream.readinto(buffer)
        self._digest.update(memoryview(buffer)[:count])
        if not count and self._digest.hexdigest() != self._sha256:
            raise InputError(
                f"{self._stream.name!r} has changed since it was hashed: run again when nothing "
                "writes to it any more."
            )
        return count


@dataclass(frozen=True)
class FetchedAssets:
    """Finds a worker's local copies of assets; downloads what is not there.

    Equal to any other with the same settings: the same reference means the same bytes, whichever
    store they come from.
    """

    store: Store = field(compare=False)
    settings: Settings

    def __call__(self, asset: Asset) -> Path:
        """Return the local copy of an asset, whole and verified.

        Safe in several processes at once: each downloads beside the place, and renames.

        Raises:
            ManifestError: the store does not have it, or has something else under its name.
            StoreUnavailable: the store did not answer.
        """
        folder = Path(self.settings.cache_folder).expanduser() / "assets"
        target = folder / f"{asset.sha256}{asset.suffix}"
        there = self.store.stat(asset.key)
        if there is None:
            raise self._gone(asset, "is gone from")
        if target.is_file() and target.stat().st_size == there.size_bytes:
            with suppress(OSError):  # another user's folder may be shared for reading
                os.utime(target)
            return target
        folder.mkdir(parents=True, exist_ok=True)
        remove_older(folder, f"{PARTIAL_PREFIX}*", _LEFT_BEHIND_SECONDS)
        self._download(asset, target)
        _make_room(folder, self.settings.cache_bytes, target)
        return target

    def _download(self, asset: Asset, target: Path) -> None:
        descriptor, name = tempfile.mkstemp(prefix=PARTIAL_PREFIX, dir=target.parent)
        os.close(descriptor)
        partial = Path(name)
        try:
            self.store.download(asset.key, partial)
            if file_sha256(partial) != asset.sha256:
                raise self._gone(asset, "is not what its name says in")
            publish(partial, target)
        except KeyError as error:
            raise self._gone(asset, "is gone from") from error
        finally:
            partial.unlink(missing_ok=True)

    def _gone(self, asset: Asset, what: str) -> ManifestError:
        return ManifestError(
            f"{asset.key} {what} the store {self.store.url!r}; delete it if it is there and run "
            "the job again: it is uploaded anew.",
            report=False,
        )


def _make_room(folder: Path, max_bytes: int, newest: Path) -> None:
    """Remove the copies unused for longest until the rest is within the bound."""
    found = []
    for path in folder.iterdir():
        with suppress(OSError):
            found.append((path.stat().st_mtime, path.stat().st_size, path))
    excess = sum(size for _, size, _ in found) - max_bytes
    limit = time.time() - _IN_USE_SECONDS
    for modified, size, path in sorted(found):
        if excess > 0 and modified < limit and path != newest:
            with suppress(OSError):
                path.unlink()
            excess -= size
