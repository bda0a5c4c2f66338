"""What passes through the relay: arrivals, and the deliveries that told of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from flows.versions import version_key

__all__ = ["Arrival", "Delivery", "Poison", "Source", "SourceDown"]


class Poison(Exception):
    """A message that can never be processed; the text says why, without secrets."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One version of a video that is there, whole."""

    video: str
    """Its address, the same however it became known, and free of secrets."""
    etag: str
    """Without quotes; empty where the message does not tell, as of a renamed blob."""
    size_bytes: int | None = None
    """None where the message does not tell."""
    root: str = ""
    """The watched address that it lies below."""
    sequencer: str = ""
    """Of the storage: tells two changes of one blob apart where there is no ETag."""

    @property
    def key(self) -> str:
        """Name of this version."""
        return version_key(self.video, self.etag or f"sequencer {self.sequencer}")


@dataclass(eq=False, slots=True)
class Delivery:
    """One message of one source, until it is settled."""

    source: Source
    body: bytes = b""
    """What came; empty where the source itself found ``arrivals``."""
    arrivals: list[Arrival] | None = None
    taken: int = 1
    """How often the source has handed this message out."""
    receipt: object = None
    """What the source needs to settle it."""
    waiting: set[str] = field(default_factory=set)
    """Keys of arrivals of which the server has no run yet."""


class SourceDown(Exception):
    """A source does not answer, or not usefully; what it handed out may come again."""


class Source(Protocol):
    """Where deliveries come from. Every method may raise ``SourceDown``."""

    @property
    def name(self) -> str:
        """What it is, in words for the log."""

    def receive(self, most: int) -> list[Delivery]:
        """Return up to ``most`` deliveries, without waiting for them."""

    def done(self, delivery: Delivery) -> None:
        """Forget a delivery: the server has what it told, or it told nothing of ours."""

    def poison(self, delivery: Delivery, reason: str) -> None:
        """Put a delivery aside, where a person finds it with the reason."""

    def hold(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Keep deliveries that still wait; called again and again. Return those that are lost."""

    def give_back(self, deliveries: list[Delivery]) -> None:
        """End: let the next relay have what was not settled."""
