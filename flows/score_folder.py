"""Score every video of a folder or prefix, a few at a time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from prefect import flow, get_client
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Failed
from pydantic import Field

from flows.choose import Ours, choose
from flows.dispatch import output_folder, score_deployment, start
from flows.parameters import Look, MediaFolder
from flows.sources import SUFFIXES, Found, list_sources
from framewright.errors import InputError
from tasks.login import open_here

__all__ = ["score_folder"]

LOOK_SECONDS = 5.0
"""How often runs under way are asked for their states."""


@flow(name="score-folder")
def score_folder(
    folder: MediaFolder,
    output: MediaFolder,
    look: Look = Look(),  # noqa: B008 - never changed; it is the form's default
    at_a_time: Annotated[int, Field(ge=1, le=1000)] = 4,
) -> dict[str, str] | State[Any]:
    """Score every video of a folder, and wait for them; one that fails does not stop the others.

    The same folder again with the same look starts only what is new or has failed.

    Args:
        folder: Where the videos are: the address of a folder or prefix.
        output: Where results go; as for on-arrival.
        look: How videos are scored, where nothing that lies with them says otherwise.
        at_a_time: How many runs are under way at most.
    """
    try:
        folder, output = open_here(folder).url, open_here(output).url
        videos = sorted(list_sources(folder, [output], SUFFIXES), key=lambda one: one.name)
        with get_client(sync_client=True) as client:
            ends = _score_all(client, videos, folder, output, look, at_a_time)
    except InputError as error:
        return Failed(message=str(error))
    lines = [f"| `{name}` | {end.replace('|', '/')} |" for name, end in sorted(ends.items())]
    page = "\n".join(["| video | run |", "|---|---|", *lines])
    create_markdown_artifact(page, key="score-folder", description=f"videos of {folder}")
    bad = sorted(name for name, end in ends.items() if end != "Completed")
    get_run_logger().info("%d of %d videos are scored", len(ends) - len(bad), len(ends))
    if bad:
        return Failed(message=f"{len(bad)} of {len(ends)} videos are not scored: {bad[:10]}")
    return ends


def _score_all(
    client: SyncPrefectClient,
    videos: Sequence[Found],
    folder: str,
    output: str,
    look: Look,
    at_a_time: int,
) -> dict[str, str]:
    """Start the runs of all videos, wait for them, and return how each ended, by its name."""
    ends: dict[str, str] = {}
    under_way: dict[UUID, str] = {}
    for found in videos:
        _await(client, under_way, ends, at_a_time - 1)
        try:
            run, ended = _begin(client, found, folder, output, look)
        except Ours:
            continue
        except InputError as error:
            ends[found.name] = f"Refused: {error}"
            continue
        if ended:
            ends[found.name] = ended
        else:
            under_way[run] = found.name
    _await(client, under_way, ends, 0)
    return ends


def _begin(
    client: SyncPrefectClient, found: Found, folder: str, output: str, look: Look
) -> tuple[UUID, str]:
    """Start the run of a video; return its id, and its end where it has completed before."""
    chosen = choose(open_here(folder), found.name, look).look
    deployment = score_deployment(client)
    asked = f"{found.key}\n{output}\n{chosen.model_dump_json()}"
    key = hashlib.sha256(asked.encode()).hexdigest()
    for number in range(1, 1000):
        run = start(
            client,
            deployment,
            video=found.video,
            output=output_folder(output, found.name),
            look=chosen,
            key=f"{key}-{number}",
            tags=["folder"],
        )
        if run.state is None or not run.state.is_final():
            return run.id, ""
        if run.state.is_completed():
            return run.id, "Completed"
    raise InputError(f"{found.video} has failed 999 times with these settings: look at its runs.")


def _await(
    client: SyncPrefectClient, under_way: dict[UUID, str], ends: dict[str, str], most: int
) -> None:
    """Wait until at most so many runs are under way, and note how the others ended."""
    while under_way:
        for run_id, name in list(under_way.items()):
            state = client.read_flow_run(run_id).state
            if state is not None and state.is_final():
                ends[name] = str(state.name or state.type.value)
                del under_way[run_id]
        if len(under_way) <= most:
            return
        time.sleep(LOOK_SECONDS)
