"""The relay's loop, with a server and a clock that do what a test says.

The real server, queue and process are in test_exactly_once.py; here is what takes minutes there.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from deployments.relay.arrival import Arrival, Delivery, SourceDown
from deployments.relay.emit import Refused, ServerDown, event_id
from deployments.relay.poll_source import PollSource
from deployments.relay.rules import Rules
from deployments.relay.service import MOST_IN_FLIGHT, MOST_WAITING, Relay
from tests.relay.events import grid_event, message

RULES = Rules(("az://devstoreaccount1/media/incoming",), (), (".mp4",))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Server:
    """A server that makes runs of what it is told, unless a test says otherwise."""

    def __init__(self) -> None:
        self.up = True
        self.takes = True
        """Whether it makes runs; else it answers 204, and that is all."""
        self.scored: set[str] = set()
        self.arrived: set[str] = set()
        self.refused: set[str] = set()
        self.deaf: set[str] = set()
        self.told: list[tuple[str, int]] = []

    def _answer(self) -> None:
        if not self.up:
            raise ServerDown("ConnectError")

    def emit(self, arrivals: Sequence[tuple[Arrival, int]]) -> None:
        self._answer()
        if any(arrival.video in self.refused for arrival, _ in arrivals):
            raise Refused("422")
        self.told += [(arrival.video, attempt) for arrival, attempt in arrivals]
        if self.takes:
            told = {arrival.key for arrival, _ in arrivals if arrival.video not in self.deaf}
            self.arrived |= told

    def keys_with_run(self, keys: Iterable[str]) -> set[str]:
        self._answer()
        return self.scored & set(keys)

    def keys_on_arrival(self, since: datetime) -> set[str]:
        self._answer()
        return set(self.arrived)

    def close(self) -> None:
        """Nothing to close."""


class Mail:
    """A source with a list of messages."""

    name = "mail"

    def __init__(self) -> None:
        self.waiting: list[bytes] = []
        self.ended: list[tuple[bytes, str]] = []
        self.given_back: list[Delivery] = []
        self.lost: list[Delivery] = []
        self.up = True
        self.taken = 1

    def receive(self, most: int) -> list[Delivery]:
        if not self.up:
            raise SourceDown("no network")
        now, self.waiting = self.waiting[:most], self.waiting[most:]
        return [Delivery(self, body, taken=self.taken) for body in now]

    def done(self, delivery: Delivery) -> None:
        if not self.up:
            raise SourceDown("no network")
        self.ended.append((delivery.body, ""))

    def poison(self, delivery: Delivery, reason: str) -> None:
        self.ended.append((delivery.body, reason))

    def hold(self, deliveries: list[Delivery]) -> list[Delivery]:
        lost, self.lost = self.lost, []
        return lost

    def give_back(self, deliveries: list[Delivery]) -> None:
        self.given_back += deliveries


class Set:
    def __init__(self) -> None:
        self.clock, self.server, self.mail = Clock(), Server(), Mail()
        self.relay = self.another()

    def another(self, *sources: Any) -> Relay:
        server: Any = self.server
        return Relay(
            RULES,
            sources or [self.mail],
            server,
            resend_seconds=60,
            max_deliveries=5,
            clock=self.clock,
        )

    def steps(self, seconds: float) -> None:
        for _ in range(int(seconds)):
            self.relay.step()
            self.clock.now += 1.0


@pytest.fixture
def a() -> Set:
    return Set()


def event(name: str, **more: Any) -> bytes:
    return message(grid_event(f"incoming/{name}.mp4", **more))


def video(name: str) -> str:
    return f"az://devstoreaccount1/media/incoming/{name}.mp4"


def test_a_message_is_settled_when_there_is_a_run_and_not_before(a: Set) -> None:
    a.server.takes = False
    a.mail.waiting = [event("a")]
    a.steps(5)
    assert a.server.told == [(video("a"), 1)]
    assert a.mail.ended == []
    a.server.takes = True
    a.steps(60)
    assert a.server.told == [(video("a"), 1), (video("a"), 2)]
    assert a.mail.ended == [(event("a"), "")]


def test_events_of_one_version_have_the_same_id_and_those_of_another_attempt_do_not() -> None:
    arrival = Arrival(video("a"), "e", 1)
    assert event_id(arrival, 1) == event_id(Arrival(video("a"), "e", 2), 1)
    others = (event_id(arrival, 2), event_id(Arrival(video("a"), "f", 1), 1))
    assert event_id(arrival, 1) not in others


def test_duplicates_are_told_once_and_all_settled(a: Set) -> None:
    a.mail.waiting = [event("a"), event("b"), event("a"), event("a", etag="0xOTHER")]
    a.steps(3)
    a.mail.waiting = [event("a")]
    a.steps(2)
    assert a.server.told == [(video("a"), 1), (video("b"), 1), (video("a"), 1)]
    assert len(a.mail.ended) == 5
    assert a.relay.waiting == 0


def test_a_new_relay_asks_what_there_is(a: Set) -> None:
    a.mail.waiting = [event("a"), event("b")]
    a.steps(3)
    a.relay = a.another()
    a.mail.waiting = [event("a"), event("b")]
    a.steps(3)
    assert len(a.server.told) == 2
    assert len(a.mail.ended) == 4


def test_a_version_that_the_sweep_has_started_is_not_told(a: Set) -> None:
    a.server.scored = {Arrival(video("a"), "0x8D4BCC2E4835CD0").key}
    a.mail.waiting = [event("a")]
    a.steps(2)
    assert a.server.told == []
    assert a.mail.ended == [(event("a"), "")]


def test_a_delivery_of_many_events_is_settled_with_the_last_of_them(a: Set) -> None:
    a.server.deaf = {video("b")}
    both = message([grid_event(f"incoming/{name}.mp4") for name in ("a", "b", "a")])
    a.mail.waiting = [both]
    a.steps(5)
    assert a.mail.ended == []
    a.server.deaf = set()
    a.steps(60)
    assert a.mail.ended == [(both, "")]


def test_no_message_is_given_up_because_the_server_is_down(a: Set) -> None:
    a.server.up = False
    a.mail.taken = 1000
    a.mail.waiting = [event("a"), b"hello"]
    a.steps(10_000)
    assert [body for body, _ in a.mail.ended] == [b"hello"], "which needs no server"
    a.server.up = True
    a.steps(40)
    assert a.mail.ended[1:] == [(event("a"), "")]


def test_what_was_told_before_an_outage_is_told_again_soon_after_it(a: Set) -> None:
    a.server.takes = False
    a.mail.waiting = [event("a")]
    a.steps(3)
    a.server.up = False
    a.steps(3)
    a.server.up = a.server.takes = True
    a.steps(12)
    assert a.server.told == [(video("a"), 1), (video("a"), 2)]
    assert a.mail.ended == [(event("a"), "")]


def test_one_that_the_server_refuses_does_not_hold_up_the_others(a: Set) -> None:
    a.server.refused = {video("b")}
    a.mail.waiting = [event("a"), event("b"), event("c")]
    a.steps(3)
    assert dict(a.mail.ended) == {
        event("a"): "",
        event("b"): "the server refuses it: 422",
        event("c"): "",
    }


def test_one_that_never_gets_a_run_is_put_aside_where_others_do(a: Set) -> None:
    a.server.deaf = {video("a")}
    a.mail.waiting = [event("a")]
    a.steps(2000)
    assert a.mail.ended == [], "nobody else had a run: it is not the message's fault"
    a.mail.waiting = [event("b")]
    a.steps(5000)
    reasons = dict(a.mail.ended)
    assert reasons[event("b")] == ""
    assert "makes runs of other arrivals, not of it" in reasons[event("a")]


def test_a_burst_is_told_in_parts_and_waits_in_the_queue(a: Set) -> None:
    a.server.takes = False
    a.mail.waiting = [event(f"v{n}") for n in range(1000)]
    a.steps(9)
    assert len(a.server.told) == MOST_IN_FLIGHT
    assert a.relay.waiting == MOST_WAITING
    a.server.takes = True
    a.steps(400)
    assert len(a.mail.ended) == 1000
    assert {body for body, _ in a.mail.ended} == {event(f"v{n}") for n in range(1000)}


def test_many_without_runs_do_not_keep_others_from_being_told(a: Set) -> None:
    a.server.deaf = {video(f"v{n}") for n in range(100)}
    a.mail.waiting = [*(event(f"v{n}") for n in range(100)), event("a")]
    a.steps(80)
    assert a.mail.ended == [(event("a"), "")]


def test_a_message_that_another_relay_has_taken_is_forgotten(a: Set) -> None:
    a.server.takes = False
    a.mail.waiting = [event("a"), event("a")]
    a.steps(2)
    a.mail.lost = list(a.relay._waiting[:1])
    a.steps(1)
    assert a.relay.waiting == 1
    a.server.takes = True
    a.steps(100)
    assert len(a.mail.ended) == 1


def test_a_source_that_is_down_is_asked_again_less_and_less(a: Set) -> None:
    a.mail.up = False
    a.steps(50)
    a.mail.up = True
    a.mail.waiting = [event("a")]
    a.steps(40)
    assert a.mail.ended == [(event("a"), "")]


def test_what_is_not_settled_is_given_back_at_the_end(a: Set) -> None:
    a.server.takes = False
    a.mail.waiting = [event("a")]
    a.steps(2)
    stop = threading.Event()
    stop.set()
    a.relay.run(stop)
    assert [delivery.body for delivery in a.mail.given_back] == [event("a")]


def test_what_does_not_count_is_settled_without_the_server(a: Set) -> None:
    a.server.up = False
    deleted = grid_event("incoming/a.mp4")
    deleted["eventType"] = "Microsoft.Storage.BlobDeleted"
    a.mail.waiting = [
        event("a", size=0),
        event("a", container="other"),
        json.dumps(deleted).encode(),
    ]
    a.steps(2)
    assert len(a.mail.ended) == 3
    assert all(reason == "" for _, reason in a.mail.ended)


def test_a_folder_is_watched_until_files_are_whole(a: Set, tmp_path: Path) -> None:
    def write(name: str, data: bytes, age: float = 100.0) -> None:
        (tmp_path / name).write_bytes(data)
        moment = (tmp_path / name).stat().st_mtime - age
        os.utime(tmp_path / name, (moment, moment))

    rules = Rules((str(tmp_path),), (f"{tmp_path}/out",), (".mp4",))
    write("a.mp4", b"first part", 200)
    source = PollSource(rules, 2.0, a.clock)
    server: Any = a.server
    a.relay = Relay(rules, [source], server, resend_seconds=60, max_deliveries=5, clock=a.clock)
    a.steps(4)
    write("a.mp4", b"first part and second")
    a.steps(4)
    assert a.server.told == [], "it is still growing"
    a.steps(6)
    assert a.server.told == [(f"{tmp_path}/a.mp4", 1)]
    a.steps(20)
    assert len(a.server.told) == 1
    write("a.mp4", b"another video", 50)
    (tmp_path / "b.mp4").hardlink_to(tmp_path / "a.mp4")
    a.steps(20)
    assert sorted(a.server.told[1:]) == [(f"{tmp_path}/a.mp4", 1), (f"{tmp_path}/b.mp4", 1)]


def test_a_folder_that_cannot_be_listed_is_only_told(a: Set, tmp_path: Path) -> None:
    rules = Rules(("az://devstoreaccount1/nothing-there/x",), (), (".mp4",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRAMEWRIGHT_AZURE_ENDPOINT", "http://127.0.0.1:9/{account}")
        patch.setenv("FRAMEWRIGHT_AZURE_SAS", "sv=1&sig=VerySecret")
        patch.setenv("FRAMEWRIGHT_AZURE_RETRY_SECONDS", "0.01")
        with pytest.raises(SourceDown) as raised:
            PollSource(rules, 2.0).receive(1)
    assert "VerySecret" not in str(raised.value)
