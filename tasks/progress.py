"""One progress artifact per run, fed by the engine's progress and by finished units."""

from __future__ import annotations

import logging
import time
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from framewright.types import Progress, Unit

__all__ = ["ProgressBoard"]

UPDATE_SECONDS = 1.0
"""Least time between two updates within one stage: each is a call of the API."""

logger = logging.getLogger(__name__)

STAGES = {
    "fit": ("Fitting the style", "steps"),
    "split": ("Splitting", "frames read"),
    "check": ("Checking", "frames decoded"),
    "upload": ("Uploading", "bundles"),
    "score": ("Scoring", "units"),
    "stitch": ("Stitching", "frames"),
    "verify": ("Verifying", "frames"),
}


class ProgressBoard:
    """What a run is doing and how far it is: the bar counts scored units.

    It is for people only: where the API does not take an update, that is logged and work goes on.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._artifact: UUID | None = None
        self._percent = 0.0
        self._shown = ""
        self._updated = 0.0
        self.say("Starting")

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
        """Show which units of how many are scored, at most once a second until all are."""
        frames, all_frames = sum(u.frames for u in done), sum(u.frames for u in total)
        self._percent = 100.0 * len(done) / max(1, len(total))
        now, verb = time.monotonic(), "Scoring units"
        too_soon = verb == self._shown and now - self._updated < UPDATE_SECONDS
        if too_soon and len(done) < len(total):
            return
        self._shown, self._updated = verb, now
        self.say(f"Scoring: {len(done)} of {len(total)} units, {frames:,} of {all_frames:,} frames")

    def say(self, words: str) -> None:
        """Show what the run is doing; the bar stays where it is."""
        try:
            if self._artifact is None:
                self._artifact = cast(  # this class is for synchronous flows
                    UUID, create_progress_artifact(self._percent, key=self._key, description=words)
                )
            else:
                update_progress_artifact(self._artifact, self._percent, words)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end a run
            logger.warning("the progress %r could not be shown: %s", words, error)
