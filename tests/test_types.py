"""The nouns: exact, frozen, and the same after a trip through JSON."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from framewright.results import RunReport, ScoredUnit
from framewright.types import (
    BundleRef,
    ColorSpec,
    EncoderSpec,
    Manifest,
    ScorerIdentity,
    SourceInfo,
    TickRuns,
    Unit,
    VideoInfo,
    fingerprint,
)

COLOR = ColorSpec(
    primaries=1, transfer=1, matrix=1, matrix_used="ITU709", full_range=False, range_tag=1
)
VIDEO = VideoInfo(
    container="mov,mp4,m4a,3gp,3g2,mj2",
    container_suffix=".mp4",
    stream_index=0,
    codec="h264",
    width=128,
    height=96,
    pixel_format="yuv420p",
    time_base=Fraction(1, 30000),
    frame_rate=Fraction(30000, 1001),
    sample_aspect_ratio=Fraction(0),
    rotation=0,
    field_order="progressive",
    color=COLOR,
)
MANIFEST = Manifest(
    job_key="a" * 64,
    source=SourceInfo(name="日本\n.mp4", size_bytes=7, sha256="b" * 64),
    video=VIDEO,
    pts=TickRuns.pack([0, 1001, 2002, 3003]),
    last_duration_ticks=1001,
    bundles=(BundleRef(sha256="c" * 64, size_bytes=5, start_frame=0, stop_frame=4),),
    units=(Unit(index=0, start=0, stop=3), Unit(index=1, start=3, stop=4)),
    scorer=ScorerIdentity(name="identity", version="1", params={"style": "wave"}),
    encoder=EncoderSpec(codec="libx264", pixel_format="yuv420p", options={"crf": "18"}),
)


def unit_record(
    index: int, *, seconds: float = 2.0, started_at: float = 0.0, reused: bool = False
) -> ScoredUnit:
    return ScoredUnit(
        job_key="a" * 64,
        index=index,
        start=index * 10,
        stop=index * 10 + 10,
        frames=10,
        width=128,
        height=96,
        reorder_frames=2,
        result_sha256="d" * 64,
        size_bytes=100,
        started_at=started_at,
        seconds=seconds,
        model_seconds=1.0,
        batch_frames=1,
        device="cpu",
        reused=reused,
    )


def report(stages: dict[str, float], *units: ScoredUnit) -> RunReport:
    return RunReport(
        job_key="a" * 64,
        source=MANIFEST.source,
        output="/tmp/out.mp4",  # noqa: S108 - only a name
        output_sha256="e" * 64,
        output_size_bytes=9,
        width=128,
        height=96,
        frames_in=20,
        frames_out=20,
        duration_seconds=0.8,
        scorer=MANIFEST.scorer,
        units=units,
        stages=stages,
    )


def test_manifest_is_the_same_after_json() -> None:
    assert Manifest.model_validate_json(MANIFEST.model_dump_json()) == MANIFEST


def test_ratios_stay_exact_in_json() -> None:
    text = json.loads(MANIFEST.model_dump_json())
    assert text["video"]["frame_rate"] == "30000/1001"
    assert Manifest.model_validate(text).video.time_base == Fraction(1, 30000)


def test_keys_follow_from_content_and_job() -> None:
    assert MANIFEST.bundles[0].key == f"bundles/cc/{'c' * 64}.pkts"
    assert MANIFEST.prefix == f"jobs/{'a' * 64}/"
    key = MANIFEST.unit_result_key(1, "0123456789abcdef" * 4)
    assert key == f"jobs/{'a' * 64}/units/00001-0123456789abcdef.mp4"
    assert MANIFEST.unit_record_key(12345) == f"jobs/{'a' * 64}/units/12345.json"


def test_frames_are_counted_from_units() -> None:
    assert MANIFEST.frames == 4
    assert [unit.frames for unit in MANIFEST.units] == [3, 1]


def test_records_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        MANIFEST.units[0].stop = 9  # type: ignore[misc]


def test_unknown_fields_are_refused() -> None:
    text = json.loads(MANIFEST.model_dump_json()) | {"surprise": 1}
    with pytest.raises(ValidationError, match="surprise"):
        Manifest.model_validate(text)


@pytest.mark.parametrize("bad", ["", "A" * 64, "a" * 63, "../" + "a" * 61])
def test_a_hash_must_be_a_hash(bad: str) -> None:
    with pytest.raises(ValidationError, match="sha256"):
        SourceInfo(name="x", size_bytes=1, sha256=bad)


def test_a_manifest_of_another_schema_is_refused() -> None:
    text = json.loads(MANIFEST.model_dump_json()) | {"schema_version": 2}
    with pytest.raises(ValidationError, match="schema_version"):
        Manifest.model_validate(text)


def test_fingerprint_ignores_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1, "b": 2}) != fingerprint({"a": 2, "b": 1})


def test_fingerprint_of_a_record_is_that_of_its_json() -> None:
    assert fingerprint(MANIFEST) == fingerprint(MANIFEST.model_dump(mode="json"))
    assert fingerprint({"name": "ä"}) != fingerprint({"name": "a"})


@given(st.lists(st.integers(-(1 << 62), 1 << 62), min_size=1, max_size=200))
def test_ticks_unpack_to_what_was_packed(ticks: list[int]) -> None:
    assert TickRuns.pack(ticks).unpack() == ticks


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=60))
def test_ticks_are_the_same_after_json(ticks: list[int]) -> None:
    packed = TickRuns.pack(ticks)
    assert TickRuns.model_validate_json(packed.model_dump_json()) == packed


def test_constant_rate_is_one_run() -> None:
    assert TickRuns.pack(list(range(0, 512 * 10_000, 512))).runs == ((512, 9_999),)


def test_one_frame_has_no_runs() -> None:
    assert TickRuns.pack([7]) == TickRuns(first=7)


def test_report_tells_scored_from_reused() -> None:
    told = report({"total": 4.0}, unit_record(0), unit_record(1, reused=True))
    assert told.units_scored == 1
    assert told.frames_per_second == 5.0


BEGAN = 1_000_000_000.0


@pytest.mark.parametrize(
    ("units", "scoring"),
    [
        ([], 0.0),
        ([(1.0, 2.0)], 2.0),
        ([(1.0, 2.0), (1.0, 2.0)], 2.0),
        ([(2.0, 1.5), (1.0, 2.0)], 2.5),
        ([(1.0, 4.0), (2.0, 1.0), (4.5, 1.5)], 5.0),
        ([(1.0, 1.0), (5.0, 2.0)], 3.0),
        ([(-3.0, 5.0), (9.0, 5.0)], 3.0),
        ([(0.0, 10.0)], 10.0),
    ],
    ids=["none", "one", "together", "overlapping", "within", "apart", "beyond the run", "all"],
)
def test_overhead_is_the_time_in_which_no_unit_is_scored(
    units: list[tuple[float, float]], scoring: float
) -> None:
    records = [
        unit_record(index, started_at=BEGAN + start, seconds=seconds)
        for index, (start, seconds) in enumerate(units)
    ]
    earlier = unit_record(len(units), started_at=BEGAN + 7, seconds=2.0, reused=True)
    told = report({"score": 9.0, "total": 10.0}, *records, earlier)
    told = told.model_copy(update={"started_at": BEGAN})
    assert told.scoring_seconds == pytest.approx(scoring)
    assert told.overhead_share == pytest.approx(1 - scoring / 10)


def test_overhead_where_the_workers_have_other_clocks() -> None:
    """Nothing is cut off by a clock that is wrong, and no share is below 0."""
    fast = unit_record(0, started_at=BEGAN + 3600, seconds=3.0)
    assert report({"total": 4.0}, fast).overhead_share == pytest.approx(0.25)
    slow = unit_record(1, started_at=BEGAN, seconds=3.0)
    assert report({"total": 4.0}, fast, slow).overhead_share == 0.0
    assert report({"total": 0.0}).overhead_share == 1.0
