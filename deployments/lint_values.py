"""What is wrong with values in a prefect.yaml: parameters, triggers, and secrets in plain sight."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment
from prefect.events import DeploymentTriggerTypes
from prefect.events.schemas.deployment_triggers import deployment_trigger_discriminator
from prefect.flows import Flow
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import validate
from pydantic import TypeAdapter, ValidationError

__all__ = ["Problem", "parameter_problems", "secret_problems", "trigger_problems"]

_TRIGGERS: TypeAdapter[Any] = TypeAdapter(DeploymentTriggerTypes)
_BLOCK = re.compile(r"\{\{\s*prefect\.blocks\.")
_EVENT = re.compile(r"\bevent\.(?P<path>[\w.]+)(?P<filters>[^{}]*)")
_ALWAYS_THERE = {"id", "event", "occurred", "received", "resource", "resource.id", "resource.name"}
"""Of an event; all else may be absent, and an absent value makes the automation do nothing."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong, and where.

    Attributes:
        where: path of the key in the file; empty for the file itself.
        what: the rest of a sentence that begins with the key.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where} {self.what}".strip()


def parameter_problems(
    flow: Flow[..., Any],
    given: object,
    where: str,
    *,
    beside: Mapping[str, Any] | None = None,
) -> Iterator[Problem]:
    """Check parameters against the signature of a flow.

    Args:
        flow: it takes them.
        given: values by the names of parameters; those with a template are not judged.
        where: path of the key that they are given at.
        beside: the deployment's own, where a run begins without a form in which a person could
            fill in what is missing: both together must then be enough.
    """
    if not isinstance(given, dict):
        yield Problem(where, "is not a mapping of parameters to values")
        return
    schema = parameter_schema(flow).model_dump_for_openapi()
    names = list(schema.get("properties", {}))
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(str(name), names, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names)}"
            yield Problem(f"{where}.{name}", f"is no parameter of {flow.name}; {hint}")
    plain = {name: value for name, value in given.items() if name in names and not _template(value)}
    for error in validate(plain, schema, ignore_required=True):
        path = ".".join(map(str, error.absolute_path))
        yield Problem(f"{where}.{path}", f"cannot be {error.instance!r}: {error.message}")
    if beside is not None:
        missing = set(schema.get("required", [])) - {*given, *beside}
        for name in sorted(missing):
            yield Problem(where, f"lacks {name!r}, without which every run of {flow.name} fails")


def trigger_problems(
    trigger: dict[str, Any], where: str, flow: Flow[..., Any], parameters: Mapping[str, Any]
) -> Iterator[Problem]:
    """Check a trigger of a deployment of a flow, whose parameters are ``parameters``."""
    yield from _unknown_in_trigger(trigger, where)
    try:
        _TRIGGERS.validate_python(
            {key: value for key, value in trigger.items() if not _template(value)}
        )
    except ValidationError as error:
        for one in error.errors(include_url=False, include_input=False):
            path = ".".join(map(str, one["loc"][1:]))
            yield Problem(f"{where}.{path}".rstrip("."), one["msg"])
    given = trigger.get("parameters") or {}
    yield from parameter_problems(flow, given, f"{where}.parameters", beside=parameters)
    for name, value in given.items() if isinstance(given, dict) else ():
        yield from _event_problems(value, f"{where}.parameters.{name}")


def secret_problems(deployment: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """Find references to blocks, which `prefect deploy` replaces by what the blocks hold."""
    for path, value in _texts({key: deployment[key] for key in deployment if key != "pull"}, where):
        if _BLOCK.search(value):
            yield Problem(
                path,
                "names a block: `prefect deploy` would write its content into the deployment, "
                "where everybody reads it. Name it in the work pool instead, where the worker "
                "resolves it: python -m deployments.pools create KIND --set env=...",
            )


def _unknown_in_trigger(trigger: dict[str, Any], where: str) -> Iterator[Problem]:
    kinds = {
        "event": "DeploymentEventTrigger",
        "metric": "DeploymentMetricTrigger",
        "compound": "DeploymentCompoundTrigger",
        "sequence": "DeploymentSequenceTrigger",
    }
    from prefect.events.schemas import deployment_triggers

    kind = deployment_trigger_discriminator(trigger)
    if kind not in kinds:
        yield Problem(f"{where}.type", f"is {kind!r}, not one of {', '.join(kinds)}")
        return
    fields = getattr(deployment_triggers, kinds[kind]).model_fields
    for key in trigger:
        if key not in fields:
            near = difflib.get_close_matches(str(key), list(fields), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(fields))}"
            yield Problem(f"{where}.{key}", f"is not known to Prefect; {hint}")
    inner = trigger.get("triggers")
    for number, item in enumerate(inner if isinstance(inner, list) else []):
        if isinstance(item, dict):
            yield from _unknown_in_trigger(item, f"{where}.triggers[{number}]")


def _event_problems(value: object, where: str) -> Iterator[Problem]:
    """Templates of an event that Prefect cannot fill in: it then makes no run, and says nothing."""
    for path, text in _texts(value, where):
        try:
            SandboxedEnvironment().parse(text)
        except TemplateSyntaxError as error:
            yield Problem(path, f"is not a template: {error.message}")
            continue
        for found in re.findall(r"\{\{(.*?)\}\}", text, re.DOTALL):
            for match in _EVENT.finditer(found):
                name, filters = match["path"], match["filters"]
                if name == "id" and not re.search(r"\|\s*string\b", filters):
                    yield Problem(path, "takes event.id, which is not text: event.id | string")
                if name not in _ALWAYS_THERE and not re.search(r"\|\s*(default|d)\(", filters):
                    yield Problem(
                        path,
                        f"takes event.{name}, and an event without it would make no run and no "
                        f"failure: event.{name} | default('')",
                    )


def _texts(value: object, where: str) -> Iterator[tuple[str, str]]:
    """All strings within a value, each with its path."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, f"{where}.{key}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _texts(item, f"{where}[{number}]")


def _template(value: object) -> bool:
    return any("{{" in text for _, text in _texts(value, ""))
