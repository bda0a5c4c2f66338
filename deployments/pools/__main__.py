"""Make a work pool on the server that ``PREFECT_API_URL`` names, or change it to our template.

python -m deployments.pools create kubernetes --name framewright --set image=NAME:TAG
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import yaml
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from pydantic import ValidationError

from deployments.api import ServerError, server_client
from deployments.pools.templates import KINDS, PoolError, base_job_template

__all__ = ["create", "main"]

DEFAULT_NAME = "framewright"
"""The pool that prefect.yaml names."""


def create(kind: str, name: str = DEFAULT_NAME, defaults: dict[str, Any] | None = None) -> None:
    """Make a work pool, or give one of the same type our template.

    Raises:
        PoolError: the values or the name do not fit, or there is a pool of another type with this
            name.
        ServerError: there is no such server, or it refused the pool.
    """
    template = base_job_template(kind, defaults)
    try:
        new = WorkPoolCreate(name=name, type=KINDS[kind], base_job_template=template)
    except ValidationError as error:
        raise PoolError(f"--name {name!r} is not possible: {error.errors()[0]['msg']}.") from error
    with server_client() as client:
        try:
            there = client.read_work_pool(name)
        except ObjectNotFound:
            there = None
        if there is not None and there.type != KINDS[kind]:
            raise PoolError(
                f"there is a work pool {name!r} for {there.type} already, which cannot become one "
                f"for {KINDS[kind]}: give another --name, or delete it first."
            )
        if there is None:
            client.create_work_pool(new)
        else:  # its limits and queues stay as they are
            client.update_work_pool(name, WorkPoolUpdate(base_job_template=template))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m deployments.pools", description=__doc__)
    parser.add_argument("action", choices=["create"])
    parser.add_argument("kind", choices=sorted(KINDS))
    parser.add_argument("--name", default=DEFAULT_NAME, help=f"of the pool ({DEFAULT_NAME})")
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="NAME=YAML",
        help="default of a variable, such as gpu_count=2 or node_selector='{agentpool: gpu}'",
    )
    options = parser.parse_args(arguments)
    try:
        create(options.kind, options.name, _values(options.settings))
    except (PoolError, ServerError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"work pool {options.name} ({KINDS[options.kind]}) is ready\n")
    return 0


def _values(settings: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for text in settings:
        name, separator, value = text.partition("=")
        if not separator:
            raise PoolError(f"--set {text!r} is not NAME=VALUE.")
        try:
            values[name] = value if value.startswith("{{") else yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise PoolError(f"--set {name}: {value!r} is not YAML: {error}") from error
    return values


if __name__ == "__main__":
    raise SystemExit(main())
