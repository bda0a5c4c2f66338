"""One progress artifact per run, fed by the engine's progress and by finished units."""

from __future__ import annotations

import time
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from framewright.types import Progress, Unit

__all__ = ["ProgressBoard"]

UPDATE_SECONDS = 1.0
"""Least time between two updates within one stage: each is a call of the API."""

STAGES = {
    "split": ("Splitting", "frames read"),
    "upload": ("Uploading", "bundles"),
    "score": ("Scoring", "units"),
    "stitch": ("Stitching", "frames"),
    "verify": ("Verifying", "frames"),
}


class ProgressBoard:
    """What a run is doing and how far it is: the bar counts scored units."""

    def __init__(self, key: str) -> None:
        self._artifact = cast(
            UUID, create_progress_artifact(0.0, key=key, description="Starting")
        )  # this class is for synchronous flows
        self._percent = 0.0
        self._shown = ""
        self._updated = 0.0

    def __call__(self, progress: Progress) -> None:
        """Show one step of the engine, at most once a second within a stage."""
        verb, unit = STAGES[progress.stage]
        now = time.monotonic()
        if verb == self._shown and now - self._updated < UPDATE_SECONDS:
            return
        self._shown, self._updated = verb, now
        total = f" of {progress.total:,}" if progress.total else ""
        self.say(f"{verb}: {progress.done:,}{total} {unit}")

    def scored(self, done: list[Unit], total: list[Unit]) -> None:
        """Show which units of how many are scored."""
        frames, all_frames = sum(u.frames for u in done), sum(u.frames for u in total)
        self._percent = 100.0 * len(done) / max(1, len(total))
        self.say(f"Scoring: {len(done)} of {len(total)} units, {frames:,} of {all_frames:,} frames")

    def say(self, words: str) -> None:
        """Show what the run is doing; the bar stays where it is."""
        update_progress_artifact(self._artifact, self._percent, words)
