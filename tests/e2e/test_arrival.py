"""`make up`, and a video put into storage by a plain client: nothing else is done.

The folder given as ARRIVAL_SHOW keeps screenshots of the UI and the times, to be looked at.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from azure.storage.blob import BlobServiceClient

from deployments import local_stack, up
from tests.azurite import why_not
from tests.browser import CHROMIUM, browser
from tests.torture.expect import observe
from tests.torture.make import Clip

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(bool(why_not()), reason=why_not() or "it is there"),
]

WAIT_SECONDS = 400.0


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[local_stack.Stack]:
    home = tmp_path_factory.mktemp("everything")
    stack = up.start(home, workers=1)
    try:
        yield stack
    finally:
        local_stack.stop(home)


@dataclass(frozen=True)
class Arrival:
    """A video that was put, and what became of it."""

    put_at: float
    done_at: float
    result: bytes
    name: str
    run: dict[str, Any]


def media(stack: local_stack.Stack) -> BlobServiceClient:
    """A plain client with what `make up` has written down for users."""
    text = (Path(stack.home) / "media-connection-string").read_text()
    return BlobServiceClient.from_connection_string(text)


def api(stack: local_stack.Stack, path: str, **query: Any) -> Any:
    answer = stack.ask(path, **(query or {"limit": 200}))
    assert answer.is_success, answer.text
    return answer.json()


def score_runs(stack: local_stack.Stack) -> list[dict[str, Any]]:
    runs = api(stack, "/flow_runs/filter", flows={"name": {"any_": ["score-video"]}}, limit=200)
    return sorted(runs, key=lambda run: str(run["created"]))


def wait_for_end(stack: local_stack.Stack, run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        stack.check()
        run: dict[str, Any] = stack.ask(f"/flow_runs/{run_id}").json()
        if run["state"]["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            return run
        time.sleep(0.5)
    raise AssertionError(stack.service("prefect worker").log_tail(60))


@pytest.fixture(scope="module")
def arrival(everything: local_stack.Stack, cfr25: Clip) -> Arrival:
    name = "videos/cfr25.mp4"
    with media(everything) as client:
        incoming = client.get_container_client("incoming")
        outgoing = client.get_container_client("outgoing")
        put_at = time.time()
        chosen = {"framewright_scorer": "identity", "framewright_unit_seconds": "1.0"}
        incoming.upload_blob(name, cfr25.path.read_bytes(), metadata=chosen)
        deadline = time.monotonic() + WAIT_SECONDS
        while not (found := [blob.name for blob in outgoing.list_blobs() if video(blob.name)]):
            everything.check()
            ended = [r for r in score_runs(everything) if r["state"]["type"] == "FAILED"]
            assert not ended, ended[0]["state"]["message"]
            assert time.monotonic() < deadline, everything.service("prefect worker").log_tail(60)
            time.sleep(0.2)
        done_at = time.time()
        result = outgoing.download_blob(found[0]).readall()
    [run] = score_runs(everything)
    return Arrival(put_at, done_at, result, found[0], wait_for_end(everything, run["id"]))


def video(name: str) -> bool:
    return name.endswith(".mp4")


def test_the_result_is_exact_and_lies_where_its_source_did(
    arrival: Arrival, cfr25: Clip, tmp_path: Path
) -> None:
    assert arrival.name == "videos/cfr25.identity.mp4"
    (tmp_path / "result.mp4").write_bytes(arrival.result)
    made = observe(tmp_path / "result.mp4")
    assert list(made.codes) == cfr25.codes
    assert [track.sha256 for track in made.audio] == [track.sha256 for track in cfr25.audio]


def test_run_artifacts_and_event_are_found(everything: local_stack.Stack, arrival: Arrival) -> None:
    assert arrival.run["state"]["name"] == "Completed"
    mine = {"id": {"any_": [arrival.run["id"]]}}
    artifacts = api(everything, "/artifacts/filter", flow_runs=mine, limit=200)
    assert {one["type"] for one in artifacts} >= {"markdown", "progress"}
    events = api(
        everything,
        "/events/filter",
        filter={"event": {"name": ["framewright.video.arrived"]}},
        limit=50,
    )["events"]
    assert [one["payload"]["video"] for one in events] == ["az://media/incoming/videos/cfr25.mp4"]
    [first] = api(
        everything, "/flow_runs/filter", flows={"name": {"any_": ["on-arrival"]}}, limit=200
    )
    assert first["created_by"]["type"] == "AUTOMATION"
    started = datetime.fromisoformat(arrival.run["start_time"]).timestamp()
    decided = datetime.fromisoformat(first["start_time"]).timestamp()
    told = datetime.fromisoformat(events[0]["occurred"]).timestamp()
    seconds = {
        "put to event": told - arrival.put_at,
        "put to on-arrival": decided - arrival.put_at,
        "put to score-video": started - arrival.put_at,
        "put to result": arrival.done_at - arrival.put_at,
    }
    print(seconds)
    if folder := os.environ.get("ARRIVAL_SHOW"):
        (Path(folder) / "seconds.json").write_text(json.dumps(seconds, indent=2))
    assert list(seconds.values()) == sorted(seconds.values())


def test_every_field_of_the_deployments_is_on_the_server(everything: local_stack.Stack) -> None:
    read = api(everything, "/deployments/filter", limit=200)
    found = {one["name"]: one for one in read}
    assert sorted(found) == ["on-arrival", "score-folder", "score-video", "sweep"]
    assert all("framewright" in one["tags"] and one["description"] for one in read)
    assert all(one["work_pool_name"] == "framewright" for one in read)
    assert all(one["enforce_parameter_schema"] for one in read)
    limits = {name: one["global_concurrency_limit"]["limit"] for name, one in found.items()}
    assert limits == {"on-arrival": 4, "score-folder": 1, "score-video": 4, "sweep": 1}
    strategies = {name: one["concurrency_options"] for name, one in found.items()}
    assert strategies["score-video"]["collision_strategy"] == "ENQUEUE"
    assert strategies["score-video"]["grace_period_seconds"] == 600
    assert strategies["sweep"]["collision_strategy"] == "CANCEL_NEW"
    assert found["on-arrival"]["parameters"] == {"output": "az://media/outgoing"}
    assert found["sweep"]["parameters"] == {
        "incoming": "az://media/incoming",
        "output": "az://media/outgoing",
    }
    [schedule] = found["sweep"]["schedules"]
    assert (schedule["slug"], schedule["active"]) == ("every-15-minutes", True)
    assert schedule["schedule"]["cron"] == "*/15 * * * *"
    [automation] = api(everything, "/automations/filter", limit=200)
    assert automation["name"] == "framewright-on-arrival"
    assert automation["enabled"]
    assert automation["trigger"]["expect"] == ["framewright.video.arrived"]
    assert automation["trigger"]["match"] == {"prefect.resource.id": "framewright.video.*"}
    [action] = automation["actions"]
    assert action["deployment_id"] == found["on-arrival"]["id"]
    assert sorted(action["parameters"]) == ["etag", "key", "root", "video"]


def test_a_new_run_with_the_same_parameters_and_a_retry_score_nothing(
    everything: local_stack.Stack, arrival: Arrival
) -> None:
    """Both buttons of a finished run in the UI."""
    before = len(scored(everything, arrival.run["id"]))
    assert before == 3
    again = api(
        everything,
        f"/deployments/{arrival.run['deployment_id']}/create_flow_run",
        parameters=arrival.run["parameters"],
    )
    ended = wait_for_end(everything, again["id"])
    assert ended["state"]["name"] == "Completed", ended["state"]
    assert scored(everything, again["id"]) == []
    retry = {"type": "SCHEDULED", "name": "AwaitingRetry"}
    api(everything, f"/flow_runs/{arrival.run['id']}/set_state", state=retry, force=True)
    ended = wait_for_end(everything, arrival.run["id"])
    assert ended["state"]["name"] == "Completed", ended["state"]
    assert len(scored(everything, arrival.run["id"])) == before


def scored(stack: local_stack.Stack, run_id: str) -> list[str]:
    tasks = api(stack, "/task_runs/filter", flow_runs={"id": {"any_": [run_id]}}, limit=200)
    return [task["name"] for task in tasks if task["name"].startswith("score unit")]


def test_without_the_password_there_is_no_way_in(everything: local_stack.Stack) -> None:
    url = f"{everything.api_url}/flow_runs/filter"
    assert httpx.post(url, json={}, trust_env=False).status_code == 401
    wrong = httpx.post(url, json={}, auth=("framewright", "wrong"), trust_env=False)
    assert wrong.status_code == 401


def test_the_secrets_are_in_files_of_the_user_alone(
    everything: local_stack.Stack, arrival: Arrival
) -> None:
    home = Path(everything.home)
    private = json.loads((home / "private.json").read_text())
    password = (home / "password").read_text().partition(":")[2]
    keys = [pair.split(":", 1)[1] for pair in private["azurite"]["AZURITE_ACCOUNTS"].split(";")]
    tokens = json.loads(private["prefect worker"]["FRAMEWRIGHT_AZURE_LOGINS"]).values()
    signatures = [token.rpartition("sig=")[2].partition("&")[0] for token in tokens]
    secrets = [password, *keys, *signatures]
    for name in ("password", "private.json", "media-connection-string"):
        assert (home / name).stat().st_mode & 0o777 == 0o600
    for service in everything.services:
        root = service.process()
        assert root is not None
        for process in [root, *root.children(recursive=True)]:
            try:
                shown = " ".join(process.cmdline())
            except psutil.NoSuchProcess:
                continue
            assert not any(secret in shown for secret in secrets), service.name
        log = Path(service.log).read_text(errors="replace")
        assert not any(secret in log for secret in secrets), service.name
    state = (home / "stack.json").read_text()
    logs = api(everything, "/logs/filter", limit=200)
    for text in (state, json.dumps(logs), json.dumps(score_runs(everything))):
        assert not any(secret in text for secret in secrets)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium to look at the UI with")
def test_the_ui_shows_run_event_and_deployments(
    everything: local_stack.Stack, arrival: Arrival, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("ARRIVAL_SHOW", tmp_path))
    ui = everything.ui_url
    with browser(tmp_path / "profile") as page:
        page.sign_in(ui, (Path(everything.home) / "password").read_text().strip())
        shown = page.picture(
            f"{ui}/runs/flow-run/{arrival.run['id']}", folder / "ui-run.png", "Finished in state"
        )
        assert "cfr25.mp4 as identity" in shown
        assert "Completed" in shown
        shown = page.picture(f"{ui}/events", folder / "ui-events.png", "framewright.video.arrived")
        assert "framewright.video.arrived" in shown
        shown = page.picture(f"{ui}/deployments", folder / "ui-deployments.png", "score-folder")
        assert all(name in shown for name in ("on-arrival", "score-video", "sweep"))
