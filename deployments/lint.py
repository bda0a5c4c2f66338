"""Find in a prefect.yaml what `prefect deploy` drops or breaks without a word.

Prefect ignores a key that it does not know, and removes the limit or trigger that it was meant to
be; an automation with a wrong template makes no run and no visible failure; a reference to a secret
block in a deployment is replaced by the secret. The allowed keys are those of the models into which
the installed Prefect reads the file. As a command, also of ``make lint``::

    python -m deployments.lint [prefect.yaml]
"""

from __future__ import annotations

import argparse
import difflib
import inspect
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import prefect
import yaml
from prefect.cli.deploy import _models as known
from prefect.cli.deploy._schedules import _schedule_config_to_deployment_schedule
from prefect.client.schemas.objects import ConcurrencyLimitStrategy
from prefect.flows import Flow
from prefect.utilities.importtools import import_object
from pydantic import BaseModel, ValidationError
from yaml.nodes import MappingNode

from deployments.lint_values import (
    Problem,
    parameter_problems,
    secret_problems,
    trigger_problems,
)
from deployments.pools.templates import variable_names

__all__ = ["lint", "main"]

FILE = Path(__file__).resolve().parents[1] / "prefect.yaml"
ALSO_AT_THE_TOP = ("definitions",)
"""Where YAML anchors are put by custom; Prefect leaves it alone."""
OF_EVERY_STEP = ("id", "requires")
"""Keywords of a build, push or pull step beside the parameters of its function."""


class _Loader(yaml.SafeLoader):
    """A loader that refuses a key given twice, of which YAML would take the last."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen and key != "<<":
                raise yaml.MarkedYAMLError(
                    problem=f"{key!r} is given twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def lint(path: Path) -> list[Problem]:
    """Return what is wrong with a prefect.yaml, in the order of the file.

    The flows that it names are imported.
    """
    try:
        config = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return [Problem("", f"cannot be read: {error}")]
    if not isinstance(config, dict):
        return [Problem("", "is not a mapping of keys to values")]
    return list(_file(config))


def _file(config: dict[str, Any]) -> Iterator[Problem]:
    yield from _unknown(config, [*_keys(known.PrefectYamlModel), *ALSO_AT_THE_TOP], "")
    if config.get("prefect-version") != prefect.__version__:
        yield Problem(
            "prefect-version",
            f"is {config.get('prefect-version')!r}, but Prefect {prefect.__version__} is installed",
        )
    yield from _steps(config, "")
    deployments = config.get("deployments")
    if not isinstance(deployments, list) or not deployments:
        yield Problem("deployments", "is not a list with deployments")
        return
    names: set[tuple[object, object]] = set()
    for number, deployment in enumerate(deployments):
        where = f"deployments[{number}]"
        if not isinstance(deployment, dict):
            yield Problem(where, "is not a mapping of keys to values")
            continue
        yield from _deployment(deployment, f"deployments[{deployment.get('name', number)}]")
        name = deployment.get("entrypoint"), deployment.get("name")
        if name in names:
            yield Problem(where, f"has the name {name[1]!r}, which another of its flow has too")
        names.add(name)


def _deployment(deployment: dict[str, Any], where: str) -> Iterator[Problem]:
    yield from _unknown(deployment, _keys(known.DeploymentConfig), where)
    if not deployment.get("name"):
        yield Problem(f"{where}.name", "is missing: `prefect deploy --all` skips it")
    yield from _model(deployment, known.DeploymentConfig, where)
    yield from _steps(deployment, where)
    yield from _work_pool(deployment.get("work_pool"), f"{where}.work_pool")
    yield from _limit(deployment.get("concurrency_limit"), f"{where}.concurrency_limit")
    yield from secret_problems(deployment, where)
    flow = _flow(deployment.get("entrypoint"))
    if isinstance(flow, str):
        yield Problem(f"{where}.entrypoint", flow)
        return
    parameters = deployment.get("parameters") or {}
    yield from parameter_problems(flow, parameters, f"{where}.parameters")
    for schedule, at in _items(deployment, "schedules", where):
        yield from _schedule(schedule, at)
        given = schedule.get("parameters") or {}
        yield from parameter_problems(flow, given, f"{at}.parameters", beside=parameters)
    for trigger, at in _items(deployment, "triggers", where):
        yield from trigger_problems(trigger, at, flow, parameters)


def _flow(entrypoint: object) -> Flow[..., Any] | str:
    """The flow of an entry point, or what is wrong with it."""
    if not isinstance(entrypoint, str) or not entrypoint:
        return "is missing"
    if ":" in entrypoint or entrypoint.endswith(".py"):
        return (
            f"{entrypoint!r} names a file, which a machine may have elsewhere: name the module, as "
            "flows.score_video.score_video"
        )
    try:
        found = import_object(entrypoint)
    except Exception as error:  # noqa: BLE001 - whatever importing our own code may raise
        return f"{entrypoint!r} cannot be imported: {type(error).__name__}: {error}"
    return found if isinstance(found, Flow) else f"{entrypoint!r} is not a flow"


def _work_pool(pool: object, where: str) -> Iterator[Problem]:
    if not isinstance(pool, dict) or not pool.get("name"):
        yield Problem(where, "names no work pool: no worker would take its runs")
        return
    yield from _unknown(pool, _keys(known.WorkPoolConfig), where)
    variables = pool.get("job_variables") or {}
    names = (str(name).partition(".")[0] for name in variables)
    yield from _unknown(dict.fromkeys(names), variable_names(), f"{where}.job_variables")


def _limit(limit: object, where: str) -> Iterator[Problem]:
    if isinstance(limit, dict):
        yield from _unknown(limit, _keys(known.ConcurrencyLimitSpec), where)
        if not isinstance(limit.get("limit"), int) or limit["limit"] < 1:
            yield Problem(f"{where}.limit", f"is {limit.get('limit')!r}, not a number from 1")
        strategies = [strategy.value for strategy in ConcurrencyLimitStrategy]
        if limit.get("collision_strategy") not in strategies:
            yield Problem(
                f"{where}.collision_strategy",
                f"is {limit.get('collision_strategy')!r}, not one of {', '.join(strategies)}",
            )
    elif limit is not None and (not isinstance(limit, int) or limit < 1):
        yield Problem(where, f"is {limit!r}, not a number from 1")


def _schedule(schedule: dict[str, Any], where: str) -> Iterator[Problem]:
    yield from _unknown(schedule, _keys(known.RawScheduleConfig), where)
    if not schedule.get("slug"):
        yield Problem(f"{where}.slug", "is missing: a deployment again would add, not replace it")
    try:
        _schedule_config_to_deployment_schedule(
            {key: value for key, value in schedule.items() if not _is_template(value)}
        )
    except ValidationError as error:
        yield from _validation(error, where)
    except (ValueError, TypeError) as error:
        yield Problem(where, str(error))


def _steps(section: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """Build, push and pull steps: each a function that exists, with its own parameters."""
    for kind in ("build", "push", "pull"):
        steps = section.get(kind)
        for number, step in enumerate([steps] if isinstance(steps, dict) else steps or []):
            at = f"{_join(where, kind)}[{number}]"
            if not isinstance(step, dict) or len(step) != 1:
                yield Problem(at, "is not a step with one name and its parameters")
                continue
            [(name, given)] = step.items()
            try:
                function: Callable[..., Any] = import_object(str(name))
                allowed = [*inspect.signature(function).parameters, *OF_EVERY_STEP]
            except Exception as error:  # noqa: BLE001 - whatever an import may raise
                yield Problem(at, f"{name!r} is not a step that can be imported: {error}")
                continue
            yield from _unknown(given, allowed, f"{at}.{name}")


def _items(section: dict[str, Any], key: str, where: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The mappings of a list; what is none, the models have told already."""
    items = section.get(key)
    for number, item in enumerate(items if isinstance(items, list) else []):
        if isinstance(item, dict):
            yield item, f"{where}.{key}[{number}]"


def _model(section: object, model: type[BaseModel], where: str) -> Iterator[Problem]:
    """What Prefect's own model refuses, beside schedules, which are told one by one."""
    try:
        model.model_validate(section)
    except ValidationError as error:
        yield from (p for p in _validation(error, where) if ".schedules" not in p.where)


def _validation(error: ValidationError, where: str) -> Iterator[Problem]:
    for one in error.errors(include_url=False, include_input=False):
        yield Problem(".".join([where, *map(str, one["loc"])]), one["msg"])


def _unknown(section: object, allowed: Iterable[str], where: str) -> Iterator[Problem]:
    """Keys that Prefect would drop, each with the one that was probably meant."""
    names = sorted(allowed)
    if not isinstance(section, dict):
        return
    for key in section:
        if key not in names:
            near = difflib.get_close_matches(str(key), names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
            yield Problem(_join(where, str(key)), f"is not known to Prefect; {hint}")


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _is_template(value: object) -> bool:
    return isinstance(value, str) and "{{" in value


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the files named, or ours; print what is wrong and return 1 where anything is."""
    parser = argparse.ArgumentParser(
        prog="python -m deployments.lint", description="Find what Prefect drops from prefect.yaml."
    )
    parser.add_argument("files", nargs="*", type=Path, default=[FILE], metavar="FILE")
    paths: list[Path] = parser.parse_args(arguments).files
    problems = [(path, problem) for path in paths for problem in lint(path)]
    for path, problem in problems:
        sys.stderr.write(f"{path.name}: {problem}\n")
    if not problems:
        sys.stdout.write(f"{', '.join(path.name for path in paths)}: nothing that Prefect drops\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
