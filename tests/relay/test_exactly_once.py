"""Real queue, real blobs, real server, real relay: what arrives, and which runs there are."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from framewright.settings import get_settings
from framewright.storage import open_store
from tests.azurite import ACCOUNT, Azurite, Queues
from tests.relay.events import POISON, cloud_event, grid_event, message
from tests.relay.scorers import copy_video
from tests.relay.world import World, world

RUN = "score-video"


class Arrivals:
    """A container, the queue that tells of it, and a world that hears."""

    def __init__(self, container: ContainerClient, queue: QueueClient, queues: Queues) -> None:
        self.container, self.queue = container, queue
        name = container.container_name
        self.incoming = f"az://{ACCOUNT}/{name}/incoming"
        self.outgoing = f"az://{ACCOUNT}/{name}/outgoing"
        self.relay_settings = {
            "queue": queue.queue_name,
            "queue_connection_string": queues.connection_string,
            "visibility_seconds": "10",
            "resend_seconds": "20",
        }

    def put(self, name: str, data: bytes = b"video", **metadata: str) -> list[bytes]:
        """Upload a video; return the message of its event in both schemas."""
        blob = self.container.upload_blob(
            f"incoming/{name}", data, overwrite=True, metadata=metadata
        )
        etag = str(blob.get_blob_properties().etag).strip('"')
        where = (f"incoming/{name}", etag, len(data), self.container.container_name)
        return [message(grid_event(*where)), message([cloud_event(*where)])]

    def tell(self, *messages: bytes) -> None:
        for text in messages:
            self.queue.send_message(text.decode("latin-1"))

    def waiting(self, queue: QueueClient | None = None) -> int:
        found = (queue or self.queue).get_queue_properties().approximate_message_count
        return int(found or 0)

    def results(self) -> list[str]:
        return [info.key for info in open_store(self.outgoing).list()]


@pytest.fixture
def arrivals(
    azurite: Azurite, queues: Queues, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Arrivals]:
    with azurite.container() as container:
        made = Arrivals(container, queues.queue(), queues)
        monkeypatch.setenv("FRAMEWRIGHT_AZURE_ENDPOINT", azurite.endpoint)
        monkeypatch.setenv("FRAMEWRIGHT_AZURE_SAS", azurite.sas(container.container_name, "rcwl"))
        monkeypatch.setenv("FRAMEWRIGHT_INCOMING", made.incoming)
        monkeypatch.setenv("FRAMEWRIGHT_OUTGOING", made.outgoing)
        get_settings.cache_clear()
        yield made


@pytest.fixture
def here(arrivals: Arrivals, tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "world", {}) as made:
        made.deploy(copy_video)
        yield made


def finish(here: World, arrivals: Arrivals, count: int, seconds: float) -> None:
    """Execute runs until so many have ended and nothing is left to hear."""

    def done() -> bool:
        executed = here.execute()
        ended = here.states(RUN)["Completed"]
        return not executed and ended >= count and not arrivals.waiting()

    here.until(done, seconds, pause=0.5)


def test_one_run_for_each_version_whatever_happens(here: World, arrivals: Arrivals) -> None:
    """Ten videos, three messages for each in any order, a relay that is killed."""
    rng = random.Random(5)
    deliveries = [
        rng.choice(arrivals.put(f"tree {n % 3}/v{n}.mp4")) for n in range(10) for _ in range(1)
    ]
    deliveries *= 3
    rng.shuffle(deliveries)
    arrivals.tell(*deliveries, POISON["words"][0])
    relay = here.start_relay(**arrivals.relay_settings)
    here.until(lambda: len(here.runs("on-arrival")) >= 3, 60)
    here.kill(relay)
    relay = here.start_relay(**arrivals.relay_settings)
    finish(here, arrivals, 10, 90)
    assert here.states(RUN) == {"Completed": 10}
    assert sorted(arrivals.results()) == sorted(f"tree {n % 3}/v{n}.fast.mp4" for n in range(10))
    poison = QueueClient.from_connection_string(
        arrivals.relay_settings["queue_connection_string"], f"{arrivals.queue.queue_name}-poison"
    )
    assert arrivals.waiting(poison) == 1
    again = arrivals.put("tree 0/v0.mp4", b"another version")
    arrivals.tell(*again, *deliveries[:3])
    finish(here, arrivals, 11, 60)
    assert here.states(RUN) == {"Completed": 11}
    relay.terminate()
    assert relay.wait(20) == 0
