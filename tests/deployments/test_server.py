"""The server's garbage is collected, and not by the thread that makes it."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import gc, threading, time
from deployments.server import collect_beside

found = []

class Garbage:
    def __del__(self):
        found.append(threading.current_thread().name)

collect_beside()
for _ in range(5000):
    one = Garbage()
    one.itself = one
    del one
deadline = time.monotonic() + 30
while len(found) < 5000 and time.monotonic() < deadline:
    time.sleep(0.05)
print(len(found), *sorted(set(found)), gc.isenabled())
"""


def test_garbage_is_collected_in_a_thread_beside() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["5000", "garbage", "False"]


def test_the_arguments_are_those_of_prefect() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deployments.server", "server", "start", "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "--port" in done.stdout
