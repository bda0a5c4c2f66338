"""Three threads: in order, bounded, overlapping, and gone when one of them fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from framewright.pipeline import overlap

PATIENCE_SECONDS = 20.0
"""How long a test waits for another thread before it says that the thread never came."""


class Boom(Exception):
    pass


def threads() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if t.name in ("decode", "encode")}


def run(items: Iterator[int], capacity: int = 3) -> list[int]:
    got: list[int] = []
    overlap(items, lambda item: [item, -item], got.extend, capacity, capacity)
    return got


@pytest.mark.parametrize("capacity", [1, 2, 50])
@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_order_is_kept(count: int, capacity: int) -> None:
    assert run(iter(range(count)), capacity) == [s * n for n in range(count) for s in (1, -1)]


def test_a_step_may_give_nothing() -> None:
    got: list[int] = []
    overlap(range(10), lambda n: [n] * (n % 2), got.extend, 2, 2)
    assert got == [1, 3, 5, 7, 9]


def test_what_waits_is_bounded() -> None:
    capacity = 4
    lock, taken, most = threading.Lock(), 0, 0
    may_drain = threading.Event()

    def source() -> Iterator[int]:
        nonlocal taken, most
        for number in range(60):
            with lock:
                taken += 1
                most = max(most, taken)
                if taken >= 2 * capacity:
                    may_drain.set()
            yield number

    def sink(results: Iterator[int]) -> None:
        nonlocal taken
        assert may_drain.wait(PATIENCE_SECONDS)
        for _ in results:
            with lock:
                taken -= 1

    overlap(source(), lambda n: [n], sink, capacity, capacity)
    # both queues full, and one item in the hands of each of the three
    assert 2 * capacity <= most <= 2 * capacity + 3
    assert taken == 0


def test_the_two_sides_have_room_of_their_own() -> None:
    """Batches wait on one side, the frames of batches on the other."""
    stepped, full = 0, threading.Event()
    may_drain = threading.Event()

    def step(batch: int) -> Iterator[int]:
        nonlocal stepped
        for _ in range(8):
            yield batch
            stepped += 1  # the one before is in the outbox
            if stepped == 16:
                full.set()

    def sink(results: Iterator[int]) -> None:
        assert may_drain.wait(PATIENCE_SECONDS)
        list(results)

    def watch() -> None:
        assert full.wait(PATIENCE_SECONDS), "two whole batches fit, though nothing is taken away"
        threading.Event().wait(0.05)
        may_drain.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        overlap(range(3), step, sink, 2, 16)
    finally:
        may_drain.set()
        watcher.join()
    assert full.is_set()
    assert stepped == 24


def test_the_three_work_at_the_same_time() -> None:
    """Each goes on only when the other two have begun: serial execution would never end."""
    meeting = threading.Barrier(3, timeout=PATIENCE_SECONDS)

    def source() -> Iterator[int]:
        for number in range(5):
            if number == 4:
                meeting.wait()
            yield number

    def step(number: int) -> list[int]:
        if number == 3:
            meeting.wait()
        return [number]

    def sink(results: Iterator[int]) -> None:
        for number in results:
            if number == 2:
                meeting.wait()

    overlap(source(), step, sink, 2, 2)
    assert not meeting.broken


def test_three_different_threads() -> None:
    names: dict[str, str] = {}

    def source() -> Iterator[int]:
        names["source"] = threading.current_thread().name
        yield 1

    def step(number: int) -> list[int]:
        names["step"] = threading.current_thread().name
        return [number]

    def sink(results: Iterator[int]) -> None:
        names["sink"] = threading.current_thread().name
        list(results)

    overlap(source(), step, sink, 2, 2)
    here = threading.current_thread().name
    assert names == {"source": "decode", "step": here, "sink": "encode"}


def endless() -> Iterator[int]:
    number = 0
    while True:
        yield number
        number += 1


def test_a_failing_source_stops_all() -> None:
    def source() -> Iterator[int]:
        yield from range(5)
        raise Boom("source")

    with pytest.raises(Boom, match="source"):
        run(source())
    assert not threads()


def test_a_failing_step_stops_all() -> None:
    def step(number: int) -> list[int]:
        if number == 3:
            raise Boom("step")
        return [number]

    with pytest.raises(Boom, match="step"):
        overlap(endless(), step, lambda results: [None for _ in results] and None, 2, 2)
    assert not threads()


def test_a_failing_sink_stops_all() -> None:
    def sink(results: Iterator[int]) -> None:
        for number in results:
            if number == 3:
                raise Boom("sink")

    with pytest.raises(Boom, match="sink"):
        overlap(endless(), lambda n: [n], sink, 2, 2)
    assert not threads()


def test_the_first_failure_is_told() -> None:
    failed = threading.Event()

    def sink(results: Iterator[int]) -> None:
        next(results)
        failed.set()
        raise Boom("first")

    def step(number: int) -> list[int]:
        if number > 0:
            assert failed.wait(PATIENCE_SECONDS)
            while threads() and any(t.name == "encode" for t in threads()):
                threading.Event().wait(0.01)
            raise Boom("second")
        return [number]

    with pytest.raises(Boom, match="first"):
        overlap(endless(), step, sink, 2, 2)
    assert not threads()


def test_a_failure_before_the_first_item() -> None:
    def source() -> Iterator[int]:
        raise Boom("at once")
        yield 1

    with pytest.raises(Boom, match="at once"):
        run(source())
    assert not threads()


def test_stopping_by_the_keyboard_stops_all() -> None:
    def step(number: int) -> list[int]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        overlap(endless(), step, lambda results: [None for _ in results] and None, 2, 2)
    assert not threads()


def test_a_sink_that_stops_early_does_not_hang() -> None:
    """It takes two items and returns: nobody drains the rest."""
    with pytest.raises(RuntimeError, match="before the end"):
        overlap(
            endless(), lambda n: [n], lambda results: [next(results) for _ in "ab"] and None, 2, 2
        )
    assert not threads()
