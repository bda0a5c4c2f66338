"""Score a video: split, upload, score the units in parallel, stitch, report."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Failed

from flows.cluster import Cluster, choose_runner
from flows.parameters import (
    Address,
    Hdr,
    Interlaced,
    OnDamage,
    ScorerName,
    ScorerOptions,
    StyleName,
    UnitSeconds,
    WorkStore,
    artifact_key,
    run_name,
)
from flows.scoring import score_units
from framewright.delivery import JobOrder, done_before
from framewright.errors import InputError
from framewright.media.compare import comparison_path
from framewright.outputs import output_suffix, resolve_place
from framewright.plan import Split, load_manifest
from framewright.results import RunReport
from framewright.score import finished_units
from framewright.scorers import create
from framewright.settings import get_settings
from framewright.sources import Origin, find, local_name, local_options
from framewright.stitch import Stitched
from framewright.storage import Place, RemoteFile, open_store, place_of
from framewright.types import Treatment, Unit
from tasks.compare import compare_videos
from tasks.deliver import deliver_clip, deliver_video
from tasks.fetch import fetch_source
from tasks.login import open_here, settings_here
from tasks.progress import ProgressBoard
from tasks.report import publish_report
from tasks.split import split_video
from tasks.stitch import stitch_video
from tasks.upload import upload_bundles

__all__ = ["score_video"]

RUNNER = choose_runner(get_settings())


@flow(name="score-video", flow_run_name=run_name, task_runner=RUNNER.task_runner)  # type: ignore[arg-type]
def score_video(
    video: Address,
    output: Address,
    scorer: ScorerName = "fast",
    style: StyleName = "",
    scorer_options: ScorerOptions = {},  # noqa: B006 - never changed; it is the form's default
    unit_seconds: UnitSeconds = 10.0,
    work_store: WorkStore = "",
    comparison: bool = False,
    on_damage: OnDamage = "refuse",
    interlaced: Interlaced = "keep",
    hdr: Hdr = "refuse",
) -> dict[str, Any] | State[Any]:
    """Apply a model to every frame of a video; its sound and everything else stay as they are.

    Units that an earlier run has scored are not scored again: a retry goes on where the run before
    it stopped.

    Args:
        video: The video to score: an absolute path on the machine that runs the flow,
            az://ACCOUNT/CONTAINER/PATH, or the https address of a blob, without a SAS token.
        output: Where the result goes: a path or address of a file, whose suffix decides the
            container (.mp4, .m4v, .mov, .mkv, .webm), or of a folder, ending in "/"; name and
            container then follow the video.
        scorer: The model that is applied to every frame.
        style: The painting, by name, for scorers that have styles. Empty for the scorer's default.
        scorer_options: Further options of the scorer as JSON, such as
            {"image": "/data/palette.jpg"} for the scorer "color". An address of a blob is fetched.
        unit_seconds: Length of video that one scoring task does, in seconds. Aim at 10 to 60 s of
            work per task, and at a few hundred tasks at most.
        work_store: Where bundles and scored units are kept: the absolute path, or file:// and it,
            of a folder that all workers see, or az://ACCOUNT/CONTAINER/PREFIX, without a SAS token.
            Empty for FRAMEWRIGHT_WORK_STORE of the machine that runs the flow.
        comparison: Also make a clip with source and result side by side, beside the output.
        on_damage: What happens to a damaged video. "refuse" it, or "hold" the last good frame
            until the picture is whole again; the report lists every stretch.
        interlaced: "keep" the two fields of each frame interleaved, or "deinterlace" into one
            picture for each frame.
        hdr: What happens to HDR video that the scorer does not expect. "refuse" it, "tone-map" it
            to standard range, or "pass" its values on as they are.
    """
    board = ProgressBoard(artifact_key("progress", video, style or scorer))
    treatment = Treatment(on_damage=on_damage, interlaced=interlaced, hdr=hdr)
    options = {**scorer_options, **({"style": style} if style else {})}
    folder = get_settings().scratch_folder or None
    try:
        with tempfile.TemporaryDirectory(prefix="framewright-", dir=folder) as files:
            settings = settings_here()
            address = work_store or get_settings().work_store
            store = open_store(address, settings).url  # the same for all workers
            identity = create(scorer, local_options(options, Path(files), settings)).identity
            order = JobOrder(output, identity, unit_seconds, treatment, settings)
            run = _Run(order, store, board, Path(files), video, style or scorer)
            return run(place_of(video, settings), comparison)
    except InputError as error:
        board.say("Refused")
        return Failed(message=str(error))


class _Run:
    """One run of the flow, from the source to the report."""

    def __init__(
        self,
        order: JobOrder,
        store: str,
        board: ProgressBoard,
        folder: Path,
        video: str,
        look: str,
    ) -> None:
        self._order = order
        self._store = store
        self._board = board
        self._folder = folder
        self._artifact = artifact_key("report", video, look)
        self._started = time.perf_counter()

    def __call__(self, place: Place, comparison: bool) -> dict[str, Any] | State[Any]:
        """Do what is not done yet."""
        origin = find(place, self._order.settings)
        done = done_before(open_here(self._store), origin, self._order) if origin.etag else None
        if done is not None:
            seconds = time.perf_counter() - self._started
            stages = {"check": seconds, "total": seconds}
            return self._report(
                Path(origin.name), None, done.stitched, done.manifest.job_key, set(), stages
            )
        source = place if isinstance(place, Path) else Path()
        if isinstance(place, RemoteFile):
            self._board.say("Fetching the video")
            source, origin = fetch_source(origin, self._folder / "source")
        parts, target = _plan(source, origin, self._order, self._store, self._board)
        key, prepared = parts.job_key, time.perf_counter()
        scored_now, connect_seconds = _score(key, self._store, self._board)
        scored = time.perf_counter()
        remote = isinstance(target, RemoteFile)
        file = self._folder / local_name(target.name) if isinstance(target, RemoteFile) else target
        stitched = stitch_video(source, file, store=self._store, job_key=key, progress=self._board)
        if remote or origin.etag:
            stitched = deliver_video(
                stitched, target, origin=origin, store=self._store, job_key=key
            )
        finished = time.perf_counter()
        stages = _stages(parts.seconds, connect_seconds, self._started, prepared, scored, finished)
        made = self._report(source, file, stitched, key, scored_now, stages)
        if comparison and isinstance(made, dict):
            made["comparison"] = self._compared(source, file, target, origin, key)
        return made

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
            clip = compare_videos(source, file)
            if not isinstance(target, RemoteFile):
                return clip
            beside = target.sibling(comparison_path(Path(target.name)).name)
            return deliver_clip(
                Path(clip), beside, origin=origin, store=self._store, job_key=job_key
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the result is there
            get_run_logger().error("there is no comparison clip of %s: %s", target.name, error)
            return ""


def _stages(
    split: float, connect: float, started: float, prepared: float, scored: float, finished: float
) -> dict[str, float]:
    """Wall seconds of each stage, from two durations and four moments."""
    return {
        "split": split,
        "upload": prepared - started - split,
        "connect": connect,
        "score": scored - prepared - connect,
        "stitch": finished - scored,
        "total": finished - started,
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
    suffix = output_suffix(order.output)
    folder = get_settings().scratch_folder or None
    with tempfile.TemporaryDirectory(prefix="framewright-", dir=folder) as scratch:
        parts = split_video(
            source,
            scorer=order.scorer,
            scratch=Path(scratch),
            store=store,
            unit_seconds=order.unit_seconds,
            suffix=suffix,
            treatment=order.treatment,
            progress=board,
        )
        target = resolve_place(
            order.output, origin.place, parts.suffix, order.scorer, order.settings
        )
        upload_bundles(parts, store=store, origin=origin, progress=board)
    return parts, target


def _score(job_key: str, store: str, board: ProgressBoard) -> tuple[set[int], float]:
    """Score the units that are not scored yet.

    Returns:
        Their indices, and the seconds until a cluster was there to score them.
    """
    log, began = get_run_logger(), time.perf_counter()
    connected = began
    opened = open_here(store)
    units = list(load_manifest(opened, job_key).units)
    done = finished_units(opened, load_manifest(opened, job_key))
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
