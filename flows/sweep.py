"""The safety net: finds videos with neither a result nor a run, and starts them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from prefect import flow, get_client
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging import get_run_logger
from prefect.states import Failed
from pydantic import Field

from flows.choose import Ours, choose
from flows.dispatch import (
    go_on,
    has_died,
    is_known,
    output_folder,
    runs_of,
    score_deployment,
    start,
    tries,
)
from flows.parameters import Look, MediaFolder, all_options
from flows.sources import SUFFIXES, Found, is_source_name, list_sources
from framewright.errors import InputError
from framewright.outputs import result_names
from framewright.scorers import create, outline
from framewright.scratch import scratch_folder
from framewright.sources import local_options, unfetched_options
from framewright.storage import ObjectInfo
from framewright.types import ScorerIdentity
from tasks.login import open_here, settings_here

__all__ = ["sweep"]

MOST_LINES = 200
"""Lines of the page that the UI shows."""


@dataclass
class Sweep:
    """What a sweep finds, by what becomes of it."""

    started: list[str] = field(default_factory=list)
    under_way: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    """All attempts have failed, or a person has cancelled the run."""
    refused: list[str] = field(default_factory=list)
    """What lies with the video is wrong, and in which way."""
    left: list[str] = field(default_factory=list)
    """For the next sweep."""


@flow(name="sweep")
def sweep(
    incoming: MediaFolder,
    output: MediaFolder,
    look: Look = Look(),  # noqa: B008 - never changed; it is the form's default
    limit: Annotated[int, Field(ge=1, le=1000)] = 50,
    attempts: Annotated[int, Field(ge=1, le=10)] = 2,
) -> dict[str, int] | State[Any]:
    """Start the videos of a folder that have neither a finished result nor a run under way.

    A version of a video whose run has completed is finished, wherever its result is by now. One of
    which no run is known is finished where a result is there that is newer than it, unless runs of
    other versions are known, whose result it is.

    Args:
        incoming: Where videos arrive: the address of a folder or prefix.
        output: Where results go; as for on-arrival.
        look: How videos are scored, where nothing that lies with them says otherwise.
        limit: How many runs are started at most, the oldest videos first.
        attempts: How often a version is tried in all: another run where one fails, the same one
            again where it dies with its machine or server.
    """
    try:
        output = open_here(output).url
        sources = list(list_sources(incoming, [output], SUFFIXES))
        results = by_stem(open_here(output).list())
        with get_client(sync_client=True) as client:
            done = _sweep(client, sources, results, incoming, output, look, limit, attempts)
    except InputError as error:
        return Failed(message=str(error))
    counts = {name: len(found) for name, found in vars(done).items()}
    get_run_logger().info("of %d videos: %s", len(sources), counts)
    create_markdown_artifact(_page(done), key="sweep", description=f"sweep of {incoming}")
    return counts


def attempt_keys(key: str, attempts: int) -> list[str]:
    """Return the keys of a version's runs, in their order; the first is that of its arrival."""
    return [key, *(f"{key}-{number}" for number in range(2, attempts + 1))]


def _sweep(
    client: SyncPrefectClient,
    sources: Sequence[Found],
    results: Mapping[str, list[ObjectInfo]],
    incoming: str,
    output: str,
    look: Look,
    limit: int,
    attempts: int,
) -> Sweep:
    done = Sweep()
    runs = runs_of(client, _all_keys(sources, attempts))
    store, deployment = open_here(incoming), score_deployment(client)
    beside = {info.key for info in store.list() if not is_source_name(info.key, SUFFIXES)}
    for found in sorted(sources, key=lambda one: (one.modified_seconds, one.video)):
        keys = attempt_keys(found.key, attempts)
        due = _due(client, [runs.get(key) for key in keys], keys, found, done)
        if due is None:
            continue
        newer = _newer_results(found, results) if isinstance(due, str) else set()
        if len(done.started) >= limit and not newer:
            done.left.append(found.video)
            continue
        if not isinstance(due, str):
            (done.started if go_on(client, due) else done.under_way).append(found.video)
            continue
        try:
            chosen = choose(store, found.name, look, beside.__contains__).look
            unknown = due == found.key and not is_known(client, found.video) if newer else False
            if unknown and _has_result(found, chosen, newer):
                done.finished.append(found.video)
                continue
        except Ours:
            continue
        except InputError as error:
            done.refused.append(f"{found.video}: {error}")
            continue
        if len(done.started) >= limit:
            done.left.append(found.video)
            continue
        start(
            client,
            deployment,
            video=found.video,
            output=output_folder(output, found.name),
            look=chosen,
            key=due,
            tags=["sweep"],
        )
        done.started.append(found.video)
    return done


def _all_keys(sources: Iterable[Found], attempts: int) -> Iterable[str]:
    for found in sources:
        yield from attempt_keys(found.key, attempts)


def _due(
    client: SyncPrefectClient,
    runs: Sequence[FlowRun | None],
    keys: Sequence[str],
    found: Found,
    done: Sweep,
) -> str | FlowRun | None:
    """Return the key for the next run of a version, or its run that has died and shall go on.

    None where it needs neither, which is noted. A death says nothing of the video: a machine was
    gone, or the server was while the run's process began.
    """
    known = [run for run in runs if run is not None]
    states = [run.state for run in known if run.state is not None]
    if len(states) < len(known) or not all(state.is_final() for state in states):
        done.under_way.append(found.video)
    elif any(state.is_completed() for state in states):
        done.finished.append(found.video)
    elif any(state.is_cancelled() and not has_died(state) for state in states) or (
        len(known) == len(keys) or sum(tries(client, run) for run in known) >= len(keys)
    ):
        done.given_up.append(found.video)
    elif states and has_died(states[-1]):
        return known[-1]
    else:
        return next(key for run, key in zip(runs, keys, strict=True) if run is None)
    return None


def by_stem(results: Iterable[ObjectInfo]) -> dict[str, list[ObjectInfo]]:
    """Find objects by what stands before any of the dots in their names."""
    found: dict[str, list[ObjectInfo]] = defaultdict(list)
    for info in results:
        begin = info.key.rfind("/") + 1
        while (dot := info.key.find(".", begin)) >= 0:
            found[info.key[:dot]].append(info)
            begin = dot + 1
    return found


def _newer_results(found: Found, results: Mapping[str, list[ObjectInfo]]) -> set[str]:
    """Keys of objects that may be a video's result by their name, and are newer than it."""
    named = results.get(found.name.rpartition(".")[0], ())
    return {info.key for info in named if info.modified_seconds >= found.modified_seconds}


def _has_result(found: Found, look: Look, newer: set[str]) -> bool:
    folder, _, name = found.name.rpartition("/")
    identity = _identity(look)
    names = {f"{folder}/{one}".lstrip("/") for one in result_names(name, identity)}
    return not names.isdisjoint(newer)


def _identity(look: Look) -> ScorerIdentity:
    """What names results: for all scorers here told by the options; fitting is the run's work."""
    options = all_options(look.style, look.scorer_options)
    if (identity := outline(look.scorer, unfetched_options(options))) is not None:
        return identity
    settings = settings_here()
    with scratch_folder(settings) as scratch:
        return create(look.scorer, local_options(options, scratch, settings)).identity


def _page(done: Sweep) -> str:
    words = {
        "started": "Started",
        "refused": "Refused: what lies with them is wrong",
        "given_up": "Given up: all attempts have failed, or the run was cancelled",
        "left": "Left for the next sweep",
        "under_way": "Under way",
        "finished": "Finished",
    }
    lines = [f"Swept at {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} UTC.", ""]
    for name, heading in words.items():
        found: list[str] = getattr(done, name)
        lines += [f"## {heading}: {len(found)}", ""]
        shown = found[:MOST_LINES] if name != "finished" else []
        lines += [f"- `{one.replace('`', '')}`" for one in shown]
        lines += [f"- and {len(found) - len(shown)} more"] if 0 < len(shown) < len(found) else []
        lines.append("")
    return "\n".join(lines)
