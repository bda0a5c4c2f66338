"""A scorer of records on its device: batches in, checked rows out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch

from framewright.errors import ScorerFailed
from framewright.model import Loaded
from framewright.scorers.asset import Fetch
from framewright.scorers.base import Column, RecordScorer, Row
from framewright.settings import Settings
from framewright.types import ScorerIdentity

__all__ = ["LoadedRecorder"]

_KINDS = {"bool": bool, "int64": int, "float32": float, "float64": float, "string": str}
_MOST_INTEGER = (1 << 63) - 1


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
                _check_row(self._name, row, self.columns)
        return results


def _check_row(scorer: str, row: Row, columns: Sequence[Column]) -> None:
    """Refuse a row that is not what the columns promise."""
    if row.keys() != {column.name for column in columns}:
        raise ScorerFailed(
            f"scorer {scorer!r} returned a record with {', '.join(map(str, row)) or 'nothing'}; "
            f"its columns are {', '.join(column.name for column in columns)}."
        )
    for column in columns:
        if not _fits(row[column.name], column):
            raise ScorerFailed(
                f"scorer {scorer!r} returned {row[column.name]!r} in the column {column.name!r}; "
                f"a {column.type} is expected: Python's own {_KINDS[column.type].__name__}"
                f"{', finite' if _KINDS[column.type] is float else ''}."
            )


def _fits(value: object, column: Column) -> bool:
    if type(value) is not _KINDS[column.type]:
        return False
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    return isinstance(value, bool) or abs(cast(int, value)) <= _MOST_INTEGER
