"""`make up`, many videos at once, each told of three times, while relay and server are killed.

Everything is real: storage, queue, server, automation, worker, a process for each run, and Dask.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from deployments import emulator, local_stack, up
from deployments.deploying import PROJECT
from deployments.private import read_private, write_private
from tests.azurite import Queues
from tests.relay.events import cloud_event, grid_event, message
from tests.torture.code import draw_code
from tests.torture.expect import Observed, observe
from tests.torture.picture import picture
from tests.torture.tool import ffmpeg, x264

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("ARRIVALS", "100"))
FRAMES = 30
"""Of each video: two units of a second."""
SIZE = (128, 96)
FLOWS = ("on-arrival", "score-video", "sweep")
ENDS = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
QUIET_SECONDS = 240.0
"""Longest time without any run that begins or ends."""


class Everything:
    """The stack of `make up`; what tells its relay of videos is a queue."""

    def __init__(self, home: Path, queue: QueueClient, connection_string: str) -> None:
        self.stack = up.start(home, workers=1)
        self.queue = queue
        private = read_private(home)
        private["relay"] |= {
            "FRAMEWRIGHT_RELAY_POLL_SECONDS": "0",
            "FRAMEWRIGHT_RELAY_QUEUE": queue.queue_name,
            "FRAMEWRIGHT_RELAY_QUEUE_CONNECTION_STRING": connection_string,
            "FRAMEWRIGHT_RELAY_VISIBILITY_SECONDS": "10",
        }
        write_private(home, private)
        self.kill_and_start("relay")
        # The sweep comes when all is quiet, not by the clock: it is seen what it has to do.
        subprocess.run(
            [sys.executable, "-m", "deployments.publish", "--sweep", "off"],
            env=self.stack.environment(),
            cwd=PROJECT,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def container(self, name: str) -> ContainerClient:
        text = (Path(self.stack.home) / emulator.CONNECTION_STRING_FILE).read_text()
        return ContainerClient.from_connection_string(text, name)

    def kill_and_start(self, name: str) -> None:
        """End a service as a power cut does, and start it anew on what is on its disk."""
        process = self.stack.service(name).process()
        assert process is not None
        command = process.cmdline()
        for one in [*process.children(recursive=True), process]:
            one.kill()
        psutil.wait_procs([process], 10)
        others = tuple(one for one in self.stack.services if one.name != name)
        self.stack = local_stack.add(
            replace(self.stack, services=others), name, command[1:], program=command[0]
        )

    def runs(self, flow: str) -> list[dict[str, Any]]:
        """All runs of a flow."""
        found: list[dict[str, Any]] = []
        while True:
            query = {"flows": {"name": {"any_": [flow]}}, "limit": 200, "offset": len(found)}
            try:
                page = self.stack.ask("/flow_runs/filter", **query).json()
            except httpx.TimeoutException:  # SQLite, and a hundred runs that write to it
                continue
            found += page
            if len(page) < 200:
                return found

    def states(self, flow: str) -> Counter[str]:
        return Counter(str(run["state_name"]) for run in self.runs(flow))

    def sweep(self) -> None:
        """Start a sweep, as its schedule does every quarter of an hour."""
        found = self.stack.ask("/deployments/name/sweep/sweep").json()
        made = self.stack.ask(f"/deployments/{found['id']}/create_flow_run", name="now")
        assert made.is_success, made.text

    def until(self, true: Callable[[], bool]) -> None:
        """Wait, as long as anything goes on."""
        last: dict[str, Counter[str]] = {}
        since = time.monotonic()
        while not true():
            self.stack.check()
            now = {flow: self.states(flow) for flow in FLOWS}
            if now != last:
                last, since = now, time.monotonic()
            if time.monotonic() - since > QUIET_SECONDS:
                logs = [f"{s.name}:\n{s.log_tail(30)}" for s in self.stack.services]
                raise AssertionError(f"nothing goes on any more: {now}\n" + "\n".join(logs))
            time.sleep(2.0)


@pytest.fixture
def everything(tmp_path: Path, queues: Queues) -> Iterator[Everything]:
    home = tmp_path / "everything"
    try:
        yield Everything(home, queues.queue(), queues.connection_string)
    finally:
        local_stack.stop(home)


def codes_of(number: int) -> list[int]:
    """The codes in the frames of a video: no two videos share one."""
    return list(range(number * FRAMES, (number + 1) * FRAMES))


def make_video(path: Path, number: int) -> Observed:
    """Make a clip with a picture and a sound of its own, and return what it holds."""
    raw = []
    for code in codes_of(number):
        planes = picture(code, *SIZE)
        draw_code(planes[0], code)
        raw.append(planes.tobytes())
    ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "yuv444p", "-s", f"{SIZE[0]}x{SIZE[1]}"),
        *("-framerate", "25", "-i", "pipe:0"),
        *("-f", "lavfi", "-i", f"sine={300 + 20 * number}:duration={FRAMES / 25}"),
        *(*x264(), "-c:a", "aac", path),
        stdin=b"".join(raw),
    )
    return observe(path)


def put(container: ContainerClient, name: str, data: bytes) -> list[bytes]:
    """Upload a video; return its event in both schemas."""
    chosen = {"framewright_scorer": "identity", "framewright_unit_seconds": "1.0"}
    etag = container.upload_blob(name, data, metadata=chosen).get_blob_properties().etag
    where = (name, str(etag).strip('"'), len(data), container.container_name, "media")
    return [message(grid_event(*where)), message([cloud_event(*where)])]


def test_every_video_is_scored_once_whatever_is_killed(
    everything: Everything, tmp_path: Path
) -> None:
    """The relay is killed twice and the server once, each in the middle of the work."""
    rng = random.Random(11)  # noqa: S311 - an order, the same every time
    names = [f"day {number % 7}/v{number}" for number in range(COUNT)]
    files = [tmp_path / f"v{number}.mp4" for number in range(COUNT)]
    sources = list(map(make_video, files, range(COUNT)))
    began = time.monotonic()
    with everything.container("incoming") as incoming, ThreadPoolExecutor(4) as pool:
        both = list(
            pool.map(
                lambda n: put(incoming, f"{names[n]}.mp4", files[n].read_bytes()), range(COUNT)
            )
        )
    told = [text for pair in both for text in (*pair, rng.choice(pair))]
    rng.shuffle(told)
    for text in told:
        everything.queue.send_message(text.decode())
    for percent, victim in ((15, "relay"), (45, "prefect server"), (75, "relay")):
        everything.until(lambda p=percent: len(everything.runs("on-arrival")) * 100 >= COUNT * p)
        print(f"{time.monotonic() - began:.0f} s: {victim} is killed; {seen(everything)}")
        everything.kill_and_start(victim)
        if victim == "prefect server":
            local_stack.wait_for(everything.stack, victim, lambda: answers(everything))
    everything.until(lambda: is_quiet(everything))
    print(f"{time.monotonic() - began:.0f} s: all is quiet; {seen(everything)}")
    everything.sweep()
    everything.until(lambda: is_quiet(everything))
    print(f"{time.monotonic() - began:.0f} s: all is swept; {seen(everything)}")

    assert everything.states("score-video") == {"Completed": COUNT}
    runs = everything.runs("score-video")
    videos = {f"az://media/incoming/{name}.mp4" for name in names}
    assert {run["parameters"]["video"] for run in runs} == videos
    assert len({run["idempotency_key"] for run in runs}) == COUNT
    with everything.container("outgoing") as outgoing:
        assert sorted(outgoing.list_blob_names()) == sorted(f"{n}.identity.mp4" for n in names)
        for number, (name, source) in enumerate(zip(names, sources, strict=True)):
            result = tmp_path / "result.mp4"
            result.write_bytes(outgoing.download_blob(f"{name}.identity.mp4").readall())
            made = observe(result)
            assert list(made.codes) == codes_of(number)
            assert made.pts == source.pts
            assert [track.sha256 for track in made.audio] == [t.sha256 for t in source.audio]


def answers(everything: Everything) -> bool:
    try:
        return everything.stack.ask("/health").is_success
    except httpx.TransportError:
        return False


def seen(everything: Everything) -> str:
    counts = {flow: dict(everything.states(flow)) for flow in FLOWS}
    return json.dumps(counts)


def is_quiet(everything: Everything) -> bool:
    """Whether nobody waits for anything, and all that has begun has ended."""
    waiting = everything.queue.get_queue_properties().approximate_message_count
    runs = [run for flow in FLOWS for run in everything.runs(flow)]
    return not waiting and all(run["state_type"] in ENDS for run in runs)
