"""Stitch scored units into the finished video or table: verified, then published whole."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from framewright.errors import InputError, OutputRefused, TransientError
from framewright.files import PARTIAL_PREFIX, file_sha256, publish
from framewright.media.carry import Spoilt
from framewright.media.containers import container_for
from framewright.media.description import lost_description
from framewright.media.fallback import assembled
from framewright.media.mux import Muxed, mux
from framewright.media.verify import verify_output
from framewright.results import ScoredUnit, StreamOutcome
from framewright.score import scored_unit
from framewright.scratch import scratch_folder
from framewright.settings import Settings, get_settings
from framewright.sources import Origin, check_newest
from framewright.storage import Store, WrongBytes, remove_older
from framewright.tables import join_tables
from framewright.types import Manifest, Progress, ProgressCallback, Record
from framewright.values import RESULT_SUFFIXES

__all__ = ["Stitched", "stitch"]

logger = logging.getLogger(__name__)

_LEFT_BEHIND_SECONDS = 24 * 3600.0
"""Partial files of that age are what a process that was killed has left."""


class Stitched(Record):
    """A finished video, or a finished table of records."""

    output: str
    sha256: str
    size_bytes: int
    width: int
    height: int
    rows: int | None = None
    """Records; None for a video."""
    frames: int
    duration_seconds: float
    streams: tuple[StreamOutcome, ...]
    warnings: tuple[str, ...]
    seconds: float


def stitch(
    store: Store,
    manifest: Manifest,
    source: Path,
    output: Path,
    *,
    origin: Origin | None = None,
    settings: Settings | None = None,
    progress: ProgressCallback | None = None,
) -> Stitched:
    """Join a job's scored units and the source's other streams, check the file, and publish it.

    Records are joined into a table, for which the source is not opened.

    ``output`` appears whole and verified, or not at all; a file that was there before stays until
    then. Where ``origin`` says that the source comes from blob storage, it is looked at once more.

    Raises:
        EngineBug: the file does not read back as planned.
        InputError: ``source`` is not the file that was split.
        SourceRefused: another version of it is in the storage by now, whose result belongs there.
        TransientError: units are missing or damaged; running the job again scores just those.
        OutputRefused: the folder of ``output`` cannot be written to.
    """
    started = time.perf_counter()
    settings = settings or get_settings()
    units = _scored_units(store, manifest)

    def report(frames: int) -> None:
        if progress:
            progress(Progress("stitch", frames, manifest.frames))

    with (
        _unpublished(output) as partial,
        scratch_folder(settings) as folder,
    ):
        results = _Results(store, manifest, units, folder)
        work = _Work(source, manifest, units, results, partial, output, folder, settings)
        made = work.table(report) if manifest.encoder is None else work.video(report)
        digest, size_bytes = file_sha256(partial), partial.stat().st_size
        if origin is not None:
            check_newest(origin)
    seconds = time.perf_counter() - started
    logger.info("%s: %d frames, verified, in %.1f s", output.name, manifest.frames, seconds)
    last = manifest.pts.unpack()[-1] + manifest.last_duration_ticks - manifest.pts.first
    return Stitched(
        output=str(output),
        sha256=digest,
        size_bytes=size_bytes,
        width=made.width,
        height=made.height,
        rows=made.rows,
        frames=manifest.frames,
        duration_seconds=float(last * manifest.video.time_base),
        streams=made.streams,
        warnings=manifest.video.warnings,
        seconds=seconds,
    )


@dataclass(frozen=True)
class _Made:
    """What is in the file that was written."""

    width: int
    height: int
    rows: int | None = None
    streams: tuple[StreamOutcome, ...] = ()


@dataclass(frozen=True)
class _Work:
    """What a result is made from, and where it is written."""

    source: Path
    manifest: Manifest
    units: list[ScoredUnit]
    results: _Results
    partial: Path
    output: Path
    folder: Path
    settings: Settings

    def table(self, report: Callable[[int], None]) -> _Made:
        """Join the units' tables."""
        rows = join_tables(self.manifest, self.results, self.source.name, self.partial, report)
        return _Made(self.units[0].width, self.units[0].height, rows)

    def video(self, report: Callable[[int], None]) -> _Made:
        """Join the units' clips and the other streams of the source."""
        source, manifest, settings = self.source, self.manifest, self.settings
        suffix = self.output.suffix.lower()
        _check_source(source, manifest)

        def assemble(spoilt: Mapping[int, Spoilt]) -> tuple[Muxed, list[StreamOutcome]]:
            muxed = mux(
                source,
                manifest,
                self.results,
                max(unit.reorder_frames for unit in self.units),
                self.partial,
                suffix,
                self.folder,
                settings,
                report,
                spoilt,
            )
            notes = _verify(self.partial, manifest, muxed, suffix)
            notes += lost_description(
                source, self.partial, muxed.targets, muxed.shift, suffix, settings
            )
            return muxed, notes

        muxed, notes = assembled(assemble, source, manifest.video, suffix, self.folder, settings)
        return _Made(muxed.width, muxed.height, streams=tuple(muxed.outcomes + notes))


def _check_source(source: Path, manifest: Manifest) -> None:
    """Refuse another file than the one that was split, by its size and then by its bytes."""
    advice = "Leave the source alone until the run is done, then run again."
    try:
        size_bytes = source.stat().st_size
        if size_bytes != manifest.source.size_bytes:
            raise InputError(
                f"{source.name!r} is not the file that was split: it has {size_bytes} bytes, then "
                f"it had {manifest.source.size_bytes}. {advice}"
            )
        digest = file_sha256(source)
    except OSError as error:
        raise InputError(
            f"{str(source)!r} cannot be read any more ({error.strerror}); its sound is needed for "
            f"the result. {advice}"
        ) from error
    if digest != manifest.source.sha256:
        raise InputError(
            f"{source.name!r} is not the file that was split: its sha256 is {digest[:16]}…, then "
            f"it was {manifest.source.sha256[:16]}…. {advice}"
        )


def _scored_units(store: Store, manifest: Manifest) -> list[ScoredUnit]:
    found = [scored_unit(store, manifest, unit.index) for unit in manifest.units]
    missing = [index for index, unit in enumerate(found) if unit is None]
    if missing:
        raise _not_scored(store, manifest, missing)
    return [unit for unit in found if unit is not None]


def _not_scored(store: Store, manifest: Manifest, units: list[int]) -> TransientError:
    """Take back the records of units whose files cannot be used, and say what to do."""
    for index in units:
        store.delete(manifest.unit_record_key(index))
    names = ", ".join(str(index) for index in units[:20]) + (", …" if len(units) > 20 else "")
    return TransientError(
        f"the results of units {names} are not in the store {store.url!r}, or not as they were "
        "scored. Run the job again: it scores just these."
    )


class _Results:
    """Fetches units' files one at a time, so that the disk holds one, and checks their hash."""

    def __init__(
        self, store: Store, manifest: Manifest, units: list[ScoredUnit], folder: Path
    ) -> None:
        self._store = store
        self._manifest = manifest
        self._units = units
        self._folder = folder
        self._held = -1

    def __call__(self, index: int) -> Path:
        suffix = RESULT_SUFFIXES[self._manifest.scorer.result]
        path = self._folder / f"unit{suffix}"
        if index != self._held:
            self._held = -1
            if not (self._fetched(index, path) or self._fetched(index, path)):
                raise _not_scored(self._store, self._manifest, [index])
            self._held = index
        return path

    def _fetched(self, index: int, path: Path) -> bool:
        """Fetch a unit's file; return whether it is the one that was scored, unaltered."""
        wanted = self._units[index].result_sha256
        try:
            key = self._manifest.unit_result_key(index, wanted)
            self._store.download(key, path, sha256=wanted)
        except (KeyError, WrongBytes):
            return False
        return file_sha256(path) == wanted


def _verify(path: Path, manifest: Manifest, muxed: Muxed, suffix: str) -> list[StreamOutcome]:
    tick = container_for(suffix).tick
    error = verify_output(
        path,
        muxed.pts,
        manifest.video.time_base,
        muxed.audio_sha256,
        tick,
        muxed.subtitle_sha256,
    )
    if not error:
        return []
    return [
        StreamOutcome(
            stream=manifest.video.stream_index,
            kind="video",
            action="changed",
            detail=f"times rounded by up to {float(error) * 1000:.3f} ms: {suffix} counts in ms",
        )
    ]


@contextmanager
def _unpublished(output: Path) -> Iterator[Path]:
    """Give a path beside ``output`` that becomes it on success and vanishes on failure."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        remove_older(output.parent, f"{PARTIAL_PREFIX}*", _LEFT_BEHIND_SECONDS)
        descriptor, name = tempfile.mkstemp(prefix=PARTIAL_PREFIX, dir=output.parent)
    except OSError as error:
        raise OutputRefused(
            f"cannot write to the folder {str(output.parent)!r}: {error.strerror}; "
            "name another output or change its permissions."
        ) from error
    os.close(descriptor)
    partial = Path(name)
    try:
        yield partial
        publish(partial, output)
    finally:
        partial.unlink(missing_ok=True)
