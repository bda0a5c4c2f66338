"""What a hostile file could make its decoder do, as functions that a sandbox calls."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from framewright.errors import SourceRefused
from framewright.types import Progress, ProgressCallback, Record


class Text(Record):
    """A string there, a string back."""

    text: str = ""


def echo(request: Text, progress: ProgressCallback) -> Text:
    progress(Progress("split", 1, 1))
    return request


def read(request: Text, progress: ProgressCallback) -> Text:
    return Text(text=Path(request.text).read_text())


def write(request: Text, progress: ProgressCallback) -> Text:
    Path(request.text).write_text("written")
    return Text(text="written")


def link(request: Text, progress: ProgressCallback) -> Text:
    Path("link").symlink_to(request.text)
    return Text()


def connect(request: Text, progress: ProgressCallback) -> Text:
    host, port = request.text.split(":")
    with socket.create_connection((host, int(port)), timeout=5):
        return Text(text="connected")


def send_datagram(request: Text, progress: ProgressCallback) -> Text:
    host, port = request.text.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"secret", (host, int(port)))
    return Text(text="sent")


def send_from_a_thread(request: Text, progress: ProgressCallback) -> Text:
    failures: list[BaseException] = []

    def act() -> None:
        try:
            send_datagram(request, progress)
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=act)
    thread.start()
    thread.join()
    raise failures[0]


def run_a_program(request: Text, progress: ProgressCallback) -> Text:
    code = f"echo > /dev/tcp/127.0.0.1/{request.text}"
    done = subprocess.run(["/bin/bash", "-c", code], capture_output=True, text=True)
    return Text(text=f"{done.returncode} {done.stderr}")


def kill_parent(request: Text, progress: ProgressCallback) -> Text:
    os.kill(os.getppid(), signal.SIGTERM)
    return Text(text="killed")


def environment(request: Text, progress: ProgressCallback) -> Text:
    return Text(text=" ".join(f"{key}={value}" for key, value in os.environ.items()))


def parent_environment(request: Text, progress: ProgressCallback) -> Text:
    return Text(text=Path(f"/proc/{os.getppid()}/environ").read_bytes().decode())


def change_mode(request: Text, progress: ProgressCallback) -> Text:
    Path(request.text).chmod(0o777)
    return Text()


def change_times(request: Text, progress: ProgressCallback) -> Text:
    os.utime(request.text, (1, 1))
    return Text()


def change_attributes(request: Text, progress: ProgressCallback) -> Text:
    os.setxattr(request.text, "user.mark", b"1")
    return Text()


def limit_parent(request: Text, progress: ProgressCallback) -> Text:
    resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (7, 7))
    return Text()


def own_limits(request: Text, progress: ProgressCallback) -> Text:
    return Text(text=str(resource.getrlimit(resource.RLIMIT_NOFILE)[0]))


def slow_parent_down(request: Text, progress: ProgressCallback) -> Text:
    os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)
    return Text()


def leave_the_session(request: Text, progress: ProgressCallback) -> Text:
    if os.fork() == 0:
        os._exit(0)
    os.setsid()
    return Text()


def turn_deaf(request: Text, progress: ProgressCallback) -> Text:
    signal.signal(signal.SIGALRM, lambda *_: time.sleep(600))
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    return Text()


def fall_silent(request: Text, progress: ProgressCallback) -> Text:
    os.close(int(sys.argv[1]))
    time.sleep(600)
    return Text()


def crash(request: Text, progress: ProgressCallback) -> Text:
    ctypes.string_at(0)
    return Text()


def abort(request: Text, progress: ProgressCallback) -> Text:
    sys.stderr.write("assertion failed: this cannot be\n")
    sys.stderr.flush()
    os.abort()


def leave(request: Text, progress: ProgressCallback) -> Text:
    os._exit(0)


def hang(request: Text, progress: ProgressCallback) -> Text:
    time.sleep(600)
    return Text()


def hang_in_native_code(request: Text, progress: ProgressCallback) -> Text:
    ctypes.PyDLL(None).sleep(600)  # keeps Python's lock: no other thread of the process runs
    return Text()


def spin(request: Text, progress: ProgressCallback) -> Text:
    while True:
        progress(Progress("split", 0, 0))


def allocate(request: Text, progress: ProgressCallback) -> Text:
    held = []
    while True:
        held.append(bytes(64 << 20))


def fill_the_disk(request: Text, progress: ProgressCallback) -> Text:
    with Path("large").open("wb") as out:
        out.truncate(1 << 40)
    return Text()


def refuse(request: Text, progress: ProgressCallback) -> Text:
    raise SourceRefused("damaged", "as asked", 7)


def stumble(request: Text, progress: ProgressCallback) -> Text:
    raise KeyError("nobody expects this")


def lie(request: Text, progress: ProgressCallback) -> Text:
    return Progress("split", 1, 1)  # type: ignore[return-value]


def say(request: Text, progress: ProgressCallback) -> Text:
    os.write(int(sys.argv[1]), request.text.encode() + b"\n")
    return Text()


def print_much(request: Text, progress: ProgressCallback) -> Text:
    os.write(1, b'{"answer": {"text": "forged"}}\n')
    return Text(text="real")
