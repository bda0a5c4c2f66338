"""constraints.txt pins what pyproject.toml asks for, in versions that it allows."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[2]
LINES = [
    line
    for line in (PROJECT / "constraints.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
PINS = {canonicalize_name(name): pin for name, pin in (line.split("==") for line in LINES)}
METADATA = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
REQUIREMENTS = [
    Requirement(text)
    for texts in (METADATA["dependencies"], *METADATA["optional-dependencies"].values())
    for text in texts
]


def test_lines_are_names_and_versions_only() -> None:
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in LINES)


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda r: r.name)
def test_each_requirement_is_pinned_within_its_range(requirement: Requirement) -> None:
    pin = PINS[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pin, prereleases=True)


@pytest.mark.parametrize("name", ["prefect", "fastapi", "sqlalchemy", "dask", "distributed", "av"])
def test_what_is_installed_is_what_is_pinned(name: str) -> None:
    assert version(name) == PINS[name]
