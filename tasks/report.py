"""Report: what the run did, as an artifact in the UI and as files in the store."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run

from framewright.plan import load_manifest
from framewright.report import build_report, report_markdown, thumbnails
from framewright.results import RunReport
from framewright.score import scored_unit
from framewright.stitch import Stitched
from tasks.login import open_here
from tasks.logs import engine_logs
from tasks.policy import step

__all__ = ["publish_report", "report_key"]


def report_key(flow_run_id: str, name: str) -> str:
    """Storage key of a run's report: ``report.json`` or ``report.md``."""
    return f"reports/{flow_run_id}/{name}"


@step("report", "report")
def publish_report(
    source: Path,
    stitched: Stitched,
    *,
    store: str,
    job_key: str,
    scored_now: Collection[int],
    stages: Mapping[str, float],
    artifact: str,
    video: Path | None = None,
) -> RunReport:
    """Gather the units' records, draw up the page with before and after, publish both.

    ``video`` is the result as a file of this machine, and ``source`` is one too; without it there
    are no pictures.
    """
    with engine_logs():
        opened = open_here(store)
        manifest = load_manifest(opened, job_key)
        records = (scored_unit(opened, manifest, unit.index) for unit in manifest.units)
        # A unit that a second worker found done after the first one died was scored in this run.
        units = [r.model_copy(update={"reused": r.index not in scored_now}) for r in records if r]
        report = build_report(manifest, units, stitched, stages, store_url=opened.url)
        # The manifest has the name under which these bytes were first seen.
        named = report.source.model_copy(update={"name": source.name})
        report = report.model_copy(update={"source": named})
        pictures = thumbnails(source, video) if video and stitched.rows is None else ()
        page = report_markdown(report, pictures)
    description = (
        f"{source.name}: {report.frames_out:,} frames, {report.units_scored} of {len(units)} units "
        f"scored in this run, {report.frames_per_second:.1f} frames/s"
    )
    create_markdown_artifact(page, key=artifact, description=description)
    run = str(flow_run.get_id())
    opened.put(report_key(run, "report.json"), report.model_dump_json(indent=2).encode())
    opened.put(report_key(run, "report.md"), page.encode())
    return report
