"""The queue source on a real queue."""

import base64
import json

import pytest
from azure.storage.queue import QueueClient

from deployments.relay.arrival import SourceDown
from deployments.relay.config import RelaySettings
from deployments.relay.poison import MAX_MESSAGE_BYTES, poison_message, read_poison
from deployments.relay.queue_source import QueueSource
from framewright.errors import InputError
from tests.azurite import Queues
from tests.relay.events import BASE64


@pytest.fixture
def queue(queues: Queues) -> QueueClient:
    return queues.queue()


def source_for(queues: Queues, name: str, **more: object) -> QueueSource:
    settings = RelaySettings(
        watch=("/in",), queue=name, queue_connection_string=queues.connection_string, **more
    )
    return QueueSource(settings)


def length(queue: QueueClient) -> int:
    return int(queue.get_queue_properties().approximate_message_count or 0)


def test_a_message_is_gone_when_it_is_done_and_not_before(
    queues: Queues, queue: QueueClient
) -> None:
    queue.send_message(BASE64.decode())
    source = source_for(queues, queue.queue_name)
    [delivery] = source.receive(10)
    assert (delivery.body, delivery.taken) == (BASE64, 1)
    assert source.receive(10) == [], "hidden"
    assert length(queue) == 1
    source.done(delivery)
    assert length(queue) == 0
    source.done(delivery)  # it may have been done twice


def test_what_a_relay_gives_back_the_next_one_gets(queues: Queues, queue: QueueClient) -> None:
    queue.send_message("a")
    first, second = (source_for(queues, queue.queue_name) for _ in range(2))
    held = first.receive(1)
    first.give_back(held)
    [again] = second.receive(1)
    assert again.taken == 2
    first.done(held[0])  # not its own any more
    assert length(queue) == 1


def test_a_message_that_another_relay_has_is_noticed(
    queues: Queues, queue: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.send_message("a")
    first, second = (source_for(queues, queue.queue_name) for _ in range(2))
    [mine] = first.receive(1)
    assert first.hold([mine]) == [], "too early to do anything"
    mine.receipt.renewed -= 1000  # type: ignore[attr-defined]
    assert first.hold([mine]) == []
    receipt = mine.receipt.pop_receipt  # type: ignore[attr-defined]
    first.give_back([mine])
    [theirs] = second.receive(1)
    mine.receipt.pop_receipt = receipt  # type: ignore[attr-defined]
    mine.receipt.renewed -= 1000  # type: ignore[attr-defined]
    assert first.hold([mine]) == [mine]
    second.done(theirs)


def test_poison_is_put_aside_with_the_reason_in_a_queue_that_is_made(
    queues: Queues, queue: QueueClient
) -> None:
    queue.send_message("hello")
    source = source_for(queues, queue.queue_name)
    [delivery] = source.receive(1)
    source.poison(delivery, "not JSON")
    assert length(queue) == 0
    [put_aside] = queues.queue(f"{queue.queue_name}-poison").receive_messages()
    about = read_poison(put_aside.content)
    assert (about["reason"], about["original"], about["taken"]) == ("not JSON", "hello", 1)


def test_the_poison_queue_has_the_name_that_is_set(queues: Queues, queue: QueueClient) -> None:
    queue.send_message("hello")
    source = source_for(queues, queue.queue_name, poison_queue="set-aside")
    source.poison(source.receive(1)[0], "not JSON")
    assert length(queues.queue("set-aside")) == 1


def test_a_message_stays_where_it_cannot_be_put_aside(queues: Queues, queue: QueueClient) -> None:
    queue.send_message("hello")
    source = source_for(queues, queue.queue_name)
    [delivery] = source.receive(1)
    nowhere = queues.connection_string.replace(f":{queues.port}/", ":9/")
    source._poison = QueueClient.from_connection_string(nowhere, "none", retry_total=0)
    with pytest.raises(SourceDown, match="cannot put a message into none"):
        source.poison(delivery, "not JSON")
    assert length(queue) == 1


def test_a_queue_that_is_not_there_is_told(queues: Queues) -> None:
    with pytest.raises(SourceDown, match="cannot take messages: ResourceNotFoundError"):
        source_for(queues, "not-there").receive(1)


@pytest.mark.parametrize("letter", ["x", "\x01", "ü", "😀", '"'])
@pytest.mark.parametrize("count", [0, 100, 70_000, 1_000_000])
def test_a_message_of_any_length_fits_into_the_poison_queue(letter: str, count: int) -> None:
    body = (letter * count).encode()
    text = poison_message(body, "r" * 5000, message_id="i" * 64, taken=3)
    assert len(text) <= MAX_MESSAGE_BYTES
    about = read_poison(text)
    assert about["original"] == letter * len(about["original"])
    assert about["truncated"] == (len(about["original"]) < count)
    assert about["original_bytes"] == len(body)
    if count >= 70_000:
        assert len(text) > MAX_MESSAGE_BYTES * 0.8, "as much of it as fits"


def test_bytes_that_are_no_text_are_kept_too() -> None:
    about = read_poison(poison_message(b"\xff\x00", "r", message_id="i", taken=1))
    assert base64.b64decode(about["original_base64"]) == b"\xff\x00"
    assert "original" not in about
    big = poison_message(b"\xff" * 1_000_000, "r", message_id="i", taken=1)
    assert len(big) <= MAX_MESSAGE_BYTES
    assert json.loads(base64.b64decode(big))["truncated"] is True


@pytest.mark.parametrize(
    ("queue", "words"),
    [
        ("https://acc.queue.core.windows.net/arrivals?sv=1&sig=VerySecret", "FRAMEWRIGHT_RELAY_Q"),
        ("Not A Name", "is not understood"),
        ("arrivals", "has no account"),
        ("http://acc.queue.core.windows.net/arrivals", "has no account"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(queue: str, words: str) -> None:
    with pytest.raises(InputError) as raised:
        QueueSource(RelaySettings(watch=("/in",), queue=queue))
    assert words in str(raised.value)
    assert "VerySecret" not in str(raised.value)


def test_a_connection_string_is_not_shown_where_it_is_wrong() -> None:
    settings = RelaySettings(
        watch=("/in",), queue="arrivals", queue_connection_string="AccountKey=VerySecret"
    )
    with pytest.raises(InputError) as raised:
        QueueSource(settings)
    assert "VerySecret" not in str(raised.value)
