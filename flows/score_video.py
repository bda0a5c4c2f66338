"""Score a video: split, upload, score the units in parallel, stitch, report."""

from __future__ import annotations

import time
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Failed

from flows.parameters import (
    Address,
    Hdr,
    Interlaced,
    Mask,
    OnDamage,
    ScorerName,
    ScorerOptions,
    Stability,
    Style,
    UnitSeconds,
    WorkStore,
    all_options,
    artifact_key,
    look_of,
    run_name,
)
from flows.run import RUNNER, Run
from framewright.assets import assets_of
from framewright.delivery import JobOrder
from framewright.errors import InputError, OutputRefused
from framewright.outputs import check_writable
from framewright.scorers import create
from framewright.scratch import scratch_folder
from framewright.sources import find, local_mask, local_options
from framewright.storage import open_store, place_of
from framewright.types import Treatment
from tasks.login import settings_here
from tasks.logs import engine_logs
from tasks.progress import ProgressBoard

__all__ = ["score_video"]

_NOTHING_TO_SHOW = (
    "the scorer {!r} makes records, of which there is no clip to compare: run without comparison."
)


@flow(name="score-video", flow_run_name=run_name, task_runner=RUNNER.task_runner)  # type: ignore[arg-type]
def score_video(
    video: Address,
    output: Address,
    scorer: ScorerName = "fast",
    style: Style = "",
    scorer_options: ScorerOptions = {},  # noqa: B006 - never changed; it is the form's default
    unit_seconds: UnitSeconds = 30.0,
    work_store: WorkStore = "",
    comparison: bool = False,
    on_damage: OnDamage = "refuse",
    interlaced: Interlaced = "keep",
    hdr: Hdr = "refuse",
    stability: Stability | None = None,
    mask: Mask = "",
) -> dict[str, Any] | State[Any]:
    """Apply a model to every frame of a video; its sound and everything else stay as they are.

    Units that an earlier run has scored are not scored again: a retry goes on where the run before
    it stopped.

    Args:
        video: The video to score: an absolute path on the machine that runs the flow,
            az://ACCOUNT/CONTAINER/PATH, or the https address of a blob, without a SAS token.
        output: Where the result goes: a path or address of a file, whose suffix decides the
            container (.mp4, .m4v, .mov, .mkv, .webm; .parquet for a scorer that makes records), or
            of a folder, ending in "/"; name and container then follow the video.
        scorer: The model that is applied to every frame.
        style: The painting, for scorers that have styles: a shipped one by name, or an image file:
            its absolute path on the machine that runs the flow, or the address of a blob. Empty for
            the scorer's default.
        scorer_options: Further options of the scorer as JSON, such as {"strength": 0.7,
            "keep_colors": 1}, or {"style": {"wave": 0.6, "/data/my.jpg": 0.4}} for a blend. What an
            address of a blob names is fetched.
        unit_seconds: Length of video that one scoring task does, in seconds; a short video is cut
            into four, of 4 s at least. Aim at 10 to 60 s of work per task.
        work_store: Where bundles and scored units are kept: the absolute path, or file:// and it,
            of a folder that all workers see, or az://ACCOUNT/CONTAINER/PREFIX, without a SAS token.
            Empty for FRAMEWRIGHT_WORK_STORE of the machine that runs the flow.
        comparison: Also make a clip with source and result side by side, beside the output; not of
            records.
        on_damage: What happens to a damaged video. "refuse" it, or "hold" the last good frame
            until the picture is whole again; the report lists every stretch.
        interlaced: "keep" the two fields of each frame interleaved, or "deinterlace" into one
            picture for each frame.
        hdr: What happens to HDR video that the scorer does not expect. "refuse" it, "tone-map" it
            to standard range, or "pass" its values on as they are.
        stability: How steady the pictures are made, 0 to 1. 0 leaves them as the scorer made them,
            1 is steadiest. Empty for what suits the scorer.
        mask: Where pictures are scored: a video with a picture for each frame of the video, or an
            image, by absolute path or address. White is scored, black stays as it is, grey is
            mixed. Empty for everywhere.
    """
    started, look = time.perf_counter(), look_of(style, scorer)
    board = ProgressBoard(artifact_key("progress", video, look))
    try:
        settings = settings_here()
        origin = find(place_of(video, settings), settings)
        check_writable(output)
        with scratch_folder(settings) as files:
            address = work_store or settings.work_store
            store = open_store(address, settings).url  # the same for all workers
            covered = local_mask(mask, files / "mask", settings)
            where = covered.reference if covered else ""
            treatment = Treatment(
                on_damage=on_damage, interlaced=interlaced, hdr=hdr, stability=stability, mask=where
            )
            with engine_logs():
                options = all_options(style, scorer_options)
                made = create(scorer, local_options(options, files / "options", settings), board)
            if comparison and made.identity.result == "records":
                raise OutputRefused(_NOTHING_TO_SHOW.format(scorer))
            fitted = time.perf_counter()
            assets = assets_of(made, covered)
            order = JobOrder(output, made.identity, unit_seconds, treatment, settings, assets)
            report = artifact_key("report", video, look)
            run = Run(order, store=store, board=board, folder=files, artifact=report)
            return run(origin, comparison=comparison, started=started, fitted=fitted)
    except InputError as error:
        board.say("Refused")
        return Failed(message=str(error))
