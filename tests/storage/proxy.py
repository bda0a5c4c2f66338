"""A proxy before Azurite that lets chosen requests go wrong."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from tests.azurite import ACCOUNT, Azurite

__all__ = ["Fault", "Proxy", "before"]

Fault = Literal["reset", "busy", "lost", "half", "bad request", "bad answer"]


class Proxy(ThreadingHTTPServer):
    """Passes requests on, but for the first ones of a method for which there are faults.

    Faults: ``reset`` the connection at once; answer that the server is ``busy``; do what is asked,
    then have the answer ``lost``, or ``half`` of it; change a byte of the body (``bad request``,
    ``bad answer``).
    """

    daemon_threads = True

    def __init__(self, azurite: Azurite) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.azurite = azurite
        self.faults: list[tuple[str, Fault]] = []
        self.requests: list[str] = []
        self.lock = threading.Lock()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{ACCOUNT}"

    def fault(self, method: str) -> Fault | None:
        with self.lock:
            self.requests.append(method)
            if self.faults and self.faults[0][0] == method:
                return self.faults.pop(0)[1]
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.fault(self.command)
        if fault == "reset":
            return self._reset()
        if fault == "busy":
            self.send_response(503)
            self.send_header("x-ms-error-code", "ServerBusy")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if fault == "bad request":
            body = _changed(body)
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.azurite.port, timeout=30)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        data = answer.read()
        upstream.close()
        if fault == "lost":
            return self._reset()
        if fault == "bad answer":
            data = _changed(data)
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        if answer.getheader("Content-Length") is None:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if fault == "half":
            self.wfile.write(data[: len(data) // 2])
            return self._reset()
        self.wfile.write(data)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = _pass_on

    def _reset(self) -> None:
        """Close so that the other side gets a reset, not an end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: object) -> None:
        pass


def _changed(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1]) if data else data


@contextmanager
def before(azurite: Azurite) -> Iterator[Proxy]:
    """Start a proxy."""
    proxy = Proxy(azurite)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
