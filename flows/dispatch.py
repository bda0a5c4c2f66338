"""Starting runs of ``score-video``, one for each version of a video, and seeing how they stand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterIdempotencyKey,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import OrchestrationResult, SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry

from flows.parameters import Look
from framewright.errors import InputError

__all__ = [
    "SCORE_VIDEO",
    "go_on",
    "has_died",
    "is_known",
    "output_folder",
    "runs_of",
    "score_deployment",
    "start",
    "tries",
]

SCORE_VIDEO = "score-video/score-video"
PAGE = 200
"""The server's own limit on runs in one answer."""
_SLOT_LOST = "Deployment concurrency slot lost"
"""Begin of the message of such a state; nothing else tells it from what a person has cancelled."""


def score_deployment(client: SyncPrefectClient) -> UUID:
    """Return the id of the deployment that scores.

    Raises:
        InputError: there is none.
    """
    try:
        return client.read_deployment_by_name(SCORE_VIDEO).id
    except ObjectNotFound:
        raise InputError(
            f"there is no deployment {SCORE_VIDEO!r}: `python -m deployments.publish` makes it."
        ) from None


def output_folder(output: str, name: str) -> str:
    """Return the folder for the result of a video: the tree of the sources, below ``output``.

    Args:
        output: address of the folder for all results.
        name: the video's key below the folder that was watched or listed.
    """
    folder = PurePosixPath(quote(name) if output.startswith("https://") else name).parent
    parts = [output.rstrip("/"), *(folder.parts if str(folder) != "." else ())]
    return "/".join(parts) + "/"


def start(
    client: SyncPrefectClient,
    deployment: UUID,
    *,
    video: str,
    output: str,
    look: Look,
    key: str,
    tags: Sequence[str],
) -> FlowRun:
    """Start a run, or return the one that was started under the same key before.

    Args:
        client: a client of the server.
        deployment: what ``score_deployment`` returns.
        video: address of the video.
        output: address of the folder for its result, ending in ``/``.
        look: how it is scored; only what differs from the flow's own defaults is passed on.
        key: the name under which the server takes one run and no second.
        tags: shown with the run.
    """
    chosen = look.model_dump(exclude_defaults=True)
    return client.create_flow_run_from_deployment(
        deployment,
        parameters={"video": _written(video), "output": _written(output), **chosen},
        idempotency_key=key,
        tags=[*tags, _tag_of(video)],
    )


def runs_of(client: SyncPrefectClient, keys: Iterable[str]) -> dict[str, FlowRun]:
    """Return the runs that were started under those of the keys that have one."""
    found: dict[str, FlowRun] = {}
    left = iter(keys)
    while part := list(islice(left, PAGE)):
        mine: Any = FlowRunFilterIdempotencyKey(any_=part)
        for run in client.read_flow_runs(
            flow_run_filter=FlowRunFilter(idempotency_key=mine), limit=PAGE
        ):
            if run.idempotency_key:
                found[run.idempotency_key] = run
    return found


def has_died(state: State[Any]) -> bool:
    """Whether a run ended for want of a machine, a server or a slot, not by its video or a person.

    A server that has lost what it knew of slots cancels runs whose process it had let start.
    """
    cancelled = state.is_cancelled() and (state.message or "").startswith(_SLOT_LOST)
    return state.is_crashed() or cancelled


def tries(client: SyncPrefectClient, run: FlowRun) -> int:
    """Return how often a run has ended: once, and again each time that it went on."""
    return sum(state.is_final() for state in client.read_flow_run_states(run.id))


def go_on(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Let a run that is over be taken up again by a worker, as the UI's Retry does.

    Returns:
        Whether the server let it: not where somebody was first.
    """
    answer: OrchestrationResult[Any] = client.set_flow_run_state(run.id, AwaitingRetry())
    return answer.status == SetStateStatus.ACCEPT


def is_known(client: SyncPrefectClient, video: str) -> bool:
    """Whether the server has a run of any version of a video that was started here."""
    tags = FlowRunFilterTags(all_=[_tag_of(video)])
    return bool(client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=tags), limit=1))


def _written(address: str) -> str:
    """Return an address as parameters have it: where a blob's name has a "?", percent-encoded."""
    account, slash, path = address.removeprefix("az://").partition("/")
    if not address.startswith("az://") or "?" not in path:
        return address
    return f"https://{account}.blob.core.windows.net{slash}{quote(path)}"


def _tag_of(video: str) -> str:
    return f"video-{hashlib.sha256(video.encode()).hexdigest()[:16]}"
