"""A scorer of records on its device: batches in, checked rows out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch

from framewright.errors import ScorerFailed
from framewright.model import Loaded
from framewright.scorers.asset import Fetch
from framewright.scorers.base import RecordScorer, Row
from framewright.scorers.rows import check_row
from framewright.settings import Settings
from framewright.types import ScorerIdentity

__all__ = ["LoadedRecorder"]


class LoadedRecorder(Loaded[Sequence[Row]]):
    """A scorer that makes records: for each frame as a player shows it, any number of rows."""

    def __init__(
        self, identity: ScorerIdentity, settings: Settings, fetch: Fetch | None = None
    ) -> None:
        super().__init__(identity, settings, fetch)
        with self._blamed():
            self.columns = tuple(cast(RecordScorer, self._scorer).columns)

    def _results(
        self, frames: torch.Tensor, quarter_turns: int, mirrored: bool, deep: bool
    ) -> list[Sequence[Row]]:
        with self._blamed():
            results = list(cast(RecordScorer, self._scorer).record(frames))
        if len(results) != len(frames):
            raise ScorerFailed(
                f"scorer {self._name!r} returned records of {len(results)} frames for "
                f"{len(frames)}; one list for each frame is expected, empty where it found nothing."
            )
        for rows in results:
            for row in rows:
                check_row(self._name, row, self.columns)
        return results
