"""A video has arrived: decide how it is scored, and start its one run."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import unquote

from prefect import flow, get_client
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from flows.choose import Ours, choose
from flows.dispatch import output_folder, runs_of, score_deployment, start
from flows.parameters import Look, MediaAddress, MediaFolder
from flows.sources import is_below
from flows.versions import bare_etag, version_key
from framewright.errors import InputError
from framewright.storage import ObjectInfo, Store
from tasks.login import open_here

__all__ = ["on_arrival"]

EARLY_SECONDS = 5.0
"""How long a video may not be there yet when its event is."""


def _run_name() -> str:
    video = str(flow_run.get_parameters()["video"])
    return f"{video.rpartition('/')[2]} has arrived"


@flow(name="on-arrival", flow_run_name=_run_name)
def on_arrival(
    video: MediaAddress,
    output: MediaFolder,
    etag: str = "",
    root: str = "",
    key: str = "",
    look: Look = Look(),  # noqa: B008 - never changed; it is the form's default
) -> State[Any] | dict[str, str]:
    """Start the run of a video that has arrived; the server takes one for each version of it.

    Args:
        video: The video: the address of a blob, without a SAS token, or the absolute path of a
            file.
        output: Where results go: the address of a folder or prefix. Below it they lie as the
            videos do below the watched folder.
        etag: ETag of the version that has arrived. Empty for the one that is there.
        root: The watched folder or prefix that the video lies below. Empty for the video's own
            folder.
        key: How whoever started this run knows the version. Only shown.
        look: How the video is scored, where nothing that lies with it says otherwise.
    """
    log = get_run_logger()
    folder = root.rstrip("/") or video.rpartition("/")[0]
    name = video.removeprefix(folder + "/")
    try:
        if name == video:
            raise InputError(f"{video!r} does not lie below {root!r}: correct `root`.")
        if video.startswith("https://"):
            name = unquote(name)
        store = open_here(folder)
        found = _there(store, name)
        if found is None:
            return Completed(name="Gone", message=f"{video} is not there any more.")
        current = bare_etag(found.etag)
        if etag and bare_etag(etag) != current:
            return Completed(
                name="Superseded",
                message=f"{video} has been replaced since: it has the ETag {current} by now, whose "
                "own event starts its run.",
            )
        if is_below(video, open_here(output).url):
            raise Ours(f"{video} lies where results go.")
        choice = choose(store, name, look)
    except Ours as ours:
        return Completed(name="Ours", message=f"{ours} Results start no runs.")
    except InputError as error:
        return Failed(message=str(error))
    log.info("%s is scored as %s (%s)", video, choice.look, ", ".join(choice.notes) or "default")
    version = version_key(video, current)
    with get_client(sync_client=True) as client:
        known = runs_of(client, [version])
        run = start(
            client,
            score_deployment(client),
            video=video,
            output=output_folder(output, name),
            look=choice.look,
            key=version,
            tags=["arrival"],
        )
    return {"run": str(run.id), "name": run.name, "new": "no" if known else "yes"}


def _there(store: Store, name: str) -> ObjectInfo | None:
    """Look for the video; once more after a while, for events may come before what they tell."""
    found = store.stat(name)
    if found is None:
        time.sleep(EARLY_SECONDS)
        found = store.stat(name)
    return found
