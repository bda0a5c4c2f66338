"""Records that contradict themselves, or would not fit into memory, are refused when read."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from framewright import plan
from framewright.errors import ManifestError
from framewright.plan import load_manifest, split
from framewright.results import ScoredUnit
from framewright.scorers.identity import IdentityScorer
from framewright.settings import get_settings
from framewright.storage import LocalStore
from framewright.types import TickRuns
from tests.fuzz.targets import corpus
from tests.support import plan_job
from tests.torture.make import Clip

MANIFEST, HELD, COUNTED = corpus("manifest")
"""Four frames, one bundle, units [0, 3) and [3, 4)."""
[RECORD] = corpus("record")


def changed(document: bytes, change: Callable[[Any], object]) -> bytes:
    value = json.loads(document)
    change(value)
    return json.dumps(value).encode()


def _set(*path: Any) -> Callable[[Any], None]:
    *way, last, value = path

    def change(document: Any) -> None:
        for step in way:
            document = document[step]
        document[last] = value

    return change


LIES = {
    "units overlap": (_set("units", 1, "start", 2), "units do not cover"),
    "units leave a gap": (_set("units", 0, "stop", 2), "units do not cover"),
    "units begin late": (_set("units", 0, "start", 1), "units do not cover"),
    "a unit is empty": (_set("units", 1, "stop", 3), "units do not cover|bundles do not cover"),
    "a unit runs backwards": (_set("units", 1, "stop", -4), "units|bundles"),
    "units are misnumbered": (_set("units", 1, "index", 7), "not numbered from 0"),
    "no units": (_set("units", []), "units"),
    "no bundles": (_set("bundles", []), "bundles"),
    "bundles end early": (_set("bundles", 0, "stop_frame", 3), "4 time stamps for 3 frames"),
    "bundles begin late": (_set("bundles", 0, "start_frame", 1), "bundles do not cover"),
    "a bundle of no bytes": (_set("bundles", 0, "size_bytes", 0), "size_bytes"),
    "preroll before the first": (_set("bundles", 0, "preroll", 1), "preroll begins before"),
    "too few times": (_set("pts", "runs", [[1001, 2]]), "3 time stamps for 4 frames"),
    "too many times": (_set("pts", "runs", [[1001, 9]]), "10 time stamps for 4 frames"),
    "times that stand still": (_set("pts", "runs", [[0, 3]]), "do not increase"),
    "times that run backwards": (_set("pts", "runs", [[5, 2], [-1, 1]]), "do not increase"),
    "a run of none": (_set("pts", "runs", [[5, 3], [5, 0]]), "a run of 0 steps"),
    "a run of less than none": (_set("pts", "runs", [[5, 4], [5, -1]]), "a run of -1 steps"),
    "a bomb of times": (_set("pts", "runs", [[1, 1 << 40]]), "at most 134217728 are possible"),
    "a time beyond 64 bits": (_set("pts", "runs", [[1 << 62, 3]]), "does not fit into 64 bits"),
    "a beginning beyond 64 bits": (_set("pts", "first", 1 << 70), "first"),
    "a ratio by zero": (_set("video", "time_base", "1/0"), "divides by zero"),
    "a ratio that is a bomb": (_set("video", "time_base", "1e999999999"), "not a ratio"),
    "a ratio of many digits": (_set("video", "frame_rate", "9" * 5000), "not a ratio"),
    "time that stands still": (_set("video", "time_base", "0"), "not more than 0"),
    "a negative rate": (_set("video", "frame_rate", "-25"), "not more than 0"),
    "no width": (_set("video", "width", 0), "width"),
    "a negative duration": (_set("last_duration_ticks", -1), "last_duration_ticks"),
    "what JSON reads back as null": (_set("scorer", "params", "style", float("inf")), "JSON"),
    "held beyond the end": (_set("held", [[3, 5]]), "not apart, within"),
    "held backwards": (_set("held", [[3, 2]]), "not apart, within"),
    "held side by side": (_set("held", [[0, 1], [1, 2]]), "not apart, within"),
    "held, all of it": (_set("held", [[0, 4]]), "not apart, within"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_manifest_that_contradicts_itself_is_refused(lie: str) -> None:
    change, words = LIES[lie]
    began = time.monotonic()
    with pytest.raises(ManifestError, match=words):
        plan._parse(changed(MANIFEST, change), "test")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("document", [MANIFEST, HELD, COUNTED], ids=["plain", "held", "counted"])
def test_a_manifest_that_does_not_is_read(document: bytes) -> None:
    assert plan._parse(document, "test").frames == 4


def test_what_is_counted_has_one_bundle() -> None:
    def cut(manifest: Any) -> None:
        [bundle] = manifest["bundles"]
        manifest["bundles"] = [bundle | {"stop_frame": 2}, bundle | {"start_frame": 2}]

    with pytest.raises(ManifestError, match="frames are counted, over 2 bundles"):
        plan._parse(changed(COUNTED, cut), "test")
    assert len(plan._parse(changed(MANIFEST, cut), "test").bundles) == 2


def test_no_manifest_has_more_frames_than_a_source_may_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FRAMEWRIGHT_MAX_FRAMES", "3")
    get_settings.cache_clear()
    with pytest.raises(ManifestError, match=r"4 frames; at most 3 .*FRAMEWRIGHT_MAX_FRAMES"):
        plan._parse(MANIFEST, "test")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'"\\ud800"'])
def test_what_is_no_document_is_no_manifest(text: bytes) -> None:
    with pytest.raises(ManifestError, match="not readable"):
        plan._parse(text, "test")


def test_a_count_of_times_needs_no_unpacking() -> None:
    packed = TickRuns(first=0, runs=((1, 1 << 26), (2, 5)))
    assert packed.count == (1 << 26) + 6
    assert TickRuns.pack([4, 5, 9]).count == 3


@pytest.mark.parametrize(
    "change",
    [
        _set("frames", 4),
        _set("stop", 9),
        _set("start", -3),
        _set("reorder_frames", -1),
        _set("reorder_frames", 5),
        _set("seconds", float("nan")),
        _set("model_seconds", float("inf")),
        _set("size_bytes", 0),
        _set("width", 0),
    ],
)
def test_a_record_that_contradicts_itself_is_none(change: Callable[[Any], None]) -> None:
    with pytest.raises(ValidationError):
        ScoredUnit.model_validate_json(changed(RECORD, change))


def test_a_spoilt_manifest_is_replaced_by_the_next_split(cfr25: Clip, tmp_path: Path) -> None:
    store, manifest = plan_job(cfr25.path, tmp_path)
    key = f"{manifest.prefix}manifest.json"
    store.put(key, changed(store.read(key), _set("units", 0, "start", 1)))
    plan._load.cache_clear()
    with pytest.raises(ManifestError, match="units do not cover"):
        load_manifest(store, manifest.job_key)
    again = split(
        cfr25.path,
        scorer=IdentityScorer.identity,
        scratch=tmp_path / "again",
        store=LocalStore(tmp_path / "work"),
        unit_seconds=1.0,
    )
    assert not again.reused
    assert again.job_key == manifest.job_key
    plan.upload(again, store)
    assert load_manifest(store, manifest.job_key) == manifest
