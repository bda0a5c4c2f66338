"""Run a source, a step and a sink in three threads, with bounded queues between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

__all__ = ["overlap"]

T = TypeVar("T")
U = TypeVar("U")

_POLL_SECONDS = 0.1


class _Stopped(Exception):
    """Another thread has failed; nothing more to do here."""


class _End:
    """Follows the last item of a channel."""


class _Channel(Generic[T]):
    """A bounded queue that lets go of its waiters once ``stop`` is set."""

    def __init__(self, capacity: int, stop: threading.Event) -> None:
        self._queue: Queue[T | _End] = Queue(capacity)
        self._stop = stop
        self.ended = False

    def put(self, item: T | _End) -> None:
        while not self._stop.is_set():
            try:
                return self._queue.put(item, timeout=_POLL_SECONDS)
            except Full:
                continue
        raise _Stopped

    def fill(self, items: Iterable[T]) -> None:
        for item in items:
            self.put(item)
        self.put(_End())

    def __iter__(self) -> Iterator[T]:
        while not self._stop.is_set():
            try:
                item = self._queue.get(timeout=_POLL_SECONDS)
            except Empty:
                continue
            if isinstance(item, _End):
                self.ended = True
                return
            yield item
        raise _Stopped


class _Guard:
    """Runs work in threads; the first failure stops all of it."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.failures: list[BaseException] = []

    def run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 - handed over to the caller's thread
            self.failures.append(error)
            self.stop.set()

    def start(self, name: str, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=self.run, args=(work,), name=name, daemon=True)
        thread.start()
        return thread


def _drain(outbox: _Channel[U], sink: Callable[[Iterator[U]], None]) -> None:
    sink(iter(outbox))
    if not outbox.ended:  # else the others would wait for room in the queue for ever
        raise RuntimeError("the sink returned before the end of its input")


def overlap(
    source: Iterable[T],
    step: Callable[[T], Iterable[U]],
    sink: Callable[[Iterator[U]], None],
    inbox_items: int,
    outbox_items: int,
) -> None:
    """Pass every item of ``source`` through ``step`` to ``sink``, in order, overlapped.

    ``source`` is consumed in one new thread and ``sink`` runs in another; ``step`` runs in the
    caller's. At most ``inbox_items`` items wait for ``step`` and ``outbox_items`` of its results
    for ``sink``, both 1 or more, so that memory stays bounded.

    Raises:
        Exception: the first one that any of the three raised; the others are stopped.
    """
    guard = _Guard()
    inbox: _Channel[T] = _Channel(inbox_items, guard.stop)
    outbox: _Channel[U] = _Channel(outbox_items, guard.stop)
    threads = [
        guard.start("decode", lambda: inbox.fill(source)),
        guard.start("encode", lambda: _drain(outbox, sink)),
    ]
    guard.run(lambda: outbox.fill(result for item in inbox for result in step(item)))
    for thread in threads:
        thread.join()
    if guard.failures:
        raise guard.failures[0]
