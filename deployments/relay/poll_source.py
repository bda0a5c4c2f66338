"""Arrivals found by listing a folder or a prefix again and again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from deployments.relay.arrival import Arrival, Delivery, SourceDown
from deployments.relay.rules import Rules
from flows.sources import Found, list_sources
from framewright.errors import FramewrightError

__all__ = ["PollSource"]

logger = logging.getLogger(__name__)

SETTLED_SECONDS = 5.0
"""A local file counts when it has not changed for that long, looked at twice."""


class PollSource:
    """Lists what the rules watch, and hands out what it has not handed out before.

    Of a local file nothing says that it is whole; one that does not change is taken for it. Blobs
    appear whole.
    """

    def __init__(
        self,
        rules: Rules,
        every_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = rules
        self._every_seconds = every_seconds
        self._clock = clock
        self._next = clock()
        self._first_seen: dict[str, float] = {}
        """Moment at which each version was first listed, of all that were listed last time."""
        self._handed_out: set[str] = set()
        self._found: list[Delivery] = []

    @property
    def name(self) -> str:
        """What is listed."""
        return "listing of " + ", ".join(self._rules.watch)

    def receive(self, most: int) -> list[Delivery]:
        """Return what has come; list anew where it is time."""
        if not self._found and self._clock() >= self._next:
            self._next = self._clock() + self._every_seconds
            self._found = self._look()
        out, self._found = self._found[:most], self._found[most:]
        return out

    def done(self, delivery: Delivery) -> None:
        """Nothing to settle: what was handed out is not handed out again."""

    def poison(self, delivery: Delivery, reason: str) -> None:
        """Tell; nothing else can be done with a file."""
        for arrival in delivery.arrivals or ():
            logger.error("%s is put aside: %s", arrival.video, reason)

    def hold(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Nothing to hold."""
        return []

    def give_back(self, deliveries: list[Delivery]) -> None:
        """Nothing to give back: the next relay lists them again."""

    def _look(self) -> list[Delivery]:
        now, seen, new = self._clock(), {}, []
        try:
            for folder in self._rules.watch:
                for found in list_sources(folder, self._rules.outputs, self._rules.suffixes):
                    seen[found.key] = self._first_seen.get(found.key, now)
                    if found.key not in self._handed_out and self._is_whole(found, seen, now):
                        new.append((found, folder))
        except FramewrightError as error:
            raise SourceDown(str(error)) from None
        self._first_seen = seen
        self._handed_out.intersection_update(seen)
        self._handed_out.update(found.key for found, _ in new)
        new.sort(key=lambda item: item[0].modified_seconds)
        return [self._delivery(found, folder) for found, folder in new]

    def _delivery(self, found: Found, folder: str) -> Delivery:
        arrival = Arrival(found.video, found.etag, found.size_bytes, root=folder)
        return Delivery(self, arrivals=[arrival])

    def _is_whole(self, found: Found, seen: dict[str, float], now: float) -> bool:
        is_local = found.video.startswith("/")
        return not is_local or now - seen[found.key] >= SETTLED_SECONDS
