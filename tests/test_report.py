"""The report: all numbers, and a page that no file name can break."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from framewright.report import build_report, report_markdown
from framewright.results import RunReport, StreamOutcome
from framewright.stitch import Stitched
from tests.test_types import MANIFEST, unit_record

STAGES = {"split": 0.5, "upload": 0.25, "score": 3.0, "stitch": 0.25, "total": 4.0}


def report(output: str = "/out/clip.mp4", **stitched: object) -> RunReport:
    values: dict[str, object] = {
        "output": output,
        "sha256": "e" * 64,
        "size_bytes": 9,
        "width": 128,
        "height": 96,
        "frames": 4,
        "duration_seconds": 0.8,
        "streams": (),
        "warnings": (),
        "seconds": 0.25,
    }
    units = [unit_record(0), unit_record(1, seconds=1.0, reused=True)]
    return build_report(MANIFEST, units, Stitched(**(values | stitched)), STAGES)  # type: ignore[arg-type]


def test_every_number_is_there() -> None:
    told = report()
    assert (told.frames_in, told.frames_out) == (4, 4)
    assert told.stages == STAGES
    assert told.units_scored == 1
    assert RunReport.model_validate_json(told.model_dump_json()) == told


def test_the_page_says_it() -> None:
    page = report_markdown(report())
    assert "# 日本 .mp4: identity (wave)" in page
    assert "| frames | 4 in, 4 out |" in page
    assert "| units | 1 scored, 1 taken from an earlier run |" in page
    assert "| not scoring | 50% of 4.0 s |" in page
    assert "| 0 | [0, 10) | 2.00 | 5.0 | 50% | cpu |" in page
    assert "earlier run" in page
    assert "Every stream was carried over unchanged." in page


def test_what_was_changed_is_told() -> None:
    outcome = StreamOutcome(stream=2, kind="audio", action="converted", detail="flac to alac")
    page = report_markdown(report(streams=(outcome,), warnings=("interlaced: kept",)))
    assert "- stream 2 (audio) converted: flac to alac" in page
    assert "- interlaced: kept" in page
    assert "unchanged" not in page


def test_pictures_are_inside_the_page() -> None:
    page = report_markdown(report(), [(b"\xff\xd8a", b"\xff\xd8b")])
    for jpeg in (b"\xff\xd8a", b"\xff\xd8b"):
        assert f"(data:image/jpeg;base64,{base64.b64encode(jpeg).decode()})" in page
    assert "before" not in report_markdown(report())


def test_a_link_takes_the_place_of_the_path() -> None:
    assert "[clip.mp4](https://x.example/clip)" in report_markdown(
        report(), link="https://x.example/clip"
    )


@pytest.mark.parametrize("name", ["a|b.mp4", "a\nb.mp4", "a`b.mp4", "a|\n# big\n|.mp4"])
def test_no_name_breaks_the_table(name: str) -> None:
    page = report_markdown(report(output=str(Path("/out") / name)))
    rows = [line for line in page.splitlines() if line.startswith("| output")]
    assert len(rows) == 1
    assert rows[0].replace("\\|", "").count("|") == 3
    assert "\n# big" not in page
