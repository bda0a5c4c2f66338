"""Deploy all of prefect.yaml to the server that ``PREFECT_API_URL`` names, checked before.

Where videos arrive, where results go and whether the sweep runs are Prefect variables: they are
seen and changed in the UI, and the next deployment takes them. As a command::

    python -m deployments.publish --incoming az://ACCOUNT/incoming --outgoing az://ACCOUNT/outgoing
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence

from prefect.client.schemas.actions import VariableCreate, VariableUpdate
from pydantic import ValidationError

from deployments.api import ServerError, server_client
from deployments.deploying import PROJECT, PublishError, prefect_deploy
from deployments.lint import lint

__all__ = ["INCOMING", "OUTGOING", "SWEEP_ACTIVE", "main", "publish"]

INCOMING = "framewright_incoming"
OUTGOING = "framewright_outgoing"
SWEEP_ACTIVE = "framewright_sweep_active"
ASKED_BY = {INCOMING: "--incoming", OUTGOING: "--outgoing", SWEEP_ACTIVE: "--sweep"}
"""The variables that prefect.yaml names; Prefect deploys nonsense, or nothing, without them."""


def publish(variables: Mapping[str, str | bool]) -> None:
    """Set variables on the server, check that none is missing, and deploy.

    Raises:
        PublishError: prefect.yaml is wrong, a variable is missing or too long, or Prefect refused
            something.
        ServerError: there is no such server.
    """
    if problems := lint(PROJECT / "prefect.yaml"):
        raise PublishError("prefect.yaml:\n" + "\n".join(map(str, problems)))
    wanted = [_variable(name, value) for name, value in variables.items()]
    with server_client() as client:
        for one in wanted:
            if client.read_variable_by_name(one.name) is None:
                client.create_variable(one)
            else:
                client.update_variable(VariableUpdate(name=one.name, value=one.value))
        missing = [name for name in ASKED_BY if client.read_variable_by_name(name) is None]
    if missing:
        how = ", ".join(f"{name} ({ASKED_BY[name]})" for name in missing)
        raise PublishError(f"the server lacks variables: {how}. They are kept once given.")
    prefect_deploy("--all")


def _variable(name: str, value: str | bool) -> VariableCreate:
    try:
        return VariableCreate(name=name, value=value)
    except ValidationError as error:
        said = error.errors()[0]["msg"]
        raise PublishError(f"{ASKED_BY.get(name, name)} is not possible: {said}.") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m deployments.publish", description=__doc__)
    parser.add_argument("--incoming", help="folder or prefix where videos arrive")
    parser.add_argument("--outgoing", help="folder or prefix where results go")
    parser.add_argument("--sweep", choices=["on", "off"], help="whether the sweep runs by itself")
    options = parser.parse_args(arguments)
    given: dict[str, str | bool | None] = {
        INCOMING: options.incoming,
        OUTGOING: options.outgoing,
        SWEEP_ACTIVE: None if options.sweep is None else options.sweep == "on",
    }
    try:
        publish({name: value for name, value in given.items() if value is not None})
    except (PublishError, ServerError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("all deployments of prefect.yaml are on the server\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
