"""The relay's one loop: take deliveries, tell the server, settle what it has."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from deployments.relay.arrival import Arrival, Delivery, Poison, Source, SourceDown
from deployments.relay.emit import Refused, Server, ServerDown
from deployments.relay.ledger import Ledger
from deployments.relay.rules import Rules
from deployments.relay.schemas import read_arrivals

__all__ = ["Relay"]

logger = logging.getLogger(__name__)

MOST_WAITING = 256
"""Deliveries that may be unsettled at a time; together with their sizes, the relay's memory."""
MOST_IN_FLIGHT = 16
"""Arrivals that the server has been told of lately without having made their runs: it makes one to
three a second, and on SQLite more at once get in each other's way."""
IN_FLIGHT_SECONDS = 10.0
"""After so long, one that has no run does not keep others from being told."""
LOOK_SECONDS = 1.0
"""How often the server is asked for the runs it has made."""
AFTER_OUTAGE_SECONDS = 5.0
"""How long after an outage an event is taken for lost: the server keeps events in memory only."""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(slots=True)
class _Pending:
    """A version of which there is no run yet, and who waits for it."""

    arrival: Arrival
    deliveries: list[Delivery] = field(default_factory=list)
    looked_up: bool = False
    attempt: int = 0
    send_at: float = 0.0
    """When it is to be sent next, by the relay's clock."""
    sent_at: float = float("-inf")
    first_sent: datetime | None = None
    others_then: int = 0
    """Runs that the server had made of others when this was first sent."""


class _Pause:
    """How long to leave alone what does not answer: longer each time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._seconds = FIRST_PAUSE_SECONDS
        self._until = 0.0

    @property
    def is_over(self) -> bool:
        return self._clock() >= self._until

    @property
    def had_trouble(self) -> bool:
        return self._until > 0.0

    def begin(self) -> float:
        seconds, self._seconds = self._seconds, min(2 * self._seconds, LONGEST_PAUSE_SECONDS)
        self._until = self._clock() + seconds
        return seconds

    def end(self) -> None:
        self._seconds, self._until = FIRST_PAUSE_SECONDS, 0.0


class Relay:
    """Tells a server of the arrivals that sources report, at least once and mostly once.

    A delivery is settled when the server's database has a run of every arrival in it; that the
    server has answered is not enough, for it keeps events in memory at first. Where an event is
    told twice in spite of all, `on-arrival` starts no second run (docs/adr/0016).

    Args:
        rules: which arrivals count.
        sources: where deliveries come from.
        server: the Prefect server.
        resend_seconds: after how many seconds without a run an event is sent again.
        max_deliveries: how often a message is taken before it is put aside, where the server
            makes runs of others.
        clock: seconds that never run backwards.
    """

    def __init__(
        self,
        rules: Rules,
        sources: Sequence[Source],
        server: Server,
        *,
        resend_seconds: float,
        max_deliveries: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = rules
        self._sources = sources
        self._server = server
        self._ledger = Ledger(server)
        self._resend_seconds = resend_seconds
        self._max_deliveries = max_deliveries
        self._clock = clock
        self._pending: dict[str, _Pending] = {}
        self._waiting: list[Delivery] = []
        self._source_pauses = {source.name: _Pause(clock) for source in sources}
        self._server_pause = _Pause(clock)
        self._look_at = 0.0
        self.counts: Counter[str] = Counter()
        """Deliveries taken and settled, arrivals, events sent, messages put aside."""

    @property
    def waiting(self) -> int:
        """Deliveries that are not settled."""
        return len(self._waiting)

    def run(self, stop: threading.Event, idle_seconds: float = 0.5) -> None:
        """Go on until told to stop; then give back what is not settled."""
        while not stop.is_set():
            if not self.step():
                stop.wait(idle_seconds)
        for source in self._sources:
            source.give_back([one for one in self._waiting if one.source is source])
        self._server.close()

    def step(self) -> bool:
        """Do once whatever there is to do; return whether there was anything to take."""
        taken = sum(self._take_from(source) for source in self._sources)
        if self._server_pause.is_over:
            try:
                self._tell()
            except ServerDown as down:
                seconds = self._server_pause.begin()
                logger.warning("the Prefect server: %s; asking again in %.0f s", down, seconds)
        for source in self._sources:
            self._hold(source)
        return bool(taken)

    def _take_from(self, source: Source) -> int:
        room = MOST_WAITING - len(self._waiting)
        pause = self._source_pauses[source.name]
        if room <= 0 or not pause.is_over:
            return 0
        try:
            deliveries = source.receive(room)
        except SourceDown as down:
            logger.warning("%s: %s; trying again in %.0f s", source.name, down, pause.begin())
            return 0
        pause.end()
        for delivery in deliveries:
            self._take(delivery)
        return len(deliveries)

    def _take(self, delivery: Delivery) -> None:
        """Read one delivery; let it wait for its arrivals' runs, or settle it at once."""
        self.counts["taken"] += 1
        try:
            arrivals = delivery.arrivals
            if arrivals is None:
                arrivals = read_arrivals(delivery.body)
        except Poison as poison:
            self._put_aside(delivery, str(poison))
            return
        for arrival in arrivals:
            judged = self._rules.judge(arrival)
            if isinstance(judged, str):
                self.counts["ignored"] += 1
                logger.info("%s is ignored: %s", arrival.video, judged)
            elif judged.key not in self._ledger and judged.key not in delivery.waiting:
                pending = self._pending.setdefault(judged.key, _Pending(judged))
                pending.deliveries.append(delivery)
                delivery.waiting.add(judged.key)
        if delivery.waiting:
            self._waiting.append(delivery)
        else:
            self._settle(delivery)

    def _tell(self) -> None:
        """Ask for what is known, send what is not, see what has become of it."""
        new = {key for key, one in self._pending.items() if not one.looked_up}
        if new:
            self._has_run(self._ledger.look_up(new))
            self._server_answers()
            for key in new & self._pending.keys():
                self._pending[key].looked_up = True
        self._send()
        sent = [one.first_sent for one in self._pending.values() if one.first_sent]
        if sent and self._clock() >= self._look_at:
            self._look_at = self._clock() + LOOK_SECONDS
            self._has_run(self._ledger.confirm(self._pending.keys(), min(sent)))
            self._server_answers()

    def _server_answers(self) -> None:
        """After an outage, do not wait long for runs of what was sent before it."""
        if self._server_pause.had_trouble:
            self._server_pause.end()
            soon = self._clock() + AFTER_OUTAGE_SECONDS
            for one in self._pending.values():
                one.send_at = min(one.send_at, soon)

    def _send(self) -> None:
        now = self._clock()
        lately = now - IN_FLIGHT_SECONDS
        in_flight = sum(1 for one in self._pending.values() if one.sent_at > lately)
        ready = [one for one in self._pending.values() if one.looked_up and one.send_at <= now]
        for one in [one for one in ready if self._is_hopeless(one)]:
            ready.remove(one)
            for delivery in list(one.deliveries):
                self._put_aside(delivery, "the server makes runs of other arrivals, not of it")
        ready.sort(key=lambda one: one.attempt)  # what has never been told goes first
        due = ready[: max(0, MOST_IN_FLIGHT - in_flight)]
        if not due:
            return
        try:
            self._server.emit([(one.arrival, one.attempt + 1) for one in due])
        except Refused:
            self._send_singly(due)
        else:
            for one in due:
                self._sent(one)

    def _send_singly(self, due: Sequence[_Pending]) -> None:
        """Find those that the server refuses; they would hold up all others."""
        for one in due:
            try:
                self._server.emit([(one.arrival, one.attempt + 1)])
            except Refused as refused:
                for delivery in list(one.deliveries):
                    self._put_aside(delivery, f"the server refuses it: {refused}")
            else:
                self._sent(one)

    def _sent(self, one: _Pending) -> None:
        self.counts["sent"] += 1
        one.attempt += 1
        one.sent_at = self._clock()
        one.send_at = one.sent_at + self._resend_seconds * 2 ** min(one.attempt - 1, 6)
        if one.first_sent is None:
            one.first_sent, one.others_then = datetime.now(UTC), self.counts["arrivals"]
        elif one.attempt > 1:
            logger.warning(
                "the server has made no run of %s; its event is sent for the %d. time. Is the "
                "automation of `on-arrival` there, and enabled?",
                one.arrival.video,
                one.attempt,
            )

    def _is_hopeless(self, one: _Pending) -> bool:
        """Whether an arrival fails again and again while others do not."""
        often = max((delivery.taken for delivery in one.deliveries), default=0)
        others = self.counts["arrivals"] - one.others_then
        return one.attempt > 1 and others > 0 and often + one.attempt > self._max_deliveries

    def _has_run(self, keys: set[str]) -> None:
        for key in keys & self._pending.keys():
            one = self._pending.pop(key)
            self.counts["arrivals"] += 1
            logger.info("%s has its run", one.arrival.video)
            for delivery in one.deliveries:
                delivery.waiting.discard(key)
                if not delivery.waiting:
                    self._settle(delivery)

    def _settle(self, delivery: Delivery) -> None:
        self._forget(delivery)
        try:
            delivery.source.done(delivery)
            self.counts["settled"] += 1
        except SourceDown as down:  # it comes again, and is known then
            logger.warning("%s: %s", delivery.source.name, down)

    def _put_aside(self, delivery: Delivery, reason: str) -> None:
        self._forget(delivery)
        try:
            delivery.source.poison(delivery, reason)
            self.counts["poison"] += 1
            logger.warning("%s: a message is put aside: %s", delivery.source.name, reason)
        except SourceDown as down:  # it stays hidden for a while, and comes again
            logger.warning("%s: %s", delivery.source.name, down)

    def _hold(self, source: Source) -> None:
        mine = [one for one in self._waiting if one.source is source]
        if not mine:
            return
        try:
            lost = source.hold(mine)
        except SourceDown as down:
            logger.warning("%s: %s", source.name, down)
            return
        for delivery in lost:
            self._forget(delivery)

    def _forget(self, delivery: Delivery) -> None:
        """Let nothing wait for a delivery, nor it for anything."""
        if delivery in self._waiting:
            self._waiting.remove(delivery)
        for key in delivery.waiting:
            one = self._pending.get(key)
            if one is None:
                continue
            one.deliveries.remove(delivery)
            if not one.deliveries:
                del self._pending[key]
        delivery.waiting = set()
