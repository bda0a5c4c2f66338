"""Score one unit of a job: the work of one task, on one worker."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pydantic import ValidationError

from framewright.allocation import keep_freed_memory
from framewright.assets import FetchedAssets
from framewright.errors import (
    FrameCountError,
    ManifestError,
    SourceRefused,
)
from framewright.files import file_sha256
from framewright.journal import Journal, recording
from framewright.media.check import MAX_PREROLL
from framewright.media.color import FrameToRgb, Pixels
from framewright.media.decode import BundleSource, MissingFrames
from framewright.media.mask import Masking, mask_range, shares_of
from framewright.media.pictures import needed_frames, shown_pictures
from framewright.media.treatment import stability, tone_maps, treated
from framewright.pipeline import overlap
from framewright.plan import load_manifest
from framewright.results import ScoredUnit
from framewright.scratch import scratch_folder
from framewright.settings import Settings, get_settings
from framewright.sinks import Sink, check_sink, load_scorer, open_sink
from framewright.steady.stabiliser import Stabiliser, history_frames
from framewright.storage import Store
from framewright.types import (
    BundleRef,
    Footage,
    Manifest,
    Progress,
    ProgressCallback,
    ScorerIdentity,
    Unit,
)
from framewright.values import RESULT_SUFFIXES

if TYPE_CHECKING:
    from framewright.media.tonemap import ToneMap
    from framewright.model import Loaded

__all__ = ["finished_units", "score_unit", "scored_unit"]

logger = logging.getLogger(__name__)

_ONE_AT_A_TIME = threading.Lock()
"""A process has one model, for use by one unit at a time, however many threads a worker has."""


def score_unit(
    store: Store,
    job_key: str,
    index: int,
    *,
    settings: Settings | None = None,
    progress: ProgressCallback | None = None,
) -> ScoredUnit:
    """Score a unit and publish its clip or table, then its record; do nothing where that is done.

    Safe to call from several threads: they take turns, because they share one model.

    Raises:
        EnvironmentMismatch: this process has another encoder or scorer than the job was planned
            with.
        InputError: it lacks the package that writes tables.
        SourceRefused: the source is damaged within this unit.
        OutOfMemory: not even one frame fits into the device's memory.
        StoreUnavailable: the store did not answer.
    """
    settings = settings or get_settings()
    manifest = load_manifest(store, job_key)
    if (done := scored_unit(store, manifest, index)) is not None:
        return done
    unit = manifest.units[index]
    keep_freed_memory()
    with (
        _ONE_AT_A_TIME,
        recording(
            store, f"unit-{index:05d}", job_key, unit=index, start=unit.start, stop=unit.stop
        ) as journal,
    ):
        return _score_and_publish(store, manifest, index, settings, progress, journal)


def _score_and_publish(
    store: Store,
    manifest: Manifest,
    index: int,
    settings: Settings,
    progress: ProgressCallback | None,
    journal: Journal,
) -> ScoredUnit:
    unit, model = manifest.units[index], _model_for(store, manifest, settings)
    with scratch_folder(settings) as folder:
        result = folder / f"unit{RESULT_SUFFIXES[manifest.scorer.result]}"
        started_at = time.time()
        started, before = time.perf_counter(), model.model_seconds
        described = _score_into(result, store, manifest, unit, model, settings, progress, journal)
        seconds = time.perf_counter() - started
        record = ScoredUnit(
            job_key=manifest.job_key,
            index=index,
            start=unit.start,
            stop=unit.stop,
            frames=unit.frames,
            result_sha256=file_sha256(result),
            size_bytes=result.stat().st_size,
            started_at=started_at,
            seconds=seconds,
            setup_seconds=model.setup_seconds,
            model_seconds=model.model_seconds - before,
            batch_frames=model.batch_frames,
            device=str(model.device),
            worker=f"{socket.gethostname()}:{os.getpid()}",
            **described,
        )
        store.put(manifest.unit_result_key(index, record.result_sha256), result)
    store.put(manifest.unit_record_key(index), record.model_dump_json().encode())
    model.setup_seconds = 0.0
    logger.info(
        "unit %d [%d, %d): %d frames in %.1f s (%.1f frames/s)",
        index,
        unit.start,
        unit.stop,
        unit.frames,
        seconds,
        unit.frames / max(seconds, 1e-9),
    )
    return record


def scored_unit(store: Store, manifest: Manifest, index: int) -> ScoredUnit | None:
    """Return the record of a unit that is scored and whole, or None."""
    unit = manifest.units[index]
    try:
        record = ScoredUnit.model_validate_json(store.read(manifest.unit_record_key(index)))
    except (KeyError, ValidationError):
        return None
    result = store.stat(manifest.unit_result_key(index, record.result_sha256))
    whole = (
        result is not None
        and result.size_bytes == record.size_bytes
        and record.job_key == manifest.job_key
        and (record.index, record.start, record.stop) == (index, unit.start, unit.stop)
    )
    return record.model_copy(update={"reused": True}) if whole else None


def finished_units(store: Store, manifest: Manifest) -> set[int]:
    """Indices of all units that are scored and whole."""
    return {
        unit.index
        for unit in manifest.units
        if scored_unit(store, manifest, unit.index) is not None
    }


def _model_for(store: Store, manifest: Manifest, settings: Settings) -> Loaded[Any]:
    """Return the job's model, loaded and ready for its frames."""
    check_sink(manifest)
    fetch = FetchedAssets(store, settings)
    model = _loaded_scorer(manifest.scorer.model_dump_json(), fetch)
    model.prepare(manifest.video.width, manifest.video.height, manifest.video.rotation)
    return model


@lru_cache(maxsize=1)
def _loaded_scorer(identity: str, fetch: FetchedAssets) -> Loaded[Any]:
    return load_scorer(ScorerIdentity.model_validate_json(identity), fetch.settings, fetch)


def _score_into(
    path: Path,
    store: Store,
    manifest: Manifest,
    unit: Unit,
    model: Loaded[Any],
    settings: Settings,
    progress: ProgressCallback | None,
    journal: Journal,
) -> dict[str, int]:
    """Write a unit's result; begin decoding ever earlier until all its frames come out.

    Returns:
        The fields of its record that describe the file.
    """
    history = history_frames(stability(manifest.video, manifest.treatment))
    start = max(0, unit.start - model.context_frames - history)
    needed = needed_frames(manifest, start, unit.stop)
    first, stop = _bundles_for(manifest, needed)
    missing: MissingFrames | None = None
    earliest = max(0, first - MAX_PREROLL)
    while first >= earliest:
        bundles: list[BundleSource] = [
            partial(_open_bundle, store, bundle) for bundle in manifest.bundles[first:stop]
        ]
        masking = _masking(store, manifest, unit)
        run = _UnitRun(manifest, unit, start, model, masking, settings, progress, journal)
        try:
            return run(bundles, open_sink(manifest, unit, model, path))
        except MissingFrames as error:
            logger.info("unit %d: %s; decoding from one bundle earlier", unit.index, error)
            missing = error
            first -= 1
        except SourceRefused as error:
            where = _place(manifest, unit)
            raise SourceRefused(error.reason, f"{where}: {error.message}") from error
    frame = needed[missing.delivered if missing else 0]
    seconds = float(manifest.pts.unpack()[frame] * manifest.video.time_base)
    raise SourceRefused(
        "damaged",
        f"{_place(manifest, unit)}: the frame at {seconds:.3f} s cannot be decoded; repair or "
        "re-export the file.",
    )


def _masking(store: Store, manifest: Manifest, unit: Unit) -> Masking | None:
    """Return what lays the job's mask over a unit's own frames, if there is one."""
    if (mask := manifest.mask) is None:
        return None
    pictures = mask_range(mask, unit.start, unit.stop)
    first, stop = _bundles_for(mask, pictures)
    bundles = [partial(_open_bundle, store, bundle) for bundle in mask.bundles[first:stop]]
    return Masking(shares_of(mask, bundles, pictures, manifest.video))


def _bundles_for(footage: Footage, pictures: Sequence[int]) -> tuple[int, int]:
    """Range of the bundles that must be decoded for some frames, of increasing number."""
    owners = [
        (place, bundle)
        for place, bundle in enumerate(footage.bundles)
        if bundle.start_frame <= pictures[-1] and bundle.stop_frame > pictures[0]
    ]
    first = min(place - bundle.preroll for place, bundle in owners)
    return max(0, first), owners[-1][0] + 1


def _place(manifest: Manifest, unit: Unit) -> str:
    """Say which part of the source a unit is."""
    ticks = manifest.pts.unpack()
    start, last = (float(ticks[n] * manifest.video.time_base) for n in (unit.start, unit.stop - 1))
    return (
        f"{manifest.source.name!r} in unit {unit.index}, frames [{unit.start}, {unit.stop}), "
        f"{start:.3f} s to {last:.3f} s"
    )


def _open_bundle(store: Store, bundle: BundleRef) -> AbstractContextManager[BinaryIO]:
    try:
        return store.open(bundle.key, sha256=bundle.sha256)
    except KeyError as error:
        raise ManifestError(
            f"{bundle.key} is gone from the store {store.url!r}; run the job again, it is split "
            "anew.",
            report=False,
        ) from error


class _UnitRun:
    """One attempt at one unit."""

    def __init__(
        self,
        manifest: Manifest,
        unit: Unit,
        start: int,
        model: Loaded[Any],
        masking: Masking | None,
        settings: Settings,
        progress: ProgressCallback | None,
        journal: Journal,
    ) -> None:
        self._journal = journal
        self._manifest = manifest
        self._unit = unit
        self._start = start
        self._model = model
        self._masking = masking
        self._settings = settings
        self._progress = progress
        self._deep = manifest.encoder is not None and "10le" in manifest.encoder.pixel_format
        self._stabiliser = Stabiliser(stability(manifest.video, manifest.treatment))
        self._tone_map: ToneMap | None = None
        if tone_maps(manifest.video, manifest.treatment):
            from framewright.media.tonemap import ToneMap  # loads torch, which only workers need

            self._tone_map = ToneMap(manifest.video, model.device)
        self._passed = 0

    def __call__(self, bundles: list[BundleSource], sink: Sink[Any]) -> dict[str, int]:
        """Fill and close the sink; return what it says of its file."""
        batch = self._model.batch_frames
        self._model.begin(self._start)
        self._stabiliser.begin(self._start)
        overlap(
            self._batches(bundles),
            self._results,
            lambda results: self._fill(sink, results),
            inbox_items=max(2, self._settings.queue_frames // batch),
            outbox_items=max(2 * batch, self._settings.queue_frames),
        )
        return sink.close()

    def _results(self, frames: list[Pixels]) -> Iterator[Any]:
        """Score frames, steady the pictures that come of them, and note how long the model took."""
        video = self._manifest.video
        before, first = self._model.model_seconds, self._start + self._passed
        scored = self._model(frames, video.rotation, self._deep, video.mirrored, self._tone_map)
        if self._manifest.scorer.result == "records":
            yield from scored
        else:
            for number, (frame, picture) in enumerate(zip(frames, scored, strict=True), first):
                yield self._masked(number, frame, self._stabiliser(frame, picture))
        self._passed += len(frames)
        seconds = round(self._model.model_seconds - before, 6)
        self._journal.note("batch", frame=first, frames=len(frames), model_seconds=seconds)

    def _masked(self, number: int, frame: Pixels, picture: Pixels) -> Pixels:
        """Put back the source where the mask wants it; what comes before the unit is dropped."""
        if self._masking is None or number < self._unit.start:
            return picture
        return self._masking(self._model.unscored(frame, self._deep, self._tone_map), picture)

    def _batches(self, bundles: list[BundleSource]) -> Iterator[list[Pixels]]:
        manifest = self._manifest
        output = treated(manifest.video, manifest.treatment)
        to_rgb = FrameToRgb(manifest.video.color, interlaced=output.field_order != "progressive")
        batch: list[Pixels] = []
        for frame in shown_pictures(manifest, bundles, self._start, self._unit.stop):
            batch.append(to_rgb(frame))
            if len(batch) >= self._model.batch_frames:
                yield batch
                batch = []
        if batch:
            yield batch

    def _fill(self, sink: Sink[Any], results: Iterator[Any]) -> None:
        """Give the sink what was made of the unit's own frames."""
        unit, count = self._unit, 0
        for number, result in enumerate(results, self._start):
            if number < unit.start:
                continue
            sink.add(result)
            count += 1
            if self._progress:
                self._progress(Progress("score", count, unit.frames))
        if count != unit.frames:
            raise FrameCountError(unit.frames, count, f"unit {unit.index}")
