"""A headless Chromium of the tests' own, which signs in to the Prefect UI and takes pictures."""

from __future__ import annotations

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

__all__ = ["CHROMIUM", "Browser", "browser"]

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--window-size=1500,1100", "--hide-scrollbars", "--remote-debugging-port=0"),
)
START_SECONDS = 90.0
DRAWING_SECONDS = 4.0
"""What is drawn after the words are there: graphs."""


class Browser:
    """One page of a Chromium, driven by the DevTools protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask for something and return the answer; what the page tells meanwhile is dropped."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def sign_in(self, ui_url: str, password: str) -> None:
        """Keep the server's password where the UI's own form keeps it."""
        kept = base64.b64encode(password.encode()).decode()
        self.call("Page.navigate", url=f"{ui_url}/")
        time.sleep(2)
        self.call(
            "Runtime.evaluate",
            expression=f"localStorage.setItem('prefect-password', {json.dumps(kept)})",
        )

    def picture(self, url: str, file: Path, words: str, wait_seconds: float = 60.0) -> str:
        """Open a page, wait until it shows certain words, and take a picture of it.

        Returns:
            All text of the page.
        """
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + wait_seconds
        text = ""
        while words not in text and time.monotonic() < deadline:
            time.sleep(0.5)
            answer = self.call("Runtime.evaluate", expression="document.body.innerText")
            text = str(answer["result"].get("value", ""))
        time.sleep(DRAWING_SECONDS)
        shot = self.call("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(shot["data"]))
        return text


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start Chromium with an empty profile; stop it in the end, by its own process id."""
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        port = _port(profile / "DevToolsActivePort", process)
        pages = httpx.get(f"http://127.0.0.1:{port}/json/list", trust_env=False).json()
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        with connect(address, max_size=None, proxy=None) as socket:
            yield Browser(socket)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(file: Path, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists() and (lines := file.read_text().split()):
            return int(lines[0])
        time.sleep(0.1)
    raise AssertionError("Chromium did not start")
