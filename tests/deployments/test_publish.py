"""Publishing to servers that are not there, or are none; tests/e2e publishes to a real one."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from deployments import local_stack, publish
from deployments.deploying import PublishError, prefect_deploy
from deployments.local_stack import Stack, StackError
from deployments.pools import __main__ as pools

COMMANDS = {
    "publish": lambda: publish.main(["--incoming", "/in", "--outgoing", "/out", "--sweep", "off"]),
    "pools": lambda: pools.main(["create", "process"]),
}


@pytest.fixture
def answering() -> Iterator[Callable[[int, str], str]]:
    """Starts a server that answers all requests alike; returns its address."""
    servers: list[HTTPServer] = []

    def start(status: int, text: str) -> str:
        class Same(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            do_POST = do_PATCH = do_GET

            def log_message(self, *_: object) -> None:
                pass

        servers.append(HTTPServer(("127.0.0.1", 0), Same))
        threading.Thread(target=servers[-1].serve_forever).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/api"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def said(command: str, address: str | None, capsys: pytest.CaptureFixture[str]) -> str:
    with temporary_settings({PREFECT_API_URL: address, PREFECT_CLIENT_MAX_RETRIES: 0}):
        assert COMMANDS[command]() == 1
    told = capsys.readouterr()
    assert told.out == ""
    return told.err


@pytest.mark.parametrize("command", COMMANDS)
def test_no_server_is_started_where_none_is_named(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = said(command, None, capsys)
    assert words.startswith("no Prefect server is named: set PREFECT_API_URL")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_server_that_does_not_answer(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = said(command, "http://127.0.0.1:9/api", capsys)
    assert "the Prefect server at http://127.0.0.1:9/api does not answer" in words


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("status", "text", "advice"),
    [
        (401, "Unauthorized", "answers 401: set PREFECT_API_AUTH_STRING"),
        (422, '{"detail": "no such thing"}', "answers 422: .*no such thing"),
        (200, "<html>", "is no Prefect server: check PREFECT_API_URL, which ends in /api"),
        (200, "[]", "is no Prefect server: check PREFECT_API_URL, which ends in /api"),
        (200, "[1]", "is no Prefect server: check PREFECT_API_URL, which ends in /api"),
        (200, "null", "is no Prefect server: check PREFECT_API_URL, which ends in /api"),
        (200, '"text"', "is no Prefect server: check PREFECT_API_URL, which ends in /api"),
        (200, "{}", "is no Prefect server: check PREFECT_API_URL, which ends in /api"),
    ],
)
def test_a_server_that_does_not_take_it(
    command: str,
    status: int,
    text: str,
    advice: str,
    answering: Callable[[int, str], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = said(command, answering(status, text), capsys)
    assert words.startswith(("the Prefect server at ", "what answers at "))
    assert re.search(advice, words)


def test_a_password_in_the_address_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    words = said("pools", "http://me:s3cret@127.0.0.1:9/api", capsys)
    assert "the Prefect server at http://127.0.0.1:9/api does not answer" in words


def test_an_address_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert "at http://here:port/api does not" in said("pools", "http://here:port/api", capsys)


def test_what_no_server_would_take_is_not_blamed_on_it(
    answering: Callable[[int, str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    with temporary_settings({PREFECT_API_URL: answering(404, "{}"), PREFECT_CLIENT_MAX_RETRIES: 0}):
        assert pools.main(["create", "process", "--name", "a/b"]) == 1
        assert capsys.readouterr().err.startswith("--name 'a/b' is not possible: ")
        assert publish.main(["--incoming", "x" * 6000]) == 1
        assert capsys.readouterr().err.startswith("--incoming is not possible: ")


def test_what_prefect_does_not_deploy_is_said(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match=r"(?s)`prefect deploy` failed:.*--nothing-like-that"):
        prefect_deploy("--nothing-like-that")
    with pytest.raises(StackError, match="`prefect deploy` failed"):
        local_stack.deploy(Stack(str(tmp_path), "http://127.0.0.1:9/api", "tcp://127.0.0.1:9"))
