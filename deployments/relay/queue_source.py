"""Arrivals from a Storage queue that Event Grid fills."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from azure.core.credentials import AzureSasCredential
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.storage.queue import QueueClient

from deployments.relay.arrival import Delivery, SourceDown
from deployments.relay.config import RelaySettings
from deployments.relay.poison import poison_message
from framewright.errors import InputError
from framewright.storage import without_queries

__all__ = ["QueueSource"]

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 32
"""The service's own limit on messages in one answer."""
TIMEOUT_SECONDS = 20.0
POISON_SECONDS = 7 * 24 * 3600
"""How long a message stays in the poison queue: as long as in any."""
_QUEUE_NAME = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
_GONE = ("MessageNotFound", "PopReceiptMismatch")
"""Answers about a message that is deleted already, or was taken by another relay since."""

Result = TypeVar("Result")


class _Gone(Exception):
    """The message is not ours any more."""


@dataclass(slots=True)
class _Receipt:
    message_id: str
    pop_receipt: str
    renewed: float = field(default_factory=time.monotonic)


class QueueSource:
    """Takes messages from a queue, hidden from other relays while it works on them.

    A message is deleted when it is settled, and by nothing else: where this process dies, the
    message appears again.

    Raises:
        InputError: the queue's address, or what is to sign in, cannot be used.
    """

    def __init__(self, settings: RelaySettings) -> None:
        self._visibility_seconds = settings.visibility_seconds
        self._queue = _connect(settings, settings.queue)
        name = settings.poison_queue or f"{self._queue.queue_name}-poison"
        self._poison = _connect(settings, _beside(settings.queue, name))
        self._poison_is_there = False
        self._singly = 0
        """How many messages are taken one by one: one that cannot be told spoils all it comes
        with."""

    @property
    def name(self) -> str:
        """The queue's name."""
        return f"queue {self._queue.queue_name}"

    def receive(self, most: int) -> list[Delivery]:
        """Take up to ``most`` messages."""
        count = 1 if self._singly else min(most, MOST_AT_ONCE)
        self._singly = max(0, self._singly - 1)
        try:
            messages: list[Any] = self._call(lambda: self._take(count), "take messages")
        except SourceDown:
            self._singly = MOST_AT_ONCE
            raise
        return [
            Delivery(
                self,
                str(message.content).encode(errors="surrogatepass"),
                taken=message.dequeue_count or 1,
                receipt=_Receipt(message.id, message.pop_receipt),
            )
            for message in messages
        ]

    def done(self, delivery: Delivery) -> None:
        """Delete the message."""
        receipt = _receipt(delivery)
        self._unless_gone(
            lambda: self._queue.delete_message(receipt.message_id, receipt.pop_receipt),
            "delete a message",
        )

    def poison(self, delivery: Delivery, reason: str) -> None:
        """Put the message into the poison queue, then delete it."""
        receipt = _receipt(delivery)
        text = poison_message(
            delivery.body, reason, message_id=receipt.message_id, taken=delivery.taken
        )
        if not self._poison_is_there:
            with suppress(SourceDown):  # the right to make one may be missing, and the queue there
                self._call(self._make_poison_queue, "make the poison queue")
            self._poison_is_there = True
        try:
            self._call(
                lambda: self._poison.send_message(text, time_to_live=POISON_SECONDS),
                f"put a message into {self._poison.queue_name}",
            )
        except SourceDown:
            self._poison_is_there = False
            raise
        self.done(delivery)

    def hold(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Keep messages hidden; return those that were taken from us meanwhile."""
        now, lost = time.monotonic(), []
        for delivery in deliveries:
            receipt = _receipt(delivery)
            if now - receipt.renewed < self._visibility_seconds / 3:
                continue
            if not self._renew(receipt, self._visibility_seconds):
                lost.append(delivery)
        return lost

    def give_back(self, deliveries: list[Delivery]) -> None:
        """Show messages again at once."""
        for delivery in deliveries:
            with suppress(SourceDown):
                self._renew(_receipt(delivery), 0)

    def _renew(self, receipt: _Receipt, seconds: int) -> bool:
        """Hide a message for so long from now on; return whether it is still ours."""
        answer = self._unless_gone(
            lambda: self._queue.update_message(
                receipt.message_id, receipt.pop_receipt, visibility_timeout=seconds
            ),
            "hold a message",
        )
        if answer is None:
            return False
        receipt.pop_receipt, receipt.renewed = str(answer.pop_receipt), time.monotonic()
        return True

    def _take(self, count: int) -> list[Any]:
        return list(
            self._queue.receive_messages(
                messages_per_page=count,
                max_messages=count,
                visibility_timeout=self._visibility_seconds,
            )
        )

    def _make_poison_queue(self) -> None:
        with suppress(ResourceExistsError):
            self._poison.create_queue()
            logger.info("made the queue %s", self._poison.queue_name)

    def _unless_gone(self, function: Callable[[], Result], doing: str) -> Result | None:
        try:
            return self._call(function, doing)
        except _Gone:
            return None

    def _call(self, function: Callable[[], Result], doing: str) -> Result:
        try:
            return function()
        except HttpResponseError as error:
            if getattr(error, "error_code", "") in _GONE:  # a str, by its value
                raise _Gone from None
            raise SourceDown(f"cannot {doing}: {_words(error)}") from None
        except AzureError as error:
            raise SourceDown(f"cannot {doing}: {_words(error)}") from None


def _words(error: AzureError) -> str:
    first = (without_queries(str(error)).splitlines() or [""])[0]
    return f"{type(error).__name__} {first[:200]}"


def _receipt(delivery: Delivery) -> _Receipt:
    assert isinstance(delivery.receipt, _Receipt)  # noqa: S101 - ours, whatever the protocol says
    return delivery.receipt


def _beside(queue: str, name: str) -> str:
    """Return the address of another queue of the same account."""
    return f"{queue.rstrip('/').rpartition('/')[0]}/{name}" if "/" in queue else name


def _connect(settings: RelaySettings, queue: str) -> QueueClient:
    queue = queue.rstrip("/")
    name = queue.rpartition("/")[2]
    if "?" in queue or not _QUEUE_NAME.fullmatch(name):
        raise InputError(
            f"the queue {without_queries(queue)!r} is not understood: use its name, or "
            "https://ACCOUNT.queue.core.windows.net/NAME. A SAS token belongs into "
            "FRAMEWRIGHT_RELAY_QUEUE_SAS."
        )
    bounds: dict[str, Any] = {
        "retry_total": 0,  # the relay itself tries again, and does other things meanwhile
        "connection_timeout": TIMEOUT_SECONDS,
        "read_timeout": TIMEOUT_SECONDS,
    }
    if text := settings.queue_connection_string.get_secret_value():
        problem = ""
        try:
            return QueueClient.from_connection_string(text, name, **bounds)
        except ValueError as error:
            problem = str(error).partition(":")[0]
        raise InputError(f"FRAMEWRIGHT_RELAY_QUEUE_CONNECTION_STRING is not understood: {problem}")
    if not queue.startswith("https://"):
        raise InputError(
            f"the queue {queue!r} has no account: name it as "
            f"https://ACCOUNT.queue.core.windows.net/{name}."
        )
    return QueueClient.from_queue_url(queue, credential=_credential(settings), **bounds)


def _credential(settings: RelaySettings) -> Any:
    if sas := settings.queue_sas.get_secret_value().lstrip("?"):
        return AzureSasCredential(sas)
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()
