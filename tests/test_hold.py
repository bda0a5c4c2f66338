"""Damage: refused with its place before anything is scored, or held on request and reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from framewright.errors import SourceRefused
from framewright.media.carry import preferred_suffix
from framewright.report import report_markdown
from framewright.run import run
from framewright.score import score_unit
from framewright.scorers import create
from framewright.settings import Settings
from framewright.stitch import stitch
from framewright.types import Treatment
from tests.support import plan_job
from tests.torture.damage import damage
from tests.torture.expect import observe
from tests.torture.make import Clip, make, make_bad

IDENTITY = create("identity", {}).identity
HOLD = Treatment(on_damage="hold")


def scored(source: Path, folder: Path, unit_seconds: float) -> tuple[list[int | None], list[int]]:
    """Codes of the output's frames, and the frames that the report says are held."""
    store, manifest = plan_job(source, folder, unit_seconds=unit_seconds, treatment=HOLD)
    for unit in manifest.units:
        score_unit(store, manifest.job_key, unit.index)
    output = folder / f"out{preferred_suffix(manifest.video)}"
    stitched = stitch(store, manifest, source, output)
    for start, stop in manifest.held:
        assert any(f"frames [{start}, {stop})" in warning for warning in stitched.warnings)
    held = [frame for start, stop in manifest.held for frame in range(start, stop)]
    return observe(output).codes, held


def expected(clip: Clip, held: list[int]) -> list[int]:
    shown: list[int] = []
    for frame, code in enumerate(clip.codes):
        shown.append(shown[-1] if frame in held and shown else code)
    if 0 in held:
        first = next(frame for frame in range(clip.count) if frame not in held)
        shown[:first] = [clip.codes[first]] * first
    return shown


@pytest.mark.parametrize("unit_seconds", [0.04, 0.4, 10.0])
@pytest.mark.parametrize(
    ("kind", "places", "whole_from"),
    [
        ("cfr25", (30,), 50),
        ("open_gop", (40,), 54),
        ("vfr_jitter", (30, 60), 75),
        ("mpeg2_ts", (20,), 24),
        ("all_intra", (7, 8, 20), 21),
        ("prores", (10,), 11),
        ("mjpeg_avi", (10,), 11),
        ("cfr25", (0,), 25),
    ],
)
def test_a_damaged_stretch_is_held(
    kind: str,
    places: tuple[int, ...],
    whole_from: int,
    unit_seconds: float,
    clip_folder: Path,
    tmp_path: Path,
) -> None:
    clip = make(kind, clip_folder)
    codes, held = scored(damage(clip, tmp_path, *places), tmp_path, unit_seconds)
    assert held
    assert max(held) < whole_from, "what follows the next keyframe is whole"
    assert codes == expected(clip, held), "every frame is its own, or one that is said to be held"


@pytest.mark.parametrize(
    ("kind", "place"), [("cfr25", 30), ("open_gop", 40), ("mpeg2_ts", 20), ("prores", 10)]
)
def test_damage_is_refused_with_its_place_before_anything_is_scored(
    kind: str, place: int, clip_folder: Path, tmp_path: Path
) -> None:
    source = damage(make(kind, clip_folder), tmp_path, place)
    with pytest.raises(SourceRefused, match=r"frame \d+, at \d\.\d{3} s, is damaged.*hold") as e:
        plan_job(source, tmp_path)
    assert e.value.reason == "damaged"
    assert e.value.frame is not None
    assert repr(source.name) in e.value.message


@pytest.mark.parametrize("kind", ["truncated", "truncated_mkv"])
def test_what_is_there_of_a_cut_off_file_is_scored_on_request(
    kind: str, clip_folder: Path, tmp_path: Path
) -> None:
    source = make_bad(kind, clip_folder)
    _, manifest = plan_job(source, tmp_path, treatment=HOLD)
    assert 0 < manifest.frames < 75
    assert [w for w in manifest.video.warnings if w.startswith("cut off: the source declares")]
    end = (manifest.pts.unpack()[-1] + manifest.last_duration_ticks) * manifest.video.time_base
    assert end >= (3 if kind == "truncated" else 3.9), "the last frame is shown to the end"


def test_a_change_of_size_is_refused_whatever_is_asked(clip_folder: Path, tmp_path: Path) -> None:
    source = make_bad("size_change", clip_folder)
    for treatment in (Treatment(), HOLD):
        with pytest.raises(SourceRefused, match=r"frame 50, at .* another size.*160x120") as e:
            plan_job(source, tmp_path, treatment=treatment)
        assert e.value.reason == "unsupported"


def test_the_report_lists_what_is_held(clip_folder: Path, tmp_path: Path) -> None:
    source = damage(make("cfr25", clip_folder), tmp_path, 30)
    report = run(source, f"{tmp_path}/out/", IDENTITY, workers=1, treatment=HOLD)
    [(start, stop)] = report.held
    words = f"damaged: frames [{start}, {stop}), "
    assert [w for w in report.warnings if w.startswith(words)]
    assert words in report_markdown(report)
    assert (report.frames_in, report.frames_out) == (75, 75)


def test_a_whole_file_is_the_same_with_hold(cfr25: Clip, tmp_path: Path) -> None:
    codes, held = scored(cfr25.path, tmp_path, 1.0)
    assert (codes, held) == (cfr25.codes, [])


def test_nothing_whole_is_refused_even_with_hold(clip_folder: Path, tmp_path: Path) -> None:
    clip = make("prores", clip_folder)
    source = damage(clip, tmp_path, *range(clip.count))
    with pytest.raises(SourceRefused, match=r"no frame can be|no picture could be") as e:
        plan_job(source, tmp_path, treatment=HOLD)
    assert e.value.reason == "damaged"


def test_without_the_check_damage_is_found_when_it_is_scored(
    clip_folder: Path, tmp_path: Path
) -> None:
    source = damage(make("cfr25", clip_folder), tmp_path, 30)
    unchecked = Settings(check_decoding=False)
    with pytest.raises(SourceRefused, match="in unit 1, frames"):
        run(source, f"{tmp_path}/out/", IDENTITY, unit_seconds=1.0, workers=1, settings=unchecked)


def test_a_plan_made_without_the_check_is_made_again_with_it(
    clip_folder: Path, tmp_path: Path
) -> None:
    source = damage(make("cfr25", clip_folder), tmp_path, 30)
    _, manifest = plan_job(source, tmp_path, settings=Settings(check_decoding=False))
    assert not manifest.checked
    with pytest.raises(SourceRefused, match="is damaged"):
        plan_job(source, tmp_path)


def test_intra_refresh_is_planned_with_what_it_needs_before(
    clip_folder: Path, tmp_path: Path
) -> None:
    _, manifest = plan_job(make("intra_refresh", clip_folder).path, tmp_path)
    assert max(bundle.preroll for bundle in manifest.bundles) == 1
