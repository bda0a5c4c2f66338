"""Records: every frame's, in order, at its time, however the video was cut."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from framewright import score as score_module
from framewright import tables
from framewright.cli import main
from framewright.errors import (
    InputError,
    OutOfMemory,
    ScorerFailed,
    TransientError,
    VerificationError,
)
from framewright.files import file_sha256
from framewright.recording import LoadedRecorder
from framewright.report import build_report, report_markdown
from framewright.results import ScoredUnit
from framewright.score import score_unit
from framewright.scorers import create
from framewright.scorers.base import Column
from framewright.settings import Settings
from framewright.stitch import stitch
from framewright.storage import LocalStore, Store
from framewright.tables import METADATA_KEY, RowSink
from framewright.types import Manifest, Progress, ScorerIdentity, Treatment
from tests.moving import COUNT, HEIGHT, TIME_BASE, WIDTH, Finder, boxes, moving_squares, ticks
from tests.support import plan_job, register
from tests.torture.code import read_code
from tests.torture.damage import damage
from tests.torture.make import Clip
from tests.torture.tool import ffmpeg

Job = tuple[Store, Manifest]
FRAME_SECONDS = float(512 * TIME_BASE)


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return moving_squares(tmp_path_factory.mktemp("moving") / "squares.mp4")


@pytest.fixture(autouse=True)
def _finder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    register(monkeypatch, Finder, "finder")
    yield
    score_module._loaded_scorer.cache_clear()


def scored(job: Job, batch: int = 1) -> list[ScoredUnit]:
    store, manifest = job
    settings = Settings(batch_frames=batch)
    return [
        score_unit(store, manifest.job_key, unit.index, settings=settings)
        for unit in manifest.units
    ]


def joined(source: Path, folder: Path, frames_per_unit: int, batch: int = 1) -> tuple[Path, int]:
    """Score a clip with the finder; return the table and the number of units."""
    folder.mkdir()
    seconds = frames_per_unit * FRAME_SECONDS
    store, manifest = plan_job(source, folder, unit_seconds=seconds, scorer=Finder.identity)
    scored((store, manifest), batch)
    stitch(store, manifest, source, folder / "out.parquet")
    return folder / "out.parquet", len(manifest.units)


def rows_of(path: Path) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in pq.read_table(path).to_pylist()]


def wanted(place: Callable[..., tuple[float, ...]] = lambda *box: box) -> list[tuple[Any, ...]]:
    return [
        (number, tick, float(tick * TIME_BASE), False, *place(*box))
        for number, tick in enumerate(ticks())
        for box in boxes(number)
    ]


def test_every_object_is_there_once_however_the_video_is_cut(
    moving: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_GROUP_ROWS", 8)
    whole, units = joined(moving, tmp_path / "whole", 1000)
    assert units == 1
    assert rows_of(whole) == wanted()
    for size, batch, count in ((1, 1, 22), (7, 3, 3)):
        path, units = joined(moving, tmp_path / str(size), size, batch)
        assert units == count
        assert path.read_bytes() == whole.read_bytes()
    groups = pq.ParquetFile(whole)
    sizes = [groups.metadata.row_group(n).num_rows for n in range(groups.num_row_groups)]
    assert sizes == [8, 8, len(wanted()) - 16]


@pytest.mark.parametrize(
    ("options", "place"),
    [
        # A turn to the left by a quarter: what was right is now up.
        (("-display_rotation", "90"), lambda x0, y0, x1, y1: (y0, WIDTH - x1, y1, WIDTH - x0)),
        (("-display_hflip",), lambda x0, y0, x1, y1: (WIDTH - x1, y0, WIDTH - x0, y1)),
    ],
    ids=["turned", "mirrored"],
)
def test_boxes_are_in_pixels_of_the_frame_as_shown(
    options: tuple[str, ...], place: Callable[..., tuple[float, ...]], moving: Path, tmp_path: Path
) -> None:
    turned = tmp_path / "turned.mp4"
    ffmpeg(*options, "-i", moving, "-c", "copy", turned)
    path, _ = joined(turned, tmp_path / "out", 11)
    assert sorted(rows_of(path)) == sorted(wanted(place))
    said = json.loads(pq.read_schema(path).metadata[METADATA_KEY])
    upright = (HEIGHT, WIDTH) if len(options) == 2 else (WIDTH, HEIGHT)
    assert (said["width"], said["height"]) == upright


def test_the_file_says_where_it_is_from(moving: Path, tmp_path: Path) -> None:
    path, _ = joined(moving, tmp_path / "out", 1000)
    schema = pq.read_schema(path)
    said = json.loads(schema.metadata[METADATA_KEY])
    assert said["frames"] == [0, COUNT]
    assert said["source"]["name"] == "squares.mp4"
    assert len(said["source"]["sha256"]) == 64
    assert said["time_base"] == "1/12800"
    assert said["scorer"]["name"] == "finder"
    assert schema.names == ["frame", "pts", "time", "held", "x0", "y0", "x1", "y1"]
    assert schema.field("x0").metadata == {b"meaning": b"an edge in pixels"}
    assert not any(field.nullable for field in schema)


def test_frames_without_objects_count_as_looked_at(tmp_path: Path) -> None:
    """The first frame has no square: a table without rows, of one frame."""
    source = moving_squares(tmp_path / "dark.mp4", count=1)
    path, _ = joined(source, tmp_path / "out", 1)
    assert rows_of(path) == []
    assert json.loads(pq.read_schema(path).metadata[METADATA_KEY])["frames"] == [0, 1]


@pytest.fixture(scope="module")
def planned(moving: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """A job of three units, none of them scored, in a store that stays as it is."""
    folder = tmp_path_factory.mktemp("planned")
    seconds = 8 * FRAME_SECONDS
    _, manifest = plan_job(moving, folder, unit_seconds=seconds, scorer=Finder.identity)
    assert len(manifest.units) == 3
    return folder / "work", manifest


@pytest.fixture
def job(planned: tuple[Path, Manifest], tmp_path: Path) -> Job:
    folder, manifest = planned
    shutil.copytree(folder, tmp_path / "work")
    return LocalStore(tmp_path / "work"), manifest


def test_the_report_counts_records(job: Job, moving: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    store, manifest = job
    units = scored(job)
    assert sum(unit.rows for unit in units) == len(wanted())
    stitched = stitch(store, manifest, moving, tmp_path / "out.parquet", progress=told.append)
    assert (stitched.rows, stitched.frames) == (len(wanted()), COUNT)
    assert told[-1] == Progress("stitch", COUNT, COUNT)
    report = build_report(manifest, units, stitched, {"total": 1.0})
    page = report_markdown(report)
    assert f"| records | {len(wanted())} |" in page
    assert "Streams" not in page


def test_what_is_scored_is_not_scored_again(job: Job, moving: Path, tmp_path: Path) -> None:
    store, manifest = job
    score_unit(store, manifest.job_key, 1)
    assert [unit.reused for unit in scored(job)] == [False, True, False]
    assert [unit.reused for unit in scored(job)] == [True, True, True]


def key_of(job: Job, index: int) -> str:
    store, manifest = job
    record = json.loads(store.read(manifest.unit_record_key(index)))
    return manifest.unit_result_key(index, record["result_sha256"])


@pytest.mark.parametrize("harm", ["gone", "another size", "another byte"])
def test_a_spoilt_part_is_scored_again(harm: str, job: Job, moving: Path, tmp_path: Path) -> None:
    store, manifest = job
    scored(job)
    key, out = key_of(job, 1), tmp_path / "out.parquet"
    data = store.read(key)
    if harm == "gone":
        store.delete(key)
    else:
        store.put(key, data[:-1] if harm == "another size" else data[:-1] + b"?")
    with pytest.raises(TransientError, match=r"results of units 1 are not .* as they were scored"):
        stitch(store, manifest, moving, out)
    assert not out.exists()
    assert [unit.reused for unit in scored(job)] == [True, False, True]
    stitch(store, manifest, moving, out)
    assert rows_of(out) == wanted()


def vouch(job: Job, index: int, path: Path) -> None:
    """Put another file in a part's place, with a record that vouches for it."""
    store, manifest = job
    record = score_unit(store, manifest.job_key, index)
    update = {
        "result_sha256": file_sha256(path),
        "size_bytes": path.stat().st_size,
        "reused": False,
    }
    record = record.model_copy(update=update)
    store.put(manifest.unit_result_key(index, record.result_sha256), path)
    store.put(manifest.unit_record_key(index), record.model_dump_json().encode())


def part(job: Job, index: int, folder: Path) -> Path:
    job[0].download(key_of(job, index), folder / "part.parquet")
    return folder / "part.parquet"


def without_a_file(path: Path) -> None:
    path.write_bytes(b"PAR1 is not all it takes PAR1")


def with_frames_swapped(path: Path) -> None:
    _rewrite(path, lambda table: table.take(list(range(len(table)))[::-1]))


def at_another_time(path: Path) -> None:
    def later(table: pa.Table) -> pa.Table:
        moved = pa.array([tick + 1 for tick in table["pts"].to_pylist()], pa.int64())
        return table.set_column(1, table.schema.field("pts"), moved)

    _rewrite(path, later)


def with_less_columns(path: Path) -> None:
    _rewrite(path, lambda table: table.drop_columns("y1"))


def _rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (without_a_file, VerificationError, "table of unit 1 does not read back"),
        (with_frames_swapped, VerificationError, "table of unit 1 has rows that are not of"),
        (at_another_time, VerificationError, "table of unit 1 has rows at other times"),
        (with_less_columns, ScorerFailed, "'finder' has other columns in unit 1 than"),
    ],
)
def test_a_part_that_is_not_the_units_is_noticed(
    change: Callable[[Path], None],
    error: type[Exception],
    said: str,
    job: Job,
    moving: Path,
    tmp_path: Path,
) -> None:
    scored(job)
    path = part(job, 1, tmp_path)
    change(path)
    vouch(job, 1, path)
    with pytest.raises(error, match=said):
        stitch(*job, moving, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_another_units_part_is_noticed(job: Job, moving: Path, tmp_path: Path) -> None:
    scored(job)
    vouch(job, 1, part(job, 2, tmp_path))
    with pytest.raises(
        VerificationError, match=r"unit 1 says that it is of the frames \[\d+, 22\]"
    ):
        stitch(*job, moving, tmp_path / "out.parquet")


class Reader(Finder):
    """Records the number that is painted into each frame."""

    identity = ScorerIdentity(name="reader", version="1", result="records")
    columns = (Column("code", "int64", "the number in the picture"),)

    def record(self, frames: torch.Tensor) -> list[list[dict[str, float]]]:
        luma = (frames.mean(1) * 255).round().byte().numpy()
        return [[{"code": int(read_code(picture))}] for picture in luma]


def test_held_frames_are_marked(
    cfr25: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, Reader, "reader")
    source, hold = damage(cfr25, tmp_path, 30), Treatment(on_damage="hold")
    store, manifest = plan_job(
        source, tmp_path, unit_seconds=0.6, scorer=Reader.identity, treatment=hold
    )
    scored((store, manifest))
    stitch(store, manifest, source, tmp_path / "out.parquet")
    [(start, stop)] = manifest.held
    expected = [
        (n, start <= n < stop, cfr25.codes[start - 1 if start <= n < stop else n])
        for n in range(manifest.frames)
    ]
    rows = rows_of(tmp_path / "out.parquet")
    assert [(frame, held, code) for frame, _, _, held, code in rows] == expected


def loaded(
    monkeypatch: pytest.MonkeyPatch, answer: Callable[[torch.Tensor], Any], kind: str = "float64"
) -> LoadedRecorder:
    columns = (Column("value", kind, "of the test"),)  # type: ignore[arg-type]
    methods = {"columns": columns, "record": lambda _, frames: answer(frames)}
    register(monkeypatch, type("Own", (Finder,), methods), "finder")
    return LoadedRecorder(Finder.identity, Settings(batch_frames=4))


GRAY = [torch.zeros(3, 4, 6, dtype=torch.uint8).numpy()] * 3


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("float64", 1),
        ("float32", float("nan")),
        ("float64", float("inf")),
        ("int64", 1.0),
        ("int64", True),
        ("int64", 1 << 63),
        ("bool", 1),
        ("string", None),
        ("string", "\ud800"),
    ],
)
def test_a_value_of_another_type_is_refused(
    kind: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(monkeypatch, lambda frames: [[{"value": value}]] * len(frames), kind)
    with pytest.raises(ScorerFailed, match=f"'finder' returned .* a {kind} is expected"):
        list(model(GRAY, 0, False))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda frames: [[]], "records of 1 frames for 3"),
        (lambda frames: [[{"other": 1.0}]] * 3, "a record with other; its columns are value"),
        (lambda frames: [[{}]] * 3, "a record with nothing"),
    ],
)
def test_an_answer_of_another_shape_is_refused(
    answer: Callable[[torch.Tensor], Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ScorerFailed, match=said):
        list(loaded(monkeypatch, answer)(GRAY, 0, False))


def test_where_memory_is_short_batches_shrink(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(frames: torch.Tensor) -> list[list[dict[str, float]]]:
        if len(frames) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")
        return [[{"value": 2.0}]]

    model = loaded(monkeypatch, short)
    assert list(model(GRAY, 0, False)) == [[{"value": 2.0}]] * 3
    with pytest.raises(OutOfMemory, match="6x4"):
        list(loaded(monkeypatch, lambda frames: short(frames.repeat(2, 1, 1, 1)))(GRAY, 0, False))


@pytest.mark.parametrize("names", [("frame",), ("a", "a"), ("",)])
def test_names_that_are_taken_are_refused(names: tuple[str, ...], job: Job, tmp_path: Path) -> None:
    columns = [Column(name, "int64", "") for name in names]
    with pytest.raises(ScorerFailed, match=f"names columns '{names[0]}'"):
        RowSink(job[1], job[1].units[0], columns, tmp_path / "part.parquet")


def test_a_scorer_that_says_records_must_make_them(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = type("Wrong", (Finder,), {"identity": ScorerIdentity(name="finder", version="1")})
    register(monkeypatch, wrong, "finder")
    with pytest.raises(ScorerFailed, match="'finder' says that it makes pictures, and lacks"):
        create("finder", {})


def test_the_command_knows_what_a_scorer_makes(
    moving: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", str(moving), "--scorer", "finder"]) == 0
    assert "container mov,mp4,m4a,3gp,3g2,mj2 -> .parquet" in capsys.readouterr().out
    for scorer, name, said in (
        ("finder", "out.mp4", "'finder' makes records, not pictures"),
        ("identity", "out.parquet", "'identity' makes pictures"),
    ):
        out = tmp_path / name
        assert main(["score", str(moving), str(out), "--scorer", scorer]) == 2
        assert said in capsys.readouterr().err
        assert not out.exists()


def test_without_pyarrow_nothing_is_begun(
    moving: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InputError, match=r"pip install 'framewright\[records\]'"):
        plan_job(moving, tmp_path, scorer=Finder.identity)
