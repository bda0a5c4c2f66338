"""Arrivals that Event Grid delivers by HTTP, with the handshakes by which it makes sure of us."""

from __future__ import annotations

import hmac
import json
import logging
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from deployments.relay.arrival import Delivery, Poison
from deployments.relay.schemas import MAX_BODY_BYTES, VALIDATION, events_in

__all__ = ["HttpSource"]

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 25.0
"""Event Grid waits 30 s for an answer, and delivers again later where none comes."""
READ_SECONDS = 10.0
"""How long a caller may take to send the next bytes of its request."""
MOST_CALLERS = 32
ORIGIN = "eventgrid.azure.net"


@dataclass(slots=True)
class _Exchange:
    """One caller that waits for its answer."""

    began: float = field(default_factory=time.monotonic)
    answered: threading.Event = field(default_factory=threading.Event)
    status: int = 503
    words: str = "not settled in time; deliver it again"

    def answer(self, status: int, words: str = "") -> None:
        self.status, self.words = status, words
        self.answered.set()


class HttpSource:
    """A web-hook. Its answer is the receipt: 200 only when the server has the runs.

    A message that can never be processed gets 400, after which Event Grid keeps it in its own
    dead-letter container instead of delivering it again.

    Args:
        host: address to listen on.
        port: port to listen on; 0 for a free one.
        secret: what callers must know.
    """

    def __init__(self, host: str, port: int, secret: str) -> None:
        self._secret = secret
        self._came: queue.Queue[Delivery] = queue.Queue(maxsize=MOST_CALLERS)
        self._callers = threading.BoundedSemaphore(MOST_CALLERS)
        self._server = _Server((host, port), self)
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.05,), name="web-hook", daemon=True).start()

    @property
    def port(self) -> int:
        """Port that it listens on."""
        return int(self._server.server_address[1])

    @property
    def name(self) -> str:
        """Where it listens."""
        return f"web-hook on {self._server.server_address[0]!s}:{self.port}"

    def receive(self, most: int) -> list[Delivery]:
        """Return what callers have sent."""
        found: list[Delivery] = []
        with suppress(queue.Empty):
            while len(found) < most:
                found.append(self._came.get_nowait())
        return found

    def done(self, delivery: Delivery) -> None:
        """Answer that the events have been taken."""
        _exchange(delivery).answer(200)

    def poison(self, delivery: Delivery, reason: str) -> None:
        """Answer that they never will be."""
        logger.error("an HTTP delivery cannot be processed: %s", reason)
        _exchange(delivery).answer(400, reason)

    def hold(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Return those whose callers wait no longer."""
        return [one for one in deliveries if _exchange(one).answered.is_set()]

    def give_back(self, deliveries: list[Delivery]) -> None:
        """Tell all who wait to deliver again, and stop listening."""
        for delivery in [*deliveries, *self.receive(MOST_CALLERS)]:
            _exchange(delivery).answer(503, "stopping; deliver it again")
        self._server.shutdown()
        self._server.server_close()

    def knows(self, given: str) -> bool:
        """Whether a caller knows the secret; takes as long where only the end is wrong."""
        return hmac.compare_digest(given.encode(), self._secret.encode())

    def wait_for(self, body: bytes) -> tuple[int, str]:
        """Hand a delivery over, wait for what becomes of it, and return the answer."""
        if not self._callers.acquire(blocking=False):
            return 503, "too many deliveries at a time"
        try:
            exchange = _Exchange()
            try:
                self._came.put_nowait(Delivery(self, body, receipt=exchange))
            except queue.Full:
                return 503, "too many deliveries at a time"
            if not exchange.answered.wait(ANSWER_SECONDS):
                exchange.answer(503, exchange.words)  # so that `hold` sees that it is over
            return exchange.status, exchange.words
        finally:
            self._callers.release()


def _exchange(delivery: Delivery) -> _Exchange:
    assert isinstance(delivery.receipt, _Exchange)  # noqa: S101 - ours
    return delivery.receipt


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = MOST_CALLERS

    def __init__(self, address: tuple[str, int], source: HttpSource) -> None:
        self.source = source
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that goes away is no news; the base class prints a traceback."""
        logger.info("a call from %s broke off", client_address[0])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "framewright-relay", ""
    timeout = READ_SECONDS
    server: _Server

    def do_GET(self) -> None:
        """Say that the relay is up, to whoever asks."""
        if urlsplit(self.path).path == "/health":
            self._answer(200, "up")
        else:
            self._answer(404, "POST events to /events")

    def do_OPTIONS(self) -> None:
        """Answer the handshake of CloudEvents: whether we take events from that origin."""
        if not self._may():
            return
        origin = self.headers.get("WebHook-Request-Origin", "")
        if origin != ORIGIN:
            self._answer(403, f"events are taken from {ORIGIN} only")
            return
        self._answer(200, "", {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})

    def do_POST(self) -> None:
        """Take events, or answer the handshake of Event Grid's own schema."""
        if not self._may() or (body := self._body()) is None:
            return
        if self.headers.get("aeg-event-type", "") == "SubscriptionValidation":
            self._validate(body)
            return
        self._answer(*self.server.source.wait_for(body))

    def _validate(self, body: bytes) -> None:
        try:
            events = events_in(body)
        except Poison as poison:
            self._answer(400, str(poison))
            return
        code = events[0].data.get("validationCode")
        if events[0].kind != VALIDATION or not isinstance(code, str) or len(code) > 1024:
            self._answer(400, "a validation without a code")
            return
        self._answer(200, json.dumps({"validationResponse": code}), kind="application/json")

    def _may(self) -> bool:
        parts = urlsplit(self.path)
        if parts.path != "/events":
            self._refuse(404, "POST events to /events")
            return False
        codes = parse_qs(parts.query).get("code", [])
        bearer = self.headers.get("Authorization", "")
        given = bearer.removeprefix("Bearer ") if bearer else (codes or [""])[0]
        if self.server.source.knows(given):
            return True
        self._refuse(401, "the secret is missing or wrong")
        return False

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdigit():
            self._refuse(411, "the length of the body is needed")
        elif len(length) > 10 or int(length) > MAX_BODY_BYTES:
            self._refuse(413, f"at most {MAX_BODY_BYTES} bytes")
        else:
            body = self.rfile.read(int(length))
            if len(body) == int(length):
                return body
            self._refuse(400, "the body is shorter than its length")
        return None

    def _refuse(self, status: int, words: str) -> None:
        """Answer without having read the body: the connection cannot be used again."""
        self.close_connection = True
        self._answer(status, words)

    def _answer(
        self,
        status: int,
        words: str,
        headers: dict[str, str] | None = None,
        kind: str = "text/plain; charset=utf-8",
    ) -> None:
        content = words.encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Log the path without the query: the secret may stand there."""
        logger.debug("%s %s: %s", self.command, urlsplit(self.path).path, code)

    def log_message(self, format: str, *args: Any) -> None:
        """Log errors of the protocol without the request line that they quote."""
        logger.debug("a malformed call from %s", self.client_address[0])
