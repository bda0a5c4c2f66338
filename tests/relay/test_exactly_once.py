"""Real queue, real blobs, real server, real relay: what arrives, and which runs there are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from deployments.relay.poison import read_poison
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
            "watch": self.incoming,
            "outputs": self.outgoing,
            "queue": queue.queue_name,
            "queue_connection_string": queues.connection_string,
            "visibility_seconds": "10",
            "resend_seconds": "40",
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
        get_settings.cache_clear()
        yield made


@pytest.fixture
def here(arrivals: Arrivals, tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "world", {}) as made:
        made.deploy(copy_video, arrivals.outgoing)
        yield made


def finish(here: World, arrivals: Arrivals, count: int, seconds: float) -> None:
    """Execute runs until so many have ended and nothing is left to hear."""

    def done() -> bool:
        executed = here.execute()
        ended = here.states(RUN)["Completed"]
        return not executed and ended >= count and not arrivals.waiting()

    here.until(done, seconds, pause=0.5)


@pytest.mark.slow
def test_one_run_for_each_version_whatever_happens(here: World, arrivals: Arrivals) -> None:
    """Ten videos, three messages for each in any order, a relay that is killed."""
    rng = random.Random(5)  # noqa: S311 - an order, the same every time
    deliveries = 3 * [rng.choice(arrivals.put(f"tree {n % 3}/v{n}.mp4")) for n in range(10)]
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


@pytest.mark.slow
def test_a_flood_of_poison_among_good_ones(here: World, arrivals: Arrivals, queues: Queues) -> None:
    """A thousand messages of twenty kinds, some as long as a queue takes them."""
    rng = random.Random(9)  # noqa: S311 - an order, the same every time
    kinds = {**POISON, "words": (b"hello " * 10_901, POISON["words"][1])}
    bad = [body for body, _ in kinds.values() for _ in range(50)]
    good = [rng.choice(arrivals.put(f"v{n}.mp4")) for n in range(20)]
    messages = bad + good
    rng.shuffle(messages)
    relay = here.start_relay(**arrivals.relay_settings)
    process = psutil.Process(relay.pid)
    arrivals.tell(*messages[:100])
    here.until(lambda: arrivals.waiting() < 40, 300)
    early = process.memory_info().rss
    arrivals.tell(*messages[100:])
    most = 0

    def done() -> bool:
        nonlocal most
        most = max(most, process.memory_info().rss)
        here.execute()
        return here.states(RUN)["Completed"] >= 20 and not arrivals.waiting()

    here.until(done, 900, pause=0.5)
    reasons: Counter[str] = Counter()
    poison = queues.queue(f"{arrivals.queue.queue_name}-poison")
    while page := list(poison.receive_messages(messages_per_page=32, max_messages=32)):
        for put_aside in page:
            about = read_poison(put_aside.content)
            [kind] = [k for k, (_, words) in kinds.items() if words in about["reason"]]
            reasons[kind] += 1
            poison.delete_message(put_aside)
    print(f"relay: {early >> 20} MiB after 60 messages, at most {most >> 20} MiB later")
    assert reasons == dict.fromkeys(kinds, 50)
    assert here.states(RUN) == {"Completed": 20}
    assert len(arrivals.results()) == 20
    assert most - early < 24 << 20
