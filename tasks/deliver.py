"""Deliver: the finished video to its place in blob storage, whole."""

from __future__ import annotations

from pathlib import Path

from framewright.delivery import deliver, send
from framewright.files import file_sha256
from framewright.journal import recording
from framewright.plan import load_manifest
from framewright.sources import Origin
from framewright.stitch import Stitched
from framewright.storage import Place, RemoteFile
from tasks.login import open_here
from tasks.logs import engine_logs
from tasks.policy import step

__all__ = ["deliver_clip", "deliver_video"]


@step("deliver", "deliver {target.name}")
def deliver_video(
    stitched: Stitched, target: Place, *, origin: Origin, store: str, job_key: str
) -> Stitched:
    """Send a stitched video where it belongs, and note that it is there."""
    opened = open_here(store)
    with engine_logs(), recording(opened, "deliver", job_key):
        return deliver(opened, load_manifest(opened, job_key), stitched, target, origin)


@step("deliver", "deliver {target.name}")
def deliver_clip(
    clip: Path, target: RemoteFile, *, origin: Origin, store: str, job_key: str
) -> str:
    """Send a comparison clip beside the result; return its address."""
    with engine_logs():
        send(clip, target, load_manifest(open_here(store), job_key), file_sha256(clip), origin)
    return target.url
