"""Every knob: described, bounded, and set by its own variable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from framewright.errors import InputError
from framewright.settings import Settings, cpu_cores, get_settings


@pytest.mark.parametrize("name", Settings.model_fields)
def test_says_what_it_is(name: str) -> None:
    description = Settings.model_fields[name].description or ""
    assert len(description) > 20
    assert description.endswith(".")


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("unit_seconds", "seconds"),
        ("batch_frames", "Frames"),
        ("queue_frames", "Frames"),
        ("max_source_bytes", "bytes"),
        ("max_frame_pixels", "pixels"),
    ],
)
def test_names_its_unit(name: str, unit: str) -> None:
    assert unit in (Settings.model_fields[name].description or "")


def test_is_set_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRAMEWRIGHT_UNIT_SECONDS", "2.5")
    monkeypatch.setenv("FRAMEWRIGHT_QUALITY_CRF", "30")
    get_settings.cache_clear()
    assert (get_settings().unit_seconds, get_settings().quality_crf) == (2.5, 30)


def test_is_set_by_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FRAMEWRIGHT_QUEUE_FRAMES=32\nOTHER=1\n")
    monkeypatch.chdir(tmp_path)
    assert Settings().queue_frames == 32


def test_an_empty_variable_is_as_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A work store at an empty path would be the working folder."""
    (tmp_path / ".env").write_text("FRAMEWRIGHT_DASK_ADDRESS=tcp://elsewhere:8786\n")
    monkeypatch.chdir(tmp_path)
    for name in ("WORK_STORE", "CACHE_FOLDER", "BATCH_FRAMES", "ENCODER_PRESET", "DASK_ADDRESS"):
        monkeypatch.setenv(f"FRAMEWRIGHT_{name}", "")
    settings = Settings()
    assert Path(settings.work_store) == Path.home() / ".cache/framewright/work"
    assert Path(settings.cache_folder).is_absolute()
    assert (settings.batch_frames, settings.encoder_preset) == (0, "veryfast")
    assert settings.dask_address == "", "it overrides the file"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("UNIT_SECONDS", "0"),
        ("UNIT_SECONDS", "nan"),
        ("UNIT_SECONDS", "3601"),
        ("WORKERS", "-1"),
        ("QUEUE_FRAMES", "1"),
        ("QUALITY_CRF", "52"),
        ("ENCODER_PRESET", "fast; rm"),
        ("ENCODER_PRESET", "fst"),
        ("MAX_FRAMES", "many"),
    ],
)
def test_a_wrong_value_is_the_users_to_change(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"FRAMEWRIGHT_{name}", value)
    get_settings.cache_clear()
    with pytest.raises(InputError, match=f"FRAMEWRIGHT_{name}"):
        get_settings()


def test_a_preset_that_is_not_x264s_is_refused_with_the_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FRAMEWRIGHT_ENCODER_PRESET", "fst")
    get_settings.cache_clear()
    with pytest.raises(InputError, match=r"ENCODER_PRESET=fst: .*'ultrafast', .* or 'placebo'"):
        get_settings()


def test_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        get_settings().workers = 3  # type: ignore[misc]


def test_workers_are_asked_for_or_found() -> None:
    assert Settings(workers=3).worker_count(gpus=2) == 3
    assert Settings().worker_count(gpus=2) == 2
    assert Settings().worker_count() == cpu_cores() >= 1


def test_a_system_that_does_not_tell_which_cores_may_be_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert Settings().worker_count() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert Settings().worker_count() == 1
