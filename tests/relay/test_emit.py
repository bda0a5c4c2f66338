"""What the relay makes of a server's answers, on a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.relay.arrival import Arrival
from deployments.relay.emit import Refused, Server, ServerDown
from framewright.errors import InputError

ARRIVAL = Arrival("az://acc/media/incoming/a.mp4", "0x8D", 5, root="az://acc/media/incoming")


class Answers(BaseHTTPRequestHandler):
    status = 204
    words = b""

    def do_GET(self) -> None:
        self._say(422, b"CSRF protection is disabled.")  # what a real one says of /csrf-token

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(self.status, self.words)

    def _say(self, status: int, words: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    listening = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
    with temporary_settings({PREFECT_API_URL: f"http://127.0.0.1:{listening.server_port}/api"}):
        made = Server()
        yield made
        made.close()
    listening.shutdown()
    listening.server_close()


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, ServerDown, "set PREFECT_API_AUTH_STRING"),
        (403, ServerDown, "set PREFECT_API_AUTH_STRING"),
        (404, ServerDown, "it answers 404"),
        (422, Refused, "422"),
        (413, Refused, "413"),
        (429, ServerDown, "it answers 429"),
        (500, ServerDown, "it answers 500"),
        (503, ServerDown, "it answers 503"),
    ],
)
def test_only_what_is_wrong_with_the_event_is_held_against_it(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    error: type[Exception],
    words: str,
) -> None:
    monkeypatch.setattr(Answers, "status", status)
    with pytest.raises(error, match=words):
        server.emit([(ARRIVAL, 1)])
    monkeypatch.setattr(Answers, "status", 204)
    server.emit([(ARRIVAL, 1)])


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (200, b"<html>Sign in</html>"),
        (200, b"\xff\xfe"),
        (200, b'{"detail": "x"}'),
        (200, b"[1]"),
        (200, b""),
        (400, b"bad filter"),
        (422, b"bad filter"),
    ],
)
def test_what_is_no_list_of_runs_is_a_server_that_is_down(
    server: Server, monkeypatch: pytest.MonkeyPatch, status: int, words: bytes
) -> None:
    monkeypatch.setattr(Answers, "status", status)
    monkeypatch.setattr(Answers, "words", words)
    with pytest.raises(ServerDown):
        server.keys_with_run(["k"])
    with pytest.raises(ServerDown):
        server.keys_on_arrival(datetime.now(UTC))


def test_an_answer_that_is_no_servers_is_no_receipt(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answers, "status", 200)
    monkeypatch.setattr(Answers, "words", b"<html>Sign in</html>")
    with pytest.raises(ServerDown, match="PREFECT_API_URL"):
        server.emit([(ARRIVAL, 1)])


def test_a_server_that_is_not_there_is_down() -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        server = Server()
        for _ in range(2):
            with pytest.raises(ServerDown, match="ConnectError"):
                server.keys_with_run(["k"])


def test_a_relay_without_a_server_does_not_start_one_of_its_own() -> None:
    unset = temporary_settings(restore_defaults={PREFECT_API_URL})
    with unset, pytest.raises(InputError, match="PREFECT_API_URL is not set"):
        Server()
