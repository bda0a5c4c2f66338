"""The base job templates beside this file, and what may be set in them.

Each is Prefect's own template for its worker with four differences: a GPU reaches the container,
a variable that it does not know is refused by the server instead of being dropped, an environment
variable whose name sounds secret is taken as a reference to a block only, and the image is ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect.utilities.schema_tools import validate

__all__ = ["KINDS", "PoolError", "base_job_template", "variable_names"]

KINDS = {
    "azure-container-instances": "azure-container-instance",
    "docker": "docker",
    "kubernetes": "kubernetes",
    "process": "process",
}
"""Our templates, and the type of worker that each is for."""


class PoolError(Exception):
    """A work pool cannot be made like this; the message says why and what is possible."""


def base_job_template(kind: str, defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a template, with defaults of its variables replaced.

    Args:
        kind: one of ``KINDS``.
        defaults: values by the names of variables.

    Raises:
        PoolError: there is no such template or variable, or it cannot have that value.
    """
    if kind not in KINDS:
        raise PoolError(f"unknown kind of work pool {kind!r}. Known: {', '.join(KINDS)}.")
    text = Path(__file__).with_name(f"{kind}.json").read_text(encoding="utf-8")
    template: dict[str, Any] = json.loads(text)
    variables = template["variables"]
    known = variables["properties"]
    for name, value in (defaults or {}).items():
        if name not in known:
            raise PoolError(
                f"a work pool for {kind} has no variable {name!r}. Known: {', '.join(known)}."
            )
        merged = isinstance(value, Mapping) and isinstance(known[name].get("default"), dict)
        known[name]["default"] = {**known[name]["default"], **value} if merged else value
    given = {name: known[name]["default"] for name in defaults or {}}
    for error in validate(given, {**variables, "required": []}):
        where = ".".join(map(str, error.absolute_path))  # never the value: it may be a secret
        about = known[error.absolute_path[0]].get("description", "")
        raise PoolError(f"{where} cannot have that value in a work pool for {kind}: {about}")
    return template


def variable_names() -> frozenset[str]:
    """Return the names of all variables of all templates."""
    return frozenset(
        name for kind in KINDS for name in base_job_template(kind)["variables"]["properties"]
    )
