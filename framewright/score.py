"""Score one unit of a job: the work of one task, on one worker."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pydantic import ValidationError

from framewright.errors import (
    EnvironmentMismatch,
    FrameCountError,
    ManifestError,
    ScorerFailed,
    SourceRefused,
)
from framewright.files import file_sha256
from framewright.journal import Journal, recording
from framewright.media.check import MAX_PREROLL
from framewright.media.color import FrameToRgb, Pixels, RgbToFrame
from framewright.media.decode import BundleSource, MissingFrames
from framewright.media.encode import UnitEncoder, encoder_build
from framewright.media.pictures import needed_frames, shown_pictures
from framewright.media.treatment import tone_maps, treated
from framewright.pipeline import overlap
from framewright.plan import load_manifest
from framewright.settings import Settings, get_settings
from framewright.storage import Store
from framewright.types import (
    BundleRef,
    Manifest,
    Progress,
    ProgressCallback,
    ScoredUnit,
    ScorerIdentity,
    Unit,
    VideoInfo,
)

if TYPE_CHECKING:
    from framewright.media.tonemap import ToneMap
    from framewright.model import LoadedScorer

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
    """Score a unit and publish its clip, then its record; do nothing where that is done already.

    Safe to call from several threads: they take turns, because they share one model.

    Raises:
        EnvironmentMismatch: this process has another encoder or scorer than the job was planned
            with.
        SourceRefused: the source is damaged within this unit.
        OutOfMemory: not even one frame fits into the device's memory.
        StoreUnavailable: the store did not answer.
    """
    settings = settings or get_settings()
    manifest = load_manifest(store, job_key)
    if (done := scored_unit(store, manifest, index)) is not None:
        return done
    unit = manifest.units[index]
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
    unit, model = manifest.units[index], _model_for(manifest, settings)
    with tempfile.TemporaryDirectory(
        prefix="framewright-", dir=settings.scratch_folder or None
    ) as folder:
        clip = Path(folder) / "unit.mp4"
        started_at = time.time()
        started, before = time.perf_counter(), model.model_seconds
        run = _score_into(clip, store, manifest, unit, model, settings, progress, journal)
        seconds = time.perf_counter() - started
        record = ScoredUnit(
            job_key=manifest.job_key,
            index=index,
            start=unit.start,
            stop=unit.stop,
            frames=unit.frames,
            width=run.width,
            height=run.height,
            reorder_frames=run.reorder_frames,
            video_sha256=file_sha256(clip),
            size_bytes=clip.stat().st_size,
            started_at=started_at,
            seconds=seconds,
            setup_seconds=model.setup_seconds,
            model_seconds=model.model_seconds - before,
            batch_frames=model.batch_frames,
            device=str(model.device),
            worker=f"{socket.gethostname()}:{os.getpid()}",
        )
        store.put(manifest.unit_video_key(index, record.video_sha256), clip)
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
    clip = store.stat(manifest.unit_video_key(index, record.video_sha256))
    whole = (
        clip is not None
        and clip.size_bytes == record.size_bytes
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


def _model_for(manifest: Manifest, settings: Settings) -> LoadedScorer:
    """Return the job's model, loaded and ready for its frames."""
    if encoder_build() != manifest.encoder.build:
        raise EnvironmentMismatch(
            f"this worker encodes with {encoder_build()}, the job was planned with "
            f"{manifest.encoder.build}: install the same release of PyAV everywhere."
        )
    model = _loaded_scorer(manifest.scorer.model_dump_json(), settings)
    model.prepare(manifest.video.width, manifest.video.height, manifest.video.rotation)
    return model


@lru_cache(maxsize=1)
def _loaded_scorer(identity: str, settings: Settings) -> LoadedScorer:
    from framewright.model import LoadedScorer  # loads torch, which only workers need

    return LoadedScorer(ScorerIdentity.model_validate_json(identity), settings)


def _score_into(
    clip: Path,
    store: Store,
    manifest: Manifest,
    unit: Unit,
    model: LoadedScorer,
    settings: Settings,
    progress: ProgressCallback | None,
    journal: Journal,
) -> _UnitRun:
    """Write a unit's clip; begin decoding ever earlier until all its frames come out."""
    start = max(0, unit.start - model.context_frames)
    needed = needed_frames(manifest, start, unit.stop)
    first, stop = _bundles_for(manifest, needed)
    missing: MissingFrames | None = None
    earliest = max(0, first - MAX_PREROLL)
    while first >= earliest:
        bundles: list[BundleSource] = [
            partial(_open_bundle, store, bundle) for bundle in manifest.bundles[first:stop]
        ]
        run = _UnitRun(manifest, unit, start, model, settings, progress, journal)
        try:
            run(bundles, clip)
            return run
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


def _bundles_for(manifest: Manifest, pictures: list[int]) -> tuple[int, int]:
    """Range of the bundles that must be decoded for some frames, of increasing number."""
    owners = [
        (place, bundle)
        for place, bundle in enumerate(manifest.bundles)
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
        model: LoadedScorer,
        settings: Settings,
        progress: ProgressCallback | None,
        journal: Journal,
    ) -> None:
        self._journal = journal
        self._manifest = manifest
        self._unit = unit
        self._start = start
        self._model = model
        self._settings = settings
        self._progress = progress
        self._deep = "10le" in manifest.encoder.pixel_format
        self._tone_map: ToneMap | None = None
        if tone_maps(manifest.video, manifest.treatment):
            from framewright.media.tonemap import ToneMap  # loads torch, which only workers need

            self._tone_map = ToneMap(manifest.video, model.device)
        self._passed = 0
        self.width = self.height = self.reorder_frames = 0

    def __call__(self, bundles: list[BundleSource], clip: Path) -> None:
        """Write the clip; then ``width``, ``height`` and ``reorder_frames`` describe it."""
        video = self._manifest.video
        batch = self._model.batch_frames
        self._model.begin(self._start)
        overlap(
            self._batches(bundles),
            lambda batch: self._redrawn(batch, video),
            lambda pictures: self._encode(pictures, clip),
            inbox_items=max(2, self._settings.queue_frames // batch),
            outbox_items=max(2 * batch, self._settings.queue_frames),
        )

    def _redrawn(self, batch: list[Pixels], video: VideoInfo) -> Iterator[Pixels]:
        """Pass a batch through the model, and note how long that took."""
        before, first = self._model.model_seconds, self._start + self._passed
        yield from self._model(batch, video.rotation, self._deep, video.mirrored, self._tone_map)
        self._passed += len(batch)
        seconds = round(self._model.model_seconds - before, 6)
        self._journal.note("batch", frame=first, frames=len(batch), model_seconds=seconds)

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

    def _encode(self, pictures: Iterator[Pixels], clip: Path) -> None:
        manifest, unit = self._manifest, self._unit
        output = treated(manifest.video, manifest.treatment)
        to_frame = RgbToFrame(
            output.color,
            manifest.encoder.pixel_format,
            interlaced=output.field_order != "progressive",
        )
        context, count = unit.start - self._start, 0
        encoder: UnitEncoder | None = None
        for number, picture in enumerate(pictures):
            if number < context:
                continue
            size = (picture.shape[2], picture.shape[1])
            if encoder is not None and size != (self.width, self.height):
                raise ScorerFailed(
                    f"the scorer returned pictures of {self.width}x{self.height}, then of "
                    f"{size[0]}x{size[1]} in one unit."
                )
            if encoder is None:
                self.width, self.height = size
                encoder = UnitEncoder(clip, manifest.encoder, output, self.width, self.height)
            encoder.add(to_frame(picture))
            count += 1
            if self._progress:
                self._progress(Progress("score", count, unit.frames))
        if encoder is not None:
            encoder.close()
            self.reorder_frames = encoder.reorder_frames
        if count != unit.frames:
            raise FrameCountError(unit.frames, count, f"unit {unit.index}")
