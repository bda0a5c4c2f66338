"""The web-hook with a real client on a real socket."""

import http.client
import json
import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from deployments.relay import http_source
from deployments.relay.http_source import HttpSource
from tests.relay.events import grid_event

SECRET = "a secret of many letters"  # noqa: S105
BEARER = {"Authorization": f"Bearer {SECRET}"}
VALIDATION = [
    {
        "id": "1",
        "topic": "/subscriptions/s",
        "subject": "",
        "data": {"validationCode": "512d38b6-c7b8", "validationUrl": "https://example.org/no"},
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": "2026-11-25T01:23:45Z",
    }
]


@pytest.fixture
def hook() -> Iterator[HttpSource]:
    source = HttpSource("127.0.0.1", 0, SECRET)
    yield source
    source.give_back([])


def call(
    hook: HttpSource, method: str, path: str, body: Any = None, headers: dict[str, str] = BEARER
) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", hook.port, timeout=10)
    try:
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())
    finally:
        connection.close()


def take_one(hook: HttpSource) -> Any:
    for _ in range(1000):
        if found := hook.receive(1):
            return found[0]
        threading.Event().wait(0.005)
    raise AssertionError("nothing came")


def test_the_handshake_of_event_grid_gets_its_code_back(hook: HttpSource) -> None:
    headers = {**BEARER, "aeg-event-type": "SubscriptionValidation"}
    status, text, _ = call(hook, "POST", "/events", VALIDATION, headers)
    assert (status, json.loads(text)) == (200, {"validationResponse": "512d38b6-c7b8"})
    assert hook.receive(10) == []


def test_the_handshake_of_cloud_events_is_for_event_grid_only(hook: HttpSource) -> None:
    path = f"/events?code={SECRET.replace(' ', '%20')}"
    origin = {"WebHook-Request-Origin": "eventgrid.azure.net"}
    status, _, headers = call(hook, "OPTIONS", path, headers=origin)
    assert status == 200
    assert headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"
    assert headers["WebHook-Allowed-Rate"] == "*"
    other = {"WebHook-Request-Origin": "example.org"}
    assert call(hook, "OPTIONS", path, headers=other)[0] == 403


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/events", {}),
        ("/events?code=", {}),
        ("/events?code=wrong", {}),
        ("/events", {"Authorization": "Bearer wrong"}),
        ("/events", {"Authorization": f"Basic {SECRET}"}),
    ],
)
def test_who_does_not_know_the_secret_is_not_heard(
    hook: HttpSource, method: str, path: str, headers: dict[str, str]
) -> None:
    headers = {**headers, "aeg-event-type": "SubscriptionValidation"}
    assert call(hook, method, path, VALIDATION, headers)[0] == 401
    assert hook.receive(10) == []


def test_the_answer_says_what_became_of_a_delivery(hook: HttpSource) -> None:
    with ThreadPoolExecutor(2) as pool:
        taken = pool.submit(call, hook, "POST", "/events", [grid_event("incoming/a.mp4")])
        delivery = take_one(hook)
        assert json.loads(delivery.body)[0]["eventType"] == "Microsoft.Storage.BlobCreated"
        assert hook.hold([delivery]) == []
        hook.done(delivery)
        assert taken.result()[0] == 200
        poisoned = pool.submit(call, hook, "POST", "/events", b"hello")
        hook.poison(take_one(hook), "not JSON")
        assert poisoned.result()[:2] == (400, "not JSON")


def test_a_delivery_that_is_not_settled_in_time_is_to_come_again(
    hook: HttpSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_source, "ANSWER_SECONDS", 0.05)
    status, text, _ = call(hook, "POST", "/events", [grid_event("incoming/a.mp4")])
    assert (status, text) == (503, "not settled in time; deliver it again")
    delivery = take_one(hook)
    assert hook.hold([delivery]) == [delivery]


def test_what_waits_is_told_to_come_again_when_the_relay_stops() -> None:
    hook = HttpSource("127.0.0.1", 0, SECRET)
    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(call, hook, "POST", "/events", [grid_event("incoming/a.mp4")])
        hook.give_back([take_one(hook)])
        assert waits.result()[:2] == (503, "stopping; deliver it again")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": "2000000"}, 413),
        ({"Content-Length": "9" * 30}, 413),
        ({"Content-Length": "-5"}, 411),
        ({}, 411),
    ],
)
def test_a_body_too_long_is_refused_before_it_is_read(
    hook: HttpSource, headers: dict[str, str], status: int
) -> None:
    with socket.create_connection(("127.0.0.1", hook.port), timeout=10) as caller:
        lines = ["POST /events HTTP/1.1", f"Authorization: Bearer {SECRET}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        caller.sendall("\r\n".join([*lines, "", ""]).encode())
        assert caller.recv(100).split()[1] == str(status).encode()


def test_a_health_check_needs_no_secret(hook: HttpSource) -> None:
    assert call(hook, "GET", "/health", headers={})[:2] == (200, "up")
    assert call(hook, "GET", "/events", headers={})[0] == 404


def test_the_secret_is_not_logged(hook: HttpSource, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    call(hook, "OPTIONS", "/events?code=VerySecret", headers={})
    with socket.create_connection(("127.0.0.1", hook.port), timeout=10) as caller:
        caller.sendall(b"NONSENSE /events?code=VerySecret HTTP/9.9\r\n\r\n")
        caller.recv(100)
    assert caplog.records
    assert "VerySecret" not in caplog.text
