"""Sources in blob storage: looked at, fetched once, and remembered by their version."""

from __future__ import annotations

import itertools
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from framewright import __version__
from framewright.errors import InputError, ScorerOptionError, SourceRefused, StoreDenied
from framewright.media.source import check_file
from framewright.plan import Split
from framewright.scorers.asset import Asset, asset
from framewright.settings import Settings
from framewright.storage import (
    ObjectInfo,
    Place,
    RemoteFile,
    Store,
    is_blob_address,
    place_of,
)
from framewright.storage.base import Replaced
from framewright.storage.blob_address import parse_blob_address
from framewright.storage.place import container_and_key
from framewright.types import Record, SourceInfo, VideoInfo, fingerprint

__all__ = [
    "KnownSource",
    "Origin",
    "check_newest",
    "fetch",
    "find",
    "local_mask",
    "local_name",
    "local_options",
    "ops_account",
    "recall",
    "remember",
    "unfetched_options",
]

logger = logging.getLogger(__name__)

_MAX_NAME_BYTES = 200
"""So that what is written beside a file may have a longer name."""
_ROOM = 2
"""Free disk that is asked for, in sizes of the source: its copy, and its bundles."""
_MAX_PICTURE_BYTES = 256 << 20
_WEIGHT = re.compile(r"=[0-9]*\.?[0-9]+$")
_NOWHERE = Path(os.devnull)
_FETCHES = 3
"""How often a source that is being replaced is begun anew."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a source is, and which version of it."""

    place: Place
    etag: str = ""
    """Empty for a file on this machine."""
    size_bytes: int = 0

    @property
    def name(self) -> str:
        """The file's name, for people."""
        return self.place.name

    @property
    def url(self) -> str:
        """Path or address, without anything that signs in."""
        return self.place.url if isinstance(self.place, RemoteFile) else str(self.place)


class KnownSource(Record):
    """What was found in one version of a remote source."""

    url: str
    etag: str
    source: SourceInfo
    video: VideoInfo


def find(place: Place, settings: Settings) -> Origin:
    """Look at a source before any of it is transferred.

    Raises:
        SourceRefused: there is no such file or blob, it is empty, or larger than is accepted.
        StoreDenied: it may not be read.
    """
    if isinstance(place, Path):
        check_file(place, settings)
        return Origin(place)
    info = _described(place)
    if info.size_bytes == 0:
        raise SourceRefused("empty", f"{place.name!r} is empty (0 bytes); copy or export it again.")
    if info.size_bytes > settings.max_source_bytes:
        raise SourceRefused(
            "too_large",
            f"{place.name!r} has {info.size_bytes} bytes; at most {settings.max_source_bytes} are "
            "accepted (FRAMEWRIGHT_MAX_SOURCE_BYTES).",
        )
    return Origin(place, info.etag, info.size_bytes)


def _described(file: RemoteFile) -> ObjectInfo:
    if (info := file.store.stat(file.key)) is None:
        raise SourceRefused("not_found", f"there is no blob {file.url!r}; check the address.")
    return info


def fetch(origin: Origin, folder: Path, settings: Settings) -> tuple[Path, Origin]:
    """Copy a remote source into an existing folder; a file on this machine stays where it is.

    Every block is asked for with the ETag, so that the copy is one version, and its MD5 or that
    of each of its blocks is verified.

    Returns:
        The file, and the origin: the version that was copied, should it have been replaced.

    Raises:
        SourceRefused: it is gone, or is now another that cannot be scored.
        InputError: the disk has not enough room.
        StoreUnavailable: the storage does not answer, or the source is replaced all the time.
    """
    place = origin.place
    if isinstance(place, Path):
        return place, origin
    path = folder / local_name(place.name)
    for attempt in range(1, _FETCHES + 1):
        _check_room(folder, origin)
        started = time.perf_counter()
        logger.info("fetching %s, %d bytes", origin.url, origin.size_bytes)
        try:
            place.store.download_version(place.key, path, origin.etag)
        except Replaced:
            if attempt == _FETCHES:
                raise
            origin = find(place, settings)
        except KeyError:
            origin = find(place, settings)  # it says what is wrong
        else:
            break
    seconds = max(time.perf_counter() - started, 1e-9)
    rate = origin.size_bytes / seconds / (1 << 20)
    logger.info("%s is here after %.1f s, %.1f MiB/s", place.name, seconds, rate)
    return path, origin


def check_newest(origin: Origin) -> None:
    """Refuse where another version of a remote source is there, whose result would be overwritten.

    One that is gone, or may not be looked at any more, has no result but this.

    Raises:
        SourceRefused: another version is there.
        StoreUnavailable: the storage does not answer.
    """
    if not isinstance(origin.place, RemoteFile):
        return
    found = None
    with suppress(StoreDenied):
        found = origin.place.store.stat(origin.place.key)
    if found is not None and found.etag != origin.etag:
        raise SourceRefused(
            "superseded",
            f"{origin.url!r} has been replaced while it was scored: it has the ETag {found.etag} "
            f"by now, not {origin.etag}, and the result of that version belongs in its place.",
        )


def local_name(name: str) -> str:
    """Return a blob's name as a file's, cut where a file system has no room for it."""
    if len(name.encode()) <= _MAX_NAME_BYTES:
        return name
    stem, dot, suffix = name.rpartition(".")
    tail = f"{dot}{suffix}" if dot and len(suffix.encode()) <= 10 else ""
    room = _MAX_NAME_BYTES - len(tail.encode())
    return (stem if tail else name).encode()[:room].decode(errors="ignore") + tail


def _check_room(folder: Path, origin: Origin) -> None:
    free = shutil.disk_usage(folder).free
    if free < _ROOM * origin.size_bytes:
        raise InputError(
            f"{origin.name!r} has {origin.size_bytes} bytes, and twice as many are needed in "
            f"{str(folder.parent)!r}, where {free} are free: make room, or name another folder in "
            "FRAMEWRIGHT_SCRATCH_FOLDER."
        )


def remember(store: Store, origin: Origin, parts: Split) -> None:
    """Keep what was found in a version of a remote source, so that it need not be fetched again."""
    if origin.etag:
        known = KnownSource(
            url=origin.url, etag=origin.etag, source=parts.source, video=parts.probed
        )
        store.put(_known_key(origin), known.model_dump_json().encode())


def recall(store: Store, origin: Origin) -> KnownSource | None:
    """Return what was found in this version of a source before, by this release; or None."""
    if not origin.etag:
        return None
    with suppress(KeyError, ValidationError):
        known = KnownSource.model_validate_json(store.read(_known_key(origin)))
        if (known.url, known.etag) == (origin.url, origin.etag):
            return known
    return None


def _known_key(origin: Origin) -> str:
    named = {"url": origin.url, "etag": origin.etag, "release": __version__}
    return f"sources/{fingerprint(named)}.json"


def local_options(options: Mapping[str, Any], folder: Path, settings: Settings) -> dict[str, Any]:
    """Return a scorer's options with the files that they name by address fetched to ``folder``.

    Pictures may come from any account. Everything else, weights above all, comes from the account
    of the work store or from FRAMEWRIGHT_OPS_ACCOUNT: where users write videos, nobody has said
    which weights can be trusted.

    Raises:
        ScorerOptionError: it is no picture and from another account, or too large, or not there.
    """

    def fetched(name: str, address: str) -> str:
        folder.mkdir(parents=True, exist_ok=True)
        own = Path(tempfile.mkdtemp(dir=folder))  # two pictures of one name lie apart
        return _local_option(name, address, own, settings)

    return _Replaced(fetched).all(options)


def unfetched_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as ``local_options`` does, with paths at which there is nothing."""
    numbers = itertools.count()

    def path(_: str, address: str) -> str:
        name = container_and_key(address)[1].rpartition("/")[2]
        return str(_NOWHERE / str(next(numbers)) / local_name(name))

    return _Replaced(path).all(options)


class _Replaced:
    """Replaces addresses in options, at any depth, by paths."""

    def __init__(self, path_of: Callable[[str, str], str]) -> None:
        """Take what gives the path for the name of an option and an address."""
        self._path_of = path_of

    def all(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return options without addresses."""
        return {name: self.local(name, value) for name, value in options.items()}

    def local(self, name: str, value: Any) -> Any:
        """Return a value without addresses; one in a list may have ``=WEIGHT`` after it."""
        if isinstance(value, str):
            return self._path(name, value)
        if isinstance(value, Mapping):  # of shares, by picture
            return {self.local(name, key): self.local(name, one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self._weighted(name, one) for one in value]
        return value

    def _weighted(self, name: str, value: Any) -> Any:
        if not isinstance(value, str) or not is_blob_address(value):
            return self.local(name, value)
        found = _WEIGHT.search(value)
        weight = found[0] if found else ""
        return self._path(name, value.removesuffix(weight)) + weight

    def _path(self, name: str, text: str) -> str:
        return self._path_of(name, text) if is_blob_address(text) else text


def _local_option(name: str, address: str, folder: Path, settings: Settings) -> str:
    file = place_of(address, settings)
    assert isinstance(file, RemoteFile)  # noqa: S101 - its address is one of a blob
    trusted = file.store.account == ops_account(settings)
    info = file.store.stat(file.key)
    if info is None:
        raise ScorerOptionError(f"option {name!r}: there is no blob {file.url!r}.")
    if not trusted and info.size_bytes > _MAX_PICTURE_BYTES:
        raise _not_trusted(name, file, settings)
    path = folder / local_name(file.name)
    file.store.download_version(file.key, path, info.etag)
    if not trusted and not _is_picture(path):
        path.unlink()
        raise _not_trusted(name, file, settings)
    return str(path)


def local_mask(address: str, folder: Path, settings: Settings) -> Asset | None:
    """Return the mask that a path or address names, fetched to ``folder``; None without one.

    It may come from wherever sources may: nothing of it is trusted.

    Raises:
        InputError: it is not there, too large, or cannot be read.
        StoreUnavailable: the storage does not answer.
    """
    if not address:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    try:
        path, _ = fetch(find(place_of(address, settings), settings), folder, settings)
    except SourceRefused as error:
        raise SourceRefused(error.reason, f"the mask: {error.message}") from error
    return asset(path, settings.max_source_bytes)


def ops_account(settings: Settings) -> str:
    """The account whose weights are trusted; empty where there is none."""
    if settings.ops_account or not is_blob_address(settings.work_store):
        return settings.ops_account
    return parse_blob_address(settings.work_store, settings).account


def _not_trusted(name: str, file: RemoteFile, settings: Settings) -> ScorerOptionError:
    ops = ops_account(settings)
    where = f"the account {ops!r}" if ops else "a folder of this machine"
    return ScorerOptionError(
        f"option {name!r}: {file.url!r} is no picture, and anything else is read from {where} "
        "only (FRAMEWRIGHT_OPS_ACCOUNT): whoever may write videos must not choose weights. Copy "
        "it there."
    )


def _is_picture(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.verify()
    except Exception:  # noqa: BLE001 - Pillow raises whatever a plugin of it raises
        return False
    return True
