"""A finished video or table on its way to blob storage, and the note that it is there."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from pydantic import ValidationError

from framewright import __version__
from framewright.errors import StoreDenied
from framewright.files import file_sha256
from framewright.outputs import output_suffix, resolve_place
from framewright.plan import planned_before
from framewright.results import ScoredUnit
from framewright.score import scored_unit
from framewright.settings import Settings
from framewright.sources import Origin, check_newest, recall
from framewright.stitch import Stitched
from framewright.storage import Place, RemoteFile, Store
from framewright.storage.base import Found, Label
from framewright.types import Manifest, Record, ScorerIdentity, Treatment

__all__ = ["Delivered", "Done", "JobOrder", "deliver", "done_before", "send", "sent_before"]

logger = logging.getLogger(__name__)

_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/x-m4v",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".webm": "video/webm",
    ".parquet": "application/vnd.apache.parquet",
}


@dataclass(frozen=True, slots=True)
class JobOrder:
    """What a user wants of a source; see ``plan.split``."""

    output: str
    scorer: ScorerIdentity
    unit_seconds: float | None
    treatment: Treatment | None
    settings: Settings
    assets: Mapping[str, Path] = field(default_factory=dict)
    """Files of the user's that scorer and treatment name, by reference; see ``assets_of``."""


@dataclass(frozen=True, slots=True)
class Done:
    """A job of which nothing is left to do."""

    manifest: Manifest
    units: list[ScoredUnit]
    stitched: Stitched
    target: Place
    """Where the result is."""


class Delivered(Record):
    """Says that a job's result is in its place."""

    stitched: Stitched
    etag: str
    """Of the blob; empty for a file on this machine."""


def deliver(
    store: Store, manifest: Manifest, stitched: Stitched, target: Place, origin: Origin
) -> Stitched:
    """Send a stitched result to its place, if that is a blob, and note that it is there.

    Args:
        store: the work store.
        manifest: the job.
        stitched: the result, as a file on this machine.
        target: where it goes; that file itself, or a blob.
        origin: the source, which is named in the blob's metadata.

    Returns:
        The same, by the address where it is now.

    Raises:
        SourceRefused: another version of the source is there by now, whose result belongs there.
        StoreDenied: it may not be written there.
        StoreUnavailable: the storage does not answer.
    """
    etag = ""
    if isinstance(target, RemoteFile):
        etag = send(Path(stitched.output), target, manifest, stitched.sha256, origin)
        stitched = stitched.model_copy(update={"output": target.url})
    note = Delivered(stitched=stitched, etag=etag)
    store.put(_note_key(manifest, target), note.model_dump_json().encode())
    return stitched


def send(path: Path, target: RemoteFile, manifest: Manifest, sha256: str, origin: Origin) -> str:
    """Write a file of a job to a blob, whole; not where it is there already. Return its ETag."""
    if (there := _looked(target)) is not None and _same(there, path, sha256):
        logger.info("%s is there already", target.url)
        return there.info.etag
    check_newest(origin)
    label = Label(
        _TYPES.get(path.suffix.lower(), "application/octet-stream"),
        {
            "framewright_job": manifest.job_key,
            "framewright_version": __version__,
            "framewright_sha256": sha256,
            "framewright_source": quote(origin.url, safe="/:"),
            "framewright_source_etag": quote(origin.etag),
            "framewright_source_sha256": manifest.source.sha256,
        },
    )
    return target.store.put(target.key, path, label=label).etag


def done_before(store: Store, origin: Origin, order: JobOrder) -> Done | None:
    """Return the job of a remote source, without fetching it, where nothing is left to do.

    Raises:
        OutputRefused: the output cannot be used.
    """
    if (known := recall(store, origin)) is None:
        return None
    planned = planned_before(
        known.source,
        known.video,
        scorer=order.scorer,
        store=store,
        unit_seconds=order.unit_seconds,
        suffix=output_suffix(order.output, order.scorer),
        treatment=order.treatment,
        settings=order.settings,
    )
    if planned is None:
        return None
    manifest, suffix = planned
    target = resolve_place(order.output, origin.place, suffix, order.scorer, order.settings)
    return _finished(store, manifest, target)


def _finished(store: Store, manifest: Manifest, target: Place) -> Done | None:
    try:
        note = Delivered.model_validate_json(store.read(_note_key(manifest, target)))
    except (KeyError, ValidationError):
        return None
    if isinstance(target, RemoteFile):
        there = _looked(target)
        if there is None or there.info.etag != note.etag:
            return None
    elif not target.is_file() or file_sha256(target) != note.stitched.sha256:
        return None
    units = [scored_unit(store, manifest, unit.index) for unit in manifest.units]
    whole = [unit for unit in units if unit is not None]
    if len(whole) < len(units):
        return None
    logger.info("%s is in its place, nothing is left to do", note.stitched.output)
    return Done(manifest, whole, note.stitched, target)


def sent_before(target: RemoteFile, manifest: Manifest) -> bool:
    """Whether a blob is there that ``send`` has made of a job."""
    there = _looked(target)
    return there is not None and there.metadata.get("framewright_job") == manifest.job_key


def _looked(target: RemoteFile) -> Found | None:
    """What is at a blob's place; None also where it may be written but not read."""
    try:
        return target.store.look(target.key)
    except StoreDenied:
        return None


def _same(there: Found, path: Path, sha256: str) -> bool:
    if (there.metadata.get("framewright_sha256"), there.info.size_bytes) != (
        sha256,
        path.stat().st_size,
    ):
        return False
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
    return found.hexdigest() == there.md5


def _note_key(manifest: Manifest, target: Place) -> str:
    url = target.url if isinstance(target, RemoteFile) else str(target)
    return f"{manifest.prefix}outputs/{hashlib.sha256(url.encode()).hexdigest()[:32]}.json"
