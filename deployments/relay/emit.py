"""The Prefect server, asked through its HTTP API: what it took, and which runs it has."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, cast

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from deployments.relay.arrival import Arrival
from flows.versions import ARRIVED
from framewright.errors import InputError

__all__ = ["ON_ARRIVAL", "Refused", "Server", "ServerDown"]

ON_ARRIVAL = "on-arrival"
"""Name of the deployment that the automation runs."""
PAGE = 200
"""The server's own limit on runs in one answer."""
TIMEOUT_SECONDS = 30.0
_IS_IT_ONE = "Is PREFECT_API_URL the address of a Prefect server, ending in /api?"


class ServerDown(Exception):
    """The server does not answer, or not usefully; nothing is wrong with what it was sent."""


class Refused(Exception):
    """The server will never take what it was sent."""


def event_id(arrival: Arrival, attempt: int) -> uuid.UUID:
    """Id of the event of one version; the server ignores one that it has seen.

    Another attempt has another id: the server may have lost the run, but not the id.
    """
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{arrival.video}\n{arrival.key}\n{attempt}")


class Server:
    """A Prefect server, named by ``PREFECT_API_URL`` and signed in to as Prefect's settings say."""

    def __init__(self) -> None:
        """Connects to nothing yet.

        Raises:
            InputError: no server is named; Prefect would start one of its own, for this process.
        """
        if not PREFECT_API_URL.value():
            raise InputError(
                "PREFECT_API_URL is not set: it names the server to tell, such as "
                "http://127.0.0.1:4200/api."
            )
        self._client: SyncPrefectClient | None = None

    def emit(self, arrivals: Sequence[tuple[Arrival, int]]) -> None:
        """Send the events of arrivals, each with the number of its attempt, in one request.

        Raises:
            ServerDown: it is not known whether the server has them.
            Refused: the server takes none of them.
        """
        events = [_event(arrival, attempt) for arrival, attempt in arrivals]
        self._call("POST", "/events", events)

    def keys_with_run(self, keys: Iterable[str]) -> set[str]:
        """Return those of the keys under which the server has a run of ``score-video``.

        Raises:
            ServerDown: it does not answer.
        """
        found: set[str] = set()
        left = iter(keys)
        while part := list(islice(left, PAGE)):
            runs = self._runs({"flow_runs": {"idempotency_key": {"any_": part}}, "limit": PAGE})
            found.update(str(run.get("idempotency_key")) for run in runs)
        return found

    def keys_on_arrival(self, since: datetime) -> set[str]:
        """Return the keys of which the server has made runs of ``on-arrival`` since a moment.

        Raises:
            ServerDown: it does not answer.
        """
        found: set[str] = set()
        offset = 0
        while True:
            runs = self._runs(
                {
                    "deployments": {"name": {"any_": [ON_ARRIVAL]}},
                    "flow_runs": {"expected_start_time": {"after_": since.isoformat()}},
                    "sort": "EXPECTED_START_TIME_DESC",
                    "limit": PAGE,
                    "offset": offset,
                }
            )
            found.update(str((run.get("parameters") or {}).get("key", "")) for run in runs)
            offset += len(runs)
            if len(runs) < PAGE:
                return found

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        if self._client is not None:
            self._client.__exit__(None, None, None)
            self._client = None

    def _runs(self, asked: object) -> list[dict[str, Any]]:
        """Return the runs that a filter finds; what is wrong with a filter is wrong for all."""
        try:
            runs = self._call("POST", "/flow_runs/filter", asked)
        except Refused as refused:
            raise ServerDown(f"it does not list its runs: {refused}") from None
        if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs):
            raise ServerDown(f"it answers no list of runs. {_IS_IT_ONE}")
        return runs

    def _call(self, method: Any, path: str, body: object) -> Any:
        try:
            with temporary_settings(updates={PREFECT_CLIENT_MAX_RETRIES: 0}):  # we try again
                answer = self._connected().request(
                    method, cast("Any", path), json=body, timeout=TIMEOUT_SECONDS
                )
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if status in (400, 413, 422):
                raise Refused(f"{status}: {error.response.text[:300]}") from None
            raise ServerDown(_why(status)) from None
        except (httpx.HTTPError, RuntimeError) as error:  # the latter: no API is configured
            self.close()
            raise ServerDown(f"{type(error).__name__}: {str(error)[:300]}") from None
        try:
            return json.loads(answer.content) if answer.content else None
        except (ValueError, RecursionError):
            raise ServerDown(f"it answers no JSON. {_IS_IT_ONE}") from None

    def _connected(self) -> SyncPrefectClient:
        if self._client is None:
            self._client = get_client(sync_client=True).__enter__()
        return self._client


def _why(status: int) -> str:
    if status in (401, 403):
        return f"it answers {status}: set PREFECT_API_AUTH_STRING as it is on the server"
    return f"it answers {status}"


def _event(arrival: Arrival, attempt: int) -> dict[str, object]:
    return {
        "id": str(event_id(arrival, attempt)),
        "occurred": datetime.now(UTC).isoformat(),
        "event": ARRIVED,
        "resource": {
            "prefect.resource.id": f"framewright.video.{arrival.video}",
            "prefect.resource.name": arrival.video.rpartition("/")[2],
        },
        "payload": {
            "video": arrival.video,
            "etag": arrival.etag,
            "root": arrival.root,
            "key": arrival.key,
            "size_bytes": arrival.size_bytes,
        },
    }
