"""What a record must be like, for the columns that a scorer promises."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from framewright.errors import ScorerFailed
from framewright.scorers.base import Column, Row

__all__ = ["check_row"]

_KINDS = {"bool": bool, "int64": int, "float32": float, "float64": float, "string": str}
_MOST_INTEGER = (1 << 63) - 1


def check_row(scorer: str, row: Row, columns: Sequence[Column]) -> None:
    """Refuse a row that is not what the columns promise.

    Raises:
        ScorerFailed: other columns, or a value of another type, not finite, or no text.
    """
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
