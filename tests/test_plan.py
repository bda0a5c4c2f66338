"""A job's name, its split, its upload, and what happens when parts of it are gone."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import pytest

from framewright.errors import InputError, ManifestError, OutputRefused, SourceRefused
from framewright.plan import job_key, load_manifest, planned, split, upload
from framewright.scorers.identity import IdentityScorer
from framewright.settings import Settings
from framewright.storage import LocalStore
from framewright.types import EncoderSpec, Manifest, Progress, ScorerIdentity, SourceInfo, Treatment
from tests.support import plan_job
from tests.torture.make import Clip, make

IDENTITY = IdentityScorer.identity
SOURCE = SourceInfo(name="a.mp4", size_bytes=1, sha256="a" * 64)


def key(folder: Path, source: Path, **changes: object) -> str:
    store = LocalStore(folder / "work")
    options: dict[str, object] = {"scorer": IDENTITY, "unit_seconds": 1.0, "store": store}
    scratch = folder / "scratch" / str(len(list(folder.glob("scratch/*"))))
    return split(source, scratch=scratch, **(options | changes)).job_key  # type: ignore[arg-type]


def test_a_plan_holds_all_frames(cfr25: Clip, tmp_path: Path) -> None:
    store, manifest = plan_job(cfr25.path, tmp_path)
    assert manifest.frames == cfr25.count == 75
    assert manifest.pts.unpack() == cfr25.pts
    assert manifest.video.time_base == cfr25.time_base
    assert [(unit.start, unit.stop) for unit in manifest.units] == [(0, 25), (25, 50), (50, 75)]
    assert [info.key for info in store.list("bundles/")] == sorted(b.key for b in manifest.bundles)
    assert load_manifest(store, manifest.job_key) == manifest


def test_other_bytes_another_key(cfr25: Clip, clip_folder: Path, tmp_path: Path) -> None:
    assert key(tmp_path, cfr25.path) != key(tmp_path, make("no_audio", clip_folder).path)


def test_another_name_the_same_key(cfr25: Clip, tmp_path: Path) -> None:
    other = tmp_path / "other name.mp4"
    shutil.copy(cfr25.path, other)
    assert key(tmp_path, cfr25.path) == key(tmp_path, other)


@pytest.mark.parametrize(
    "changes",
    [
        {"unit_seconds": 2.0},
        {"suffix": ".webm"},
        {"scorer": ScorerIdentity(name="identity", version="2")},
        {"scorer": ScorerIdentity(name="color", version="1")},
        {"scorer": ScorerIdentity(name="identity", version="1", params={"style": "wave"})},
        {"scorer": ScorerIdentity(name="identity", version="1", weights_sha256="a" * 64)},
        {"settings": Settings(quality_crf=30)},
        {"settings": Settings(encoder_preset="slow")},
    ],
    ids=lambda changes: " ".join(map(str, changes)),
)
def test_what_decides_the_result_decides_the_key(
    changes: dict[str, object], cfr25: Clip, tmp_path: Path
) -> None:
    assert key(tmp_path, cfr25.path) != key(tmp_path, cfr25.path, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"suffix": ".mkv"},
        {"suffix": ".MP4"},
        {"settings": Settings(batch_frames=7, queue_frames=64, workers=3)},
    ],
    ids=lambda changes: " ".join(map(str, changes)),
)
def test_what_does_not_decide_the_result_does_not(
    changes: dict[str, object], cfr25: Clip, tmp_path: Path
) -> None:
    assert key(tmp_path, cfr25.path) == key(tmp_path, cfr25.path, **changes)


def named(source: SourceInfo = SOURCE, unit_seconds: float = 1.0, **options: str) -> str:
    return job_key(source, unit_seconds, IDENTITY, encoder(options), Treatment())


def encoder(options: dict[str, str]) -> EncoderSpec:
    return EncoderSpec(codec="libx264", pixel_format="yuv420p", options=options)


def test_the_key_ignores_the_name_of_the_source() -> None:
    assert named() == named(SOURCE.model_copy(update={"name": "b.mp4"}))
    assert named() != named(crf="1")
    assert named(unit_seconds=1) == named(unit_seconds=1.0)


@pytest.mark.parametrize(
    "change",
    [{"on_damage": "hold"}, {"interlaced": "deinterlace"}, {"hdr": "tone-map"}, {"stability": 0.5}],
)
def test_the_key_knows_the_treatment(change: dict[str, object]) -> None:
    treatment = Treatment.model_validate(change)
    assert job_key(SOURCE, 1.0, IDENTITY, encoder({}), treatment) != named()


def test_a_new_release_scores_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    before = named()
    monkeypatch.setattr("framewright.plan.__version__", "0.0.0")
    assert named() != before


def test_a_second_split_reads_nothing_again(cfr25: Clip, tmp_path: Path) -> None:
    store, manifest = plan_job(cfr25.path, tmp_path)
    again = split(
        cfr25.path, scorer=IDENTITY, scratch=tmp_path / "new", store=store, unit_seconds=1.0
    )
    assert again.reused
    assert list((tmp_path / "new").iterdir()) == []
    assert upload(again, store) == manifest


def test_a_reused_plan_goes_by_the_name_it_has_now(cfr25: Clip, tmp_path: Path) -> None:
    _store, _ = plan_job(cfr25.path, tmp_path)
    other = tmp_path / "renamed.mp4"
    shutil.copy(cfr25.path, other)
    _, manifest = plan_job(other, tmp_path)
    assert manifest.source.name == "renamed.mp4"


def test_jobs_on_one_source_share_its_bundles(cfr25: Clip, tmp_path: Path) -> None:
    store, first = plan_job(cfr25.path, tmp_path)
    etags = {info.key: info.etag for info in store.list("bundles/")}
    other = ScorerIdentity(name="identity", version="9")
    _, second = plan_job(cfr25.path, tmp_path, scorer=other)
    assert first.job_key != second.job_key
    assert first.bundles == second.bundles
    assert {info.key: info.etag for info in store.list("bundles/")} == etags


def test_a_plan_whose_bundle_is_gone_is_made_again(cfr25: Clip, tmp_path: Path) -> None:
    store, manifest = plan_job(cfr25.path, tmp_path)
    store.delete(manifest.bundles[1].key)
    again = split(
        cfr25.path, scorer=IDENTITY, scratch=tmp_path / "new", store=store, unit_seconds=1.0
    )
    assert not again.reused
    assert upload(again, store) == manifest
    assert store.stat(manifest.bundles[1].key) is not None


def test_an_upload_cut_off_before_the_manifest_is_no_job(cfr25: Clip, tmp_path: Path) -> None:
    """What a killed upload leaves: some bundles, no manifest."""
    store = LocalStore(tmp_path / "work")
    parts = split(
        cfr25.path, scorer=IDENTITY, scratch=tmp_path / "s", store=store, unit_seconds=1.0
    )
    manifest = Manifest.model_validate_json((tmp_path / "s/manifest.json").read_bytes())
    store.put(manifest.bundles[0].key, tmp_path / "s" / manifest.bundles[0].sha256)
    with pytest.raises(ManifestError, match=f"has no job {parts.job_key[:12]}"):
        load_manifest(store, parts.job_key)
    assert upload(parts, store) == manifest


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\x00", b"[1]"])
def test_a_garbage_manifest_is_said_and_replaced_by_the_next_split(
    data: bytes, cfr25: Clip, tmp_path: Path
) -> None:
    store = LocalStore(tmp_path / "work")
    job = key(tmp_path, cfr25.path)
    store.put(f"jobs/{job}/manifest.json", data)
    with pytest.raises(ManifestError, match=f"manifest of {job[:12]} not readable"):
        load_manifest(store, job)
    _, manifest = plan_job(cfr25.path, tmp_path)
    assert manifest.job_key == job
    assert load_manifest(store, job) == manifest


def test_no_manifest_at_all(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="has no job"):
        load_manifest(LocalStore(tmp_path), "f" * 64)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf"), 3601.0])
def test_a_length_of_a_unit_that_is_not_possible(
    seconds: float, cfr25: Clip, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"a unit of .* s is not possible; use more than 0"):
        key(tmp_path, cfr25.path, unit_seconds=seconds)


def test_a_container_that_is_not_known(cfr25: Clip, tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match=r"use one of \.mp4"):
        key(tmp_path, cfr25.path, suffix=".avi")


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match=r"refused \(not_found\)") as caught:
        key(tmp_path, tmp_path / "nothing.mp4")
    assert caught.value.reason == "not_found"


def test_progress_is_told_to_the_end(cfr25: Clip, tmp_path: Path) -> None:
    told: list[Progress] = []
    store = LocalStore(tmp_path / "work")
    parts = split(
        cfr25.path, scorer=IDENTITY, scratch=tmp_path / "s", store=store, progress=told.append
    )
    upload(parts, store, told.append)
    assert told[-1] == Progress("upload", 3, 3) or told[-1].done == told[-1].total
    assert Progress("split", 75, 75) in told
    assert Progress("check", 75, 75) in told


def test_planned_leaves_no_trace_in_the_work_store(
    cfr25: Clip, tmp_path: Path, settings: Settings
) -> None:
    manifest = planned(cfr25.path, IDENTITY, tmp_path / "here", 1.0)
    assert manifest.frames == 75
    assert not Path(settings.work_store).exists()


def test_the_manifest_says_seconds_exactly(clip_folder: Path, tmp_path: Path) -> None:
    _, manifest = plan_job(make("ntsc", clip_folder).path, tmp_path)
    text = json.loads(manifest.model_dump_json())
    assert text["video"]["frame_rate"] == "30000/1001"
    ticks = manifest.pts.unpack()
    assert (ticks[1] - ticks[0]) * manifest.video.time_base == Fraction(1001, 30000)
