"""Fixtures for all tests: a private work store, clips made once per session, devices."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch

from framewright.settings import Settings, get_settings
from tests import azurite as azurite_module
from tests.azurite import ACCOUNT, Azurite, Queues
from tests.torture.make import Clip, make

# The same examples every time, and none judged by the clock of a busy machine.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip CUDA tests where there is no GPU, unless FAIL_WITHOUT_CUDA=1 asks for a failure."""
    if torch.cuda.is_available() or os.environ.get("FAIL_WITHOUT_CUDA") == "1":
        return
    for item in items:
        if item.get_closest_marker("cuda"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(autouse=True)
def _private_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no test see the user's settings or work store."""
    for name in list(os.environ):
        if name.startswith("FRAMEWRIGHT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("FRAMEWRIGHT_WORK_STORE", str(tmp_path / "work"))
    monkeypatch.setenv("FRAMEWRIGHT_CACHE_FOLDER", str(tmp_path / "cache"))
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
def settings() -> Settings:
    """The settings of this test."""
    return get_settings()


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this session's clips are made."""
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def cfr25(clip_folder: Path) -> Clip:
    """A plain clip: H.264, 25 frames a second, with sound."""
    return make("cfr25", clip_folder)


def _need_azurite() -> None:
    """Skip where there is no Azurite, or fail there if FAIL_WITHOUT_AZURITE=1."""
    if reason := azurite_module.why_not():
        if os.environ.get("FAIL_WITHOUT_AZURITE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """Azurite, once for all tests; without it they are skipped unless FAIL_WITHOUT_AZURITE=1."""
    _need_azurite()
    with azurite_module.running(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture(scope="session")
def queues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queues]:
    """Azurite's queues, as ``azurite``."""
    _need_azurite()
    with azurite_module.queues(tmp_path_factory.mktemp("queues")) as running:
        yield running


@pytest.fixture
def azure(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of an empty place in Azurite; this test may do there what a work store needs."""
    with azurite.container() as container:
        name = container.container_name
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_ENDPOINT", azurite.endpoint)
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_SAS", azurite.sas(name, "rcwdl"))
    monkeypatch.setenv("FRAMEWRIGHT_AZURE_RETRY_SECONDS", "10")
    get_settings.cache_clear()
    yield f"az://{ACCOUNT}/{name}/work area"
    with azurite.container_named(name) as container:
        container.delete_container()
