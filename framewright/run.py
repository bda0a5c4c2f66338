"""Run a whole job on this machine: a scoring process per GPU or core, no orchestrator."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from framewright.delivery import JobOrder, deliver, done_before
from framewright.errors import FramewrightError, ScorerFailed, WorkerLost
from framewright.gpus import visible_gpus
from framewright.journal import Journal, recording, shown_level
from framewright.outputs import check_writable, output_suffix, resolve_place
from framewright.plan import split, upload
from framewright.report import build_report
from framewright.results import RunReport, ScoredUnit
from framewright.score import score_unit, scored_unit
from framewright.scratch import scratch_folder
from framewright.settings import Settings, get_settings
from framewright.sources import Origin, fetch, find, local_name, remember
from framewright.stitch import Stitched, stitch
from framewright.storage import Place, RemoteFile, Store, open_store, place_of
from framewright.types import Manifest, Progress, ProgressCallback, ScorerIdentity, Treatment

__all__ = ["run"]

logger = logging.getLogger(__name__)

_LOG_FORMAT = "%(levelname)s %(name)s[%(process)d]: %(message)s"
"""How the log lines of scoring processes look."""
_MAX_DEAD_POOLS = 3
_REPORT_SECONDS = 0.2
_STOP_SECONDS = 10
"""How long a scoring process may take to clean up once it is told to stop."""
_PAUSE_SECONDS = 1
_SPAWN = multiprocessing.get_context("spawn")


def run(
    source: Path | str | Origin,
    output: str,
    scorer: ScorerIdentity,
    *,
    unit_seconds: float | None = None,
    treatment: Treatment | None = None,
    assets: Mapping[str, Path] | None = None,
    workers: int = 0,
    settings: Settings | None = None,
    progress: ProgressCallback | None = None,
) -> RunReport:
    """Score every frame of a video.

    Args:
        source: the video: a path, or the address of a blob; or what ``find`` has found there, so
            that it is not looked for again.
        output: a file or blob, whose suffix decides the container, or a folder ending in ``/``. A
            table of records ends in ``.parquet``.
        scorer: what to score with.
        unit_seconds: length of video per unit, in seconds; from the settings if None.
        treatment: what to do with damage, interlacing, HDR, flicker and a mask; the defaults if
            None.
        assets: files of the user's that scorer and treatment name, by reference; see
            ``assets_of``.
        workers: scoring processes; one per GPU, or per core where there is none, if 0.
        settings: knobs; those of the process if None.
        progress: told about frames done.

    Raises:
        InputError: the user must change something; no output was written.
        ScorerFailed: the scorer raised an error of its own.
        WorkerLost: scoring processes died again and again.
    """
    settings = settings or get_settings()
    store = open_store(settings.work_store, settings)
    place = place_of(source, settings) if isinstance(source, str) else source
    with (
        recording(store, "run", source=place.name, scorer=scorer.name) as journal,
        scratch_folder(settings) as folder,
    ):
        job = _Job(store, folder, settings, progress, journal)
        order = JobOrder(output, scorer, unit_seconds, treatment, settings, assets or {})
        return job(place, order, workers)


class _Job:
    """One run, from the source to the report."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        settings: Settings,
        progress: ProgressCallback | None,
        journal: Journal,
    ) -> None:
        self._store = store
        self._folder = folder
        self._settings = settings
        self._progress = progress
        self._journal = journal
        self._clock, self._started_at = _Clock(journal), time.time()

    def __call__(self, place: Place | Origin, order: JobOrder, workers: int) -> RunReport:
        """Do what is not done yet."""
        output_suffix(order.output, order.scorer)
        check_writable(order.output)
        origin = place if isinstance(place, Origin) else find(place, self._settings)
        if (done := done_before(self._store, origin, order)) is not None:
            self._journal.job_key = done.manifest.job_key
            return self._report(done.manifest, done.units, done.stitched)
        path, origin = self._fetched(origin)
        manifest, target = self._planned(path, origin, order)
        workers = workers or self._settings.worker_count(len(visible_gpus()))
        with self._clock("score"):
            units = _score_all(self._store, manifest, workers, self._settings, self._progress)
        file = self._folder / local_name(target.name) if isinstance(target, RemoteFile) else target
        with self._clock("stitch"):
            stitched = stitch(
                self._store,
                manifest,
                path,
                file,
                origin=origin if file is target else None,
                settings=self._settings,
                progress=self._progress,
            )
        if isinstance(target, RemoteFile) or origin.etag:
            with self._clock("deliver"):
                stitched = deliver(self._store, manifest, stitched, target, origin)
        return self._report(manifest, units, stitched)

    def _fetched(self, origin: Origin) -> tuple[Path, Origin]:
        if isinstance(origin.place, Path):
            return origin.place, origin
        folder = self._folder / "source"
        folder.mkdir()
        with self._clock("fetch"):
            return fetch(origin, folder, self._settings)

    def _planned(self, path: Path, origin: Origin, order: JobOrder) -> tuple[Manifest, Place]:
        with scratch_folder(self._settings) as scratch:
            with self._clock("split"):
                parts = split(
                    path,
                    scorer=order.scorer,
                    scratch=scratch,
                    store=self._store,
                    unit_seconds=order.unit_seconds,
                    suffix=output_suffix(order.output, order.scorer),
                    treatment=order.treatment,
                    assets=order.assets,
                    settings=self._settings,
                    progress=self._progress,
                )
            self._journal.job_key = parts.job_key
            target = resolve_place(
                order.output, origin.place, parts.suffix, order.scorer, self._settings
            )
            with self._clock("upload"):
                manifest = upload(parts, self._store, self._progress, assets=order.assets)
                remember(self._store, origin, parts)
        return manifest, target

    def _report(self, manifest: Manifest, units: list[ScoredUnit], stitched: Stitched) -> RunReport:
        stages = self._clock.stages()
        return build_report(
            manifest, units, stitched, stages, self._started_at, store_url=self._store.url
        )


class _Clock:
    """Wall seconds by stage."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._started = time.perf_counter()
        self._stages: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._stages[stage] = time.perf_counter() - started
        self._journal.note("stage", stage=stage, seconds=round(self._stages[stage], 4))

    def stages(self) -> dict[str, float]:
        return {**self._stages, "total": time.perf_counter() - self._started}


def _score_all(
    store: Store,
    manifest: Manifest,
    workers: int,
    settings: Settings,
    progress: ProgressCallback | None,
) -> list[ScoredUnit]:
    done: dict[int, ScoredUnit] = {}
    for unit in manifest.units:
        if (record := scored_unit(store, manifest, unit.index)) is not None:
            done[unit.index] = record
    counter = _FrameCounter(manifest, progress)
    for _ in range(_MAX_DEAD_POOLS):
        todo = [unit.index for unit in manifest.units if unit.index not in done]
        if not todo:
            return [done[unit.index] for unit in manifest.units]
        counter.start(done)
        try:
            _score_in_pool(manifest, todo, min(workers, len(todo)), settings, done, counter)
        except BrokenProcessPool:
            logger.warning("a scoring process died; %d units left", len(manifest.units) - len(done))
    missing = [unit.index for unit in manifest.units if unit.index not in done]
    if missing:
        raise WorkerLost(
            f"scoring processes died {_MAX_DEAD_POOLS} times, last with units {missing[:10]} open; "
            "is memory short? Use fewer --workers; what is scored is kept, so run it again."
        )
    return [done[unit.index] for unit in manifest.units]


class _FrameCounter:
    """Tells how many frames are scored: whole units, and what running workers have done."""

    def __init__(self, manifest: Manifest, progress: ProgressCallback | None) -> None:
        self._total = manifest.frames
        self._progress = progress
        self._before = 0
        self.running: Synchronized[int] = _SPAWN.Value("q", 0)

    def start(self, done: dict[int, ScoredUnit]) -> None:
        """Begin with units that are scored already."""
        self._before = sum(unit.frames for unit in done.values())
        self.running = _SPAWN.Value("q", 0)
        self.report()

    def report(self) -> None:
        """Tell the callback."""
        if self._progress:
            # Without the lock: a process that was killed may have kept it.
            frames = min(self._total, self._before + self.running.get_obj().value)
            self._progress(Progress("score", frames, self._total))


def _score_in_pool(
    manifest: Manifest,
    todo: list[int],
    workers: int,
    settings: Settings,
    done: dict[int, ScoredUnit],
    counter: _FrameCounter,
) -> None:
    others = set(multiprocessing.active_children())
    shared = _Shared(
        frames=counter.running,
        processes=_SPAWN.Value("q", 0),
        gpus=visible_gpus(),
        log_level=shown_level(),
    )
    with ProcessPoolExecutor(
        workers, mp_context=_SPAWN, initializer=_begin_process, initargs=(shared,)
    ) as pool:
        pending: set[Future[ScoredUnit]] = {
            pool.submit(_score_one, settings, manifest.job_key, index) for index in todo
        }
        try:
            while pending:
                finished, pending = wait(pending, _REPORT_SECONDS, return_when=FIRST_COMPLETED)
                for future in finished:
                    record = future.result()
                    done[record.index] = record
                counter.report()
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


@dataclass(frozen=True)
class _Shared:
    """What every scoring process is told when it begins."""

    frames: Synchronized[int]
    """Frames that all processes have scored."""
    processes: Synchronized[int]
    """How many processes have begun."""
    gpus: tuple[str, ...]
    """The GPUs to share out, as CUDA_VISIBLE_DEVICES names them."""
    log_level: int


_frames_done: Synchronized[int] | None = None
"""In a scoring process: frames that all processes have scored."""
_stopping = False
"""In a scoring process: whether it was told to stop."""


def _begin_process(shared: _Shared) -> None:
    """Set up a scoring process, before torch is loaded in it."""
    global _frames_done
    _frames_done = shared.frames
    logging.basicConfig(level=shared.log_level, format=_LOG_FORMAT)
    if shared.gpus:
        with shared.processes.get_lock():
            number = shared.processes.value
            shared.processes.value += 1
        os.environ["CUDA_VISIBLE_DEVICES"] = shared.gpus[number % len(shared.gpus)]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its processes itself
    signal.signal(signal.SIGTERM, _stop)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """Stop when the parent is gone, however it went: first the unit, then the waiting for more."""
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        while True:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(_PAUSE_SECONDS)


def _stop(*_: object) -> None:
    """Leave what is being scored, so that its temporary files are removed."""
    global _stopping
    if not _stopping:
        signal.alarm(_STOP_SECONDS)  # ends the process should anything hold it up
    _stopping = True
    raise SystemExit(1)


def _count_frame(_: Progress) -> None:
    if _frames_done is not None:
        with _frames_done.get_lock():
            _frames_done.value += 1


def _score_one(settings: Settings, job_key: str, index: int) -> ScoredUnit:
    if _stopping:
        raise SystemExit(1)
    store = open_store(settings.work_store, settings)
    try:
        return score_unit(store, job_key, index, settings=settings, progress=_count_frame)
    except FramewrightError:
        raise
    except Exception as error:
        from framewright.model import blamed_scorer  # loads torch, which only workers need

        if not (scorer := blamed_scorer(error)):
            raise
        # Only an error of ours is sure to survive the way to the other process.
        raise ScorerFailed(
            f"scorer {scorer} raised {type(error).__name__}: {error}, in unit {index}.",
            "".join(traceback.format_exception(error)),
        ) from error
