"""What a run did."""

from __future__ import annotations

from math import inf
from typing import Literal

from framewright.types import FrameRange, Record, ScoredUnit, ScorerIdentity, Sha256, SourceInfo

__all__ = ["RunReport", "StreamOutcome"]


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
    frames_in: int
    frames_out: int
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
