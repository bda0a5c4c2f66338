"""Tables of records in Parquet: a part for each unit, joined in order into one file.

Rows are in the order of the frames. Row groups have the same number of rows however the video was
cut into units, so the joined file does not depend on that, byte by byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from framewright import __version__
from framewright.errors import InputError, ScorerFailed, VerificationError
from framewright.media.treatment import treated
from framewright.scorers.base import Column, Row
from framewright.types import FrameRange, Manifest, Unit

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["METADATA_KEY", "OWN_COLUMNS", "RowSink", "join_tables", "require_parquet"]

METADATA_KEY = b"framewright"
"""Under it the file's metadata hold a JSON object: source, scorer, time base, frames looked at."""

OWN_COLUMNS = (
    Column("frame", "int64", "number of the frame in the video, from 0, in the order of display"),
    Column("pts", "int64", "time of its display as in the source, in ticks of time_base seconds"),
    Column("time", "float64", "the same in seconds: pts times time_base, rounded to a double"),
    Column(
        "held",
        "bool",
        "true where the source is damaged at this frame, so that another one was looked at: the "
        "last good one before it, or else the first",
    ),
)
"""What stands before a scorer's own columns."""

_GROUP_ROWS = 65_536
"""Rows that are in memory at a time."""


def require_parquet() -> None:
    """Refuse to go on without the package that reads and writes Parquet.

    Raises:
        InputError: it is not installed.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(
            f"the package {error.name!r} is needed for a scorer of records: "
            "pip install 'framewright[records]', on every machine."
        ) from error


class RowSink:
    """Writes a unit's part: takes the records of its frames, one frame after the other."""

    def __init__(
        self, manifest: Manifest, unit: Unit, columns: Sequence[Column], path: Path
    ) -> None:
        """Begin a part.

        Raises:
            ScorerFailed: a column's name is taken, or none.
        """
        self._unit = unit
        self._size = _upright(manifest)
        self._pts = manifest.pts.unpack()[unit.start : unit.stop]
        self._time_base = manifest.video.time_base
        held = manifest.pictures(unit.start, unit.stop)
        self._held = [shown != frame for frame, shown in enumerate(held, unit.start)]
        self._names = [column.name for column in columns]
        self._schema = _schema(manifest.scorer.name, columns)
        self._columns: list[list[Any]] = [[] for _ in self._schema]
        self._frames = 0
        path.unlink(missing_ok=True)  # an earlier attempt may still have the file open
        self._writer = _Writer(path, self._schema, manifest, manifest.source.name, unit)

    def add(self, result: Sequence[Row]) -> None:
        """Take the next frame's records."""
        place = self._frames
        self._frames += 1
        ticks = self._pts[place]
        own = (self._unit.start + place, ticks, float(ticks * self._time_base), self._held[place])
        for row in result:
            record = (*own, *(row[name] for name in self._names))
            for values, value in zip(self._columns, record, strict=True):
                values.append(value)
        if len(self._columns[0]) >= _GROUP_ROWS:
            self._flush()

    def close(self) -> dict[str, int]:
        """Finish the part; return its rows, and the size of the frames that they are about."""
        self._flush()
        self._writer.close()
        return {"width": self._size[0], "height": self._size[1], "rows": self._writer.rows}

    def _flush(self) -> None:
        import pyarrow as pa

        arrays = [
            pa.array(values, field.type)
            for values, field in zip(self._columns, self._schema, strict=True)
        ]
        self._writer.add(pa.Table.from_arrays(arrays, schema=self._schema))
        self._columns = [[] for _ in self._schema]


def join_tables(
    manifest: Manifest,
    part: Callable[[int], Path],
    source_name: str,
    output: Path,
    progress: Callable[[int], None],
) -> int:
    """Join the parts of all units into one table, check every row, and read it back.

    Args:
        manifest: the plan.
        part: gives the part of a unit as a local file, which the next call may replace.
        source_name: the source's name, for people who read the metadata.
        output: file to write.
        progress: told the number of frames whose rows are written.

    Returns:
        The number of rows.

    Raises:
        ScorerFailed: units have different columns.
        VerificationError: a part, or the file, is not what was planned.
    """
    pts = np.array(manifest.pts.unpack())
    whole = Unit(index=0, start=0, stop=manifest.frames)
    writer: _Writer | None = None
    for unit in manifest.units:
        for rows in _rows(part(unit.index), f"the table of unit {unit.index}", pts, unit):
            writer = writer or _Writer(output, rows.schema, manifest, source_name, whole)
            if not rows.schema.equals(writer.schema, check_metadata=True):
                raise ScorerFailed(
                    f"scorer {manifest.scorer.name!r} has other columns in unit {unit.index} than "
                    "in the units before: its version must change whenever its columns do."
                )
            writer.add(rows)
        progress(unit.stop)
    if writer is None:
        raise VerificationError("a plan without units makes no table.")
    writer.close()
    read: int = sum(rows.num_rows for rows in _rows(output, "the joined table", pts, whole))
    if read != writer.rows:
        raise VerificationError(f"the table has {read} rows; {writer.rows} were written.")
    return read


def _rows(path: Path, name: str, pts: npt.NDArray[np.int64], unit: Unit) -> Iterator[pa.Table]:
    """Yield the rows of a file, after an empty table that has its columns.

    They must be of a unit's frames, in their order and at their times.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as table:
            said = json.loads((table.schema_arrow.metadata or {})[METADATA_KEY])["frames"]
            if said != [unit.start, unit.stop]:
                raise VerificationError(
                    f"{name} says that it is of the frames {said}; [{unit.start}, {unit.stop}) are "
                    "expected."
                )
            yield table.schema_arrow.remove_metadata().empty_table()
            last = unit.start
            for batch in table.iter_batches(_GROUP_ROWS):
                last = _check_order(batch, name, pts, last, unit.stop)
                yield pa.Table.from_batches([batch]).replace_schema_metadata(None)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise VerificationError(f"{name} does not read back: {error}.") from error


def _check_order(
    batch: pa.RecordBatch, name: str, pts: npt.NDArray[np.int64], first: int, stop: int
) -> int:
    """Refuse rows that go back, leave ``[first, stop)``, or have other times; return the last."""
    frames = batch["frame"].to_numpy()
    if not len(frames):
        return first
    last = int(frames[-1])
    if frames[0] < first or last >= stop or (np.diff(frames) < 0).any():
        raise VerificationError(
            f"{name} has rows that are not of the frames [{first}, {stop}) in their order."
        )
    if (pts[frames] != batch["pts"].to_numpy()).any():
        raise VerificationError(f"{name} has rows at other times than the plan says.")
    return last


class _Writer:
    """Writes a table in row groups of ``_GROUP_ROWS`` rows, however they come."""

    def __init__(
        self, path: Path, schema: pa.Schema, manifest: Manifest, source_name: str, frames: Unit
    ) -> None:
        import pyarrow.parquet as pq

        described = _metadata(manifest, source_name, (frames.start, frames.stop))
        self.schema = schema
        self._parquet = pq.ParquetWriter(
            path,
            schema.with_metadata({METADATA_KEY: described}),
            compression="zstd",
            write_page_checksum=True,
        )
        self._waiting: list[pa.Table] = []
        self._count = 0
        self.rows = 0

    def add(self, rows: pa.Table) -> None:
        """Write rows, or keep them until there are enough for a group."""
        self._waiting.append(rows)
        self._count += rows.num_rows
        self.rows += rows.num_rows
        while self._count >= _GROUP_ROWS:
            self._write(_GROUP_ROWS)

    def close(self) -> None:
        """Write what waits, and the end of the file."""
        if self._count:
            self._write(self._count)
        self._parquet.close()

    def _write(self, count: int) -> None:
        import pyarrow as pa

        table = pa.concat_tables(self._waiting).combine_chunks()
        self._parquet.write_table(table.slice(0, count), row_group_size=count)
        self._waiting = [table.slice(count)]
        self._count -= count


def _schema(scorer: str, columns: Sequence[Column]) -> pa.Schema:
    """Return framewright's own columns and the scorer's, each with its meaning as metadata."""
    import pyarrow as pa

    every = (*OWN_COLUMNS, *columns)
    names = [column.name for column in every]
    twice = sorted({name for name in names if names.count(name) > 1 or not name})
    if twice:
        raise ScorerFailed(
            f"scorer {scorer!r} names columns {', '.join(map(repr, twice))}: empty, twice, or "
            f"taken by framewright ({', '.join(column.name for column in OWN_COLUMNS)})."
        )
    types = {
        "bool": pa.bool_(),
        "int64": pa.int64(),
        "float32": pa.float32(),
        "float64": pa.float64(),
        "string": pa.string(),
    }
    return pa.schema(
        [
            pa.field(
                column.name,
                types[column.type],
                nullable=False,
                metadata={"meaning": column.meaning},
            )
            for column in every
        ]
    )


def _metadata(manifest: Manifest, source_name: str, frames: FrameRange) -> bytes:
    width, height = _upright(manifest)
    start, stop = frames
    described = {
        "framewright": __version__,
        "source": {**manifest.source.model_dump(mode="json"), "name": source_name},
        "scorer": manifest.scorer.model_dump(mode="json"),
        "treatment": manifest.treatment.model_dump(mode="json"),
        "time_base": str(manifest.video.time_base),
        "frames": [start, stop],
        "held": [span for span in manifest.held if span[0] < stop and span[1] > start],
        "width": width,
        "height": height,
    }
    return json.dumps(described, ensure_ascii=False, sort_keys=True).encode()


def _upright(manifest: Manifest) -> tuple[int, int]:
    """Width and height of the frames as a player shows them, which is how a scorer sees them."""
    video = treated(manifest.video, manifest.treatment)
    turned = round(video.rotation / 90) % 2
    return (video.height, video.width) if turned else (video.width, video.height)
