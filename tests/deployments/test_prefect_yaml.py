"""prefect.yaml holds only keys that Prefect reads: it drops others without a word."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.cli.deploy import _models as known
from prefect.utilities.importtools import import_object
from pydantic import BaseModel

PROJECT = Path(__file__).resolve().parents[2]
CONFIG: dict[str, Any] = yaml.safe_load((PROJECT / "prefect.yaml").read_text())


def unknown_keys(config: dict[str, Any]) -> Iterator[str]:
    """Yield the path of every key that Prefect would drop."""
    yield from _unknown(config, known.PrefectYamlModel, "")
    for number, deployment in enumerate(config.get("deployments") or []):
        where = f"deployments[{number}]."
        yield from _unknown(deployment, known.DeploymentConfig, where)
        yield from _unknown(deployment.get("work_pool"), known.WorkPoolConfig, where + "work_pool.")
        limit = deployment.get("concurrency_limit")
        yield from _unknown(limit, known.ConcurrencyLimitSpec, where + "concurrency_limit.")


def _unknown(section: object, model: type[BaseModel], where: str) -> Iterator[str]:
    if isinstance(section, dict):
        names = {field.alias or name for name, field in model.model_fields.items()}
        yield from (where + key for key in section if key not in names)


def test_all_keys_are_known() -> None:
    assert list(unknown_keys(CONFIG)) == []


@pytest.mark.parametrize(
    ("deployment", "found"),
    [
        ({"trigger": []}, "deployments[0].trigger"),
        ({"concurency_limit": 1}, "deployments[0].concurency_limit"),
        ({"work_pool": {"queue": "a"}}, "deployments[0].work_pool.queue"),
        ({"concurrency_limit": {"max": 1}}, "deployments[0].concurrency_limit.max"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_misspelt_key_is_found(deployment: dict[str, Any], found: str) -> None:
    assert list(unknown_keys({"deployments": [deployment]})) == [found]


@pytest.mark.parametrize("deployment", CONFIG["deployments"], ids=lambda d: d["name"])
def test_the_entrypoint_is_a_module_and_imports(deployment: dict[str, Any]) -> None:
    entrypoint = deployment["entrypoint"]
    assert ":" not in entrypoint, "docs/adr/0002: the dotted form"
    assert import_object(entrypoint).name


def test_the_version_is_the_pinned_one() -> None:
    pins = (PROJECT / "constraints.txt").read_text().splitlines()
    assert f"prefect=={CONFIG['prefect-version']}" in pins
