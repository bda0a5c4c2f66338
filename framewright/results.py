"""What a run did."""

from __future__ import annotations

from math import inf
from typing import Literal

from pydantic import Field, model_validator

from framewright.types import FrameRange, Record, ScorerIdentity, Sha256, SourceInfo
from framewright.values import Seconds

__all__ = ["RunReport", "ScoredUnit", "StreamOutcome"]


class ScoredUnit(Record):
    """The record beside a scored unit's clip or table; its presence and match mean: done."""

    schema_version: Literal[1] = 1
    job_key: Sha256
    index: int = Field(ge=0)
    start: int = Field(ge=0)
    stop: int
    frames: int = Field(gt=0)
    width: int = Field(gt=0)
    """Of the clip's pictures; where there is a table, of the upright frames it is about."""
    height: int = Field(gt=0)
    rows: int = Field(0, ge=0)
    """Of the table."""
    reorder_frames: int = Field(0, ge=0)
    """By how many places the encoder delayed a frame: sets the decoding times of the output."""
    result_sha256: Sha256
    """Of the clip, or of the table."""
    size_bytes: int = Field(gt=0)
    started_at: Seconds = 0.0
    """When scoring began, with the model loaded: seconds since the epoch, by the worker's clock."""
    seconds: Seconds
    """Wall time of the unit on its worker, model loading excluded."""
    setup_seconds: Seconds = 0.0
    """Time to load the model, where this unit was the first of its process."""
    model_seconds: Seconds
    """Time inside the scorer."""
    batch_frames: int
    device: str
    worker: str = ""
    reused: bool = False
    """True where an earlier run had scored it: set on the copy that is returned, never stored."""

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> ScoredUnit:
        if self.stop - self.start != self.frames:
            raise ValueError(f"{self.frames} frames in [{self.start}, {self.stop})")
        if self.reorder_frames >= self.frames:
            raise ValueError(f"{self.reorder_frames} of {self.frames} frames reordered")
        return self


class StreamOutcome(Record):
    """What became of one stream or property of the source that could not simply be copied."""

    stream: int
    kind: str
    action: Literal["copied", "converted", "dropped", "changed"]
    detail: str


class RunReport(Record):
    """What a run did, for people and for the artifact in the UI."""

    schema_version: Literal[1] = 1
    job_key: Sha256
    source: SourceInfo
    output: str
    output_sha256: Sha256
    output_size_bytes: int
    width: int
    height: int
    """Of the pictures; of the upright frames that records are about, where there are records."""
    rows: int | None = None
    """Records in the output; None where it is a video."""
    frames_in: int
    frames_out: int
    """Frames of the output; of a table, the frames that were looked at."""
    duration_seconds: float
    scorer: ScorerIdentity
    units: tuple[ScoredUnit, ...]
    started_at: float = 0.0
    """When the run began, in seconds since the epoch; 0 where the workers have other clocks."""
    stages: dict[str, float]
    """Wall seconds of ``split``, ``upload``, ``score``, ``stitch`` and ``total``.

    ``score`` includes starting processes and loading the model.
    """
    streams: tuple[StreamOutcome, ...] = ()
    warnings: tuple[str, ...] = ()
    logs: str = ""
    """Address of the folder with the JSON lines of the job's runs and units."""
    held: tuple[FrameRange, ...] = ()
    """Damaged frames of the source, each range shown as the good frame before it."""

    @property
    def units_scored(self) -> int:
        """Units scored in this run, not taken from an earlier one."""
        return sum(not unit.reused for unit in self.units)

    @property
    def frames_per_second(self) -> float:
        """Frames out per second of wall time of the whole run."""
        return self.frames_out / max(self.stages["total"], 1e-9)

    @property
    def scoring_seconds(self) -> float:
        """Wall seconds of the run in which at least one of its units was being scored.

        The length of the union of the units' times, within the run where its beginning is known.
        Starting processes and loading the model are not scoring.
        """
        total = self.stages["total"]
        start, stop = (self.started_at, self.started_at + total) if self.started_at else (-inf, inf)
        seconds, covered = 0.0, start
        for unit in sorted(self.units, key=lambda unit: unit.started_at):
            if not unit.reused:
                end = min(unit.started_at + unit.seconds, stop)
                seconds += max(0.0, end - max(unit.started_at, covered))
                covered = max(covered, end)
        return min(seconds, total)

    @property
    def overhead_share(self) -> float:
        """Share of the run's wall time in which no unit was being scored, 0 to 1."""
        return max(0.0, 1.0 - self.scoring_seconds / max(self.stages["total"], 1e-9))
