"""Stitch: scored units, with sound and the rest where they are video, into one verified file."""

from __future__ import annotations

from pathlib import Path

from framewright.journal import recording
from framewright.plan import load_manifest
from framewright.sources import Origin
from framewright.stitch import Stitched, stitch
from framewright.types import ProgressCallback
from tasks.login import open_here
from tasks.logs import engine_logs
from tasks.policy import step

__all__ = ["stitch_video"]


@step("stitch", "stitch {output.name}")
def stitch_video(
    source: Path,
    output: Path,
    *,
    origin: Origin | None = None,
    store: str,
    job_key: str,
    progress: ProgressCallback,
) -> Stitched:
    """Put the scored units together with the sound of the source; publish the file whole."""
    opened = open_here(store)
    with engine_logs(), recording(opened, "stitch", job_key):
        manifest = load_manifest(opened, job_key)
        return stitch(opened, manifest, source, output, origin=origin, progress=progress)
