"""One run of ``score-video``: fetch, split, upload, score, stitch, deliver, report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Failed

from flows.cluster import Cluster, choose_runner
from flows.scoring import score_units
from framewright.delivery import Done, JobOrder, done_before, sent_before
from framewright.media.compare import comparison_path
from framewright.outputs import output_suffix, resolve_place
from framewright.plan import Split, load_manifest
from framewright.results import RunReport
from framewright.score import finished_units
from framewright.scratch import scratch_folder
from framewright.settings import get_settings
from framewright.sources import Origin, local_name
from framewright.stitch import Stitched
from framewright.storage import Place, RemoteFile
from framewright.types import Unit
from tasks.compare import compare_videos
from tasks.deliver import deliver_clip, deliver_video
from tasks.fetch import fetch_source
from tasks.login import open_here
from tasks.progress import ProgressBoard
from tasks.report import publish_report
from tasks.split import split_video
from tasks.stitch import stitch_video
from tasks.upload import upload_bundles

__all__ = ["RUNNER", "Run"]

RUNNER = choose_runner(get_settings())


class Run:
    """One run of the flow, from the source to the report."""

    def __init__(
        self, order: JobOrder, *, store: str, board: ProgressBoard, folder: Path, artifact: str
    ) -> None:
        """Prepare a run.

        Args:
            order: what the user wants.
            store: address of the work store.
            board: shown while the run is under way.
            folder: for the source and the result, where they come from or go to blob storage.
            artifact: key of the report in the UI.
        """
        self._order = order
        self._store = store
        self._board = board
        self._folder = folder
        self._artifact = artifact

    def __call__(
        self, origin: Origin, *, comparison: bool, started: float, fitted: float
    ) -> dict[str, Any] | State[Any]:
        """Do what is not done yet.

        Args:
            origin: the source.
            comparison: whether a clip with source and result side by side is made too.
            started: when the run began, by ``time.perf_counter``.
            fitted: when its scorer was there.
        """
        fit = fitted - started
        output_suffix(self._order.output, self._order.scorer)
        done = done_before(open_here(self._store), origin, self._order)
        clip = _clip_of(done) if done and comparison else ""
        if done and (clip or not comparison):
            finished = time.perf_counter()
            stages = {"fit": fit, "check": finished - fitted, "total": finished - started}
            key = done.manifest.job_key
            made = self._report(Path(origin.name), None, done.stitched, key, set(), stages)
            return {**made, "comparison": clip} if isinstance(made, dict) else made
        source, origin, stages = self._fetched(origin)
        stages = {"fit": fit, **stages}
        ready = time.perf_counter()
        parts, target = _plan(source, origin, self._order, self._store, self._board)
        key, prepared = parts.job_key, time.perf_counter()
        scored_now, connect = _score(key, self._store, self._board)
        scored = time.perf_counter()
        file = self._folder / local_name(target.name) if isinstance(target, RemoteFile) else target
        stitched = stitch_video(
            source,
            file,
            origin=origin if file is target else None,
            store=self._store,
            job_key=key,
            progress=self._board,
        )
        done_at = time.perf_counter()
        stages |= _stages(parts.seconds, connect, ready, prepared, scored, done_at)
        if isinstance(target, RemoteFile) or origin.etag:
            stitched = deliver_video(
                stitched, target, origin=origin, store=self._store, job_key=key
            )
            stages["deliver"] = time.perf_counter() - done_at
        stages["total"] = time.perf_counter() - started
        made = self._report(source, file, stitched, key, scored_now, stages)
        if comparison and isinstance(made, dict):
            made["comparison"] = self._compared(source, file, target, origin, key)
        return made

    def _fetched(self, origin: Origin) -> tuple[Path, Origin, dict[str, float]]:
        """The source as a file of this machine, its version, and the seconds that took."""
        if isinstance(origin.place, Path):
            return origin.place, origin, {}
        began = time.perf_counter()
        self._board.say("Fetching the video")
        source, origin = fetch_source(origin, self._folder / "source")
        return source, origin, {"fetch": time.perf_counter() - began}

    def _report(
        self,
        source: Path,
        video: Path | None,
        stitched: Stitched,
        job_key: str,
        scored_now: set[int],
        stages: dict[str, float],
    ) -> dict[str, Any] | State[Any]:
        """Publish the report; what goes wrong with it takes nothing back."""
        self._board.say("Writing the report")
        try:
            report = publish_report(
                source,
                stitched,
                store=self._store,
                job_key=job_key,
                scored_now=scored_now,
                stages=stages,
                artifact=self._artifact,
                video=video,
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the result is there
            self._board.say("Done, without a report")
            return Failed(message=_only_the_report(stitched.output, error))
        words = f"{report.frames_out:,} of {report.frames_in:,} frames, {report.units_scored} units"
        self._board.say(f"Done: {words} scored in this run")
        return _result(report)

    def _compared(
        self, source: Path, file: Path, target: Place, origin: Origin, job_key: str
    ) -> str:
        """Make the comparison clip; without it the run is no less complete."""
        try:
            clip = compare_videos(source, file, origin=origin)
            if not isinstance(target, RemoteFile):
                return clip
            beside = target.sibling(comparison_path(Path(target.name)).name)
            return deliver_clip(
                Path(clip), beside, origin=origin, store=self._store, job_key=job_key
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the result is there
            get_run_logger().error("there is no comparison clip of %s: %s", target.name, error)
            return ""


def _clip_of(done: Done) -> str:
    """Path or address of the comparison clip of a job that is done; empty where there is none."""
    if isinstance(target := done.target, RemoteFile):
        beside = target.sibling(comparison_path(Path(target.name)).name)
        return beside.url if sent_before(beside, done.manifest) else ""
    clip = comparison_path(target)
    newer = clip.is_file() and clip.stat().st_mtime >= target.stat().st_mtime
    return str(clip) if newer else ""


def _stages(
    split: float, connect: float, ready: float, prepared: float, scored: float, finished: float
) -> dict[str, float]:
    """Wall seconds of the stages that every run has, from two durations and four moments."""
    return {
        "split": split,
        "upload": prepared - ready - split,
        "connect": connect,
        "score": scored - prepared - connect,
        "stitch": finished - scored,
    }


def _result(report: RunReport) -> dict[str, Any]:
    return {
        "output": report.output,
        "comparison": "",
        "frames": report.frames_out,
        "units": len(report.units),
        "units_scored": report.units_scored,
        "frames_per_second": round(report.frames_per_second, 2),
        "overhead_share": round(report.overhead_share, 3),
    }


def _only_the_report(output: str, error: Exception) -> str:
    return (
        f"{output} is finished, verified and in its place; only the report could not be published: "
        f"{type(error).__name__}: {error} A retry of this run scores nothing and reports again."
    )


def _plan(
    source: Path, origin: Origin, order: JobOrder, store: str, board: ProgressBoard
) -> tuple[Split, Place]:
    """Refuse what cannot be done, then put bundles and manifest into the store."""
    suffix = output_suffix(order.output, order.scorer)
    with scratch_folder(order.settings) as scratch:
        parts = split_video(
            source,
            scorer=order.scorer,
            scratch=scratch,
            store=store,
            unit_seconds=order.unit_seconds,
            suffix=suffix,
            treatment=order.treatment,
            assets=order.assets,
            progress=board,
        )
        target = resolve_place(
            order.output, origin.place, parts.suffix, order.scorer, order.settings
        )
        upload_bundles(parts, assets=order.assets, store=store, origin=origin, progress=board)
    return parts, target


def _score(job_key: str, store: str, board: ProgressBoard) -> tuple[set[int], float]:
    """Score the units that are not scored yet.

    Returns:
        Their indices, and the seconds until a cluster was there to score them.
    """
    log, began = get_run_logger(), time.perf_counter()
    connected = began
    opened = open_here(store)
    manifest = load_manifest(opened, job_key)
    units, done = list(manifest.units), finished_units(opened, manifest)
    todo = [unit for unit in units if unit.index not in done]
    finished = [unit for unit in units if unit.index in done]
    log.info("%d of %d units are scored already", len(finished), len(units))
    board.scored(finished, units)
    if todo:
        log.info("scoring %s", RUNNER.reason)
        cluster = Cluster.of_run()
        connected = time.perf_counter()
        log.info("%d workers have the same release as this run", len(cluster.workers))

        def scored(unit: Unit) -> None:
            finished.append(unit)
            board.scored(finished, units)

        score_units(todo, store=store, job_key=job_key, cluster=cluster, scored=scored)
    return {unit.index for unit in todo}, connected - began
