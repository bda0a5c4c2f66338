"""The log of one piece of work, as JSON lines in the work store.

A line has ``at`` (seconds since the epoch) and ``event``: ``begin``, ``log`` (a line of the
engine's log), ``batch`` (a call of the model), ``end`` or ``failed``. No line holds a secret.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from framewright.errors import FramewrightError, StoreDenied, StoreUnavailable
from framewright.storage import Store, without_secrets
from framewright.types import job_prefix

__all__ = ["Journal", "logs_prefix", "recording", "shown_level"]

_ENGINE = logging.getLogger("framewright")
logger = logging.getLogger(__name__)

_MAX_BYTES = 4 << 20
"""Of one journal; what comes later is counted, not kept. Its end is always kept."""
_MAX_TEXT = 4000


def logs_prefix(job_key: str) -> str:
    """Storage prefix of a job's journals; that of work which never came to be a job if empty."""
    return f"{job_prefix(job_key)}logs/" if job_key else "logs/"


class Journal(logging.Handler):
    """Lines about one piece of work; takes the engine's log while it is being recorded.

    Attributes:
        job_key: the job, as soon as it is known; decides where the lines go.
        shown: from which level on the log is shown, and by which logger; None where it is not, or
            by an outer journal.
    """

    def __init__(self, name: str, job_key: str = "") -> None:
        super().__init__()
        began = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self.title = f"{name}-{began}-{secrets.token_hex(3)}"
        self.job_key = job_key
        self._lines: list[str] = []
        self._bytes = 0
        self._dropped = 0
        self._writing = threading.Lock()
        self.shown: tuple[int, logging.Logger] | None = None

    @property
    def key(self) -> str:
        """Storage key of the lines."""
        return f"{logs_prefix(self.job_key)}{self.title}.jsonl"

    def note(self, event: str, *, always: bool = False, **fields: Any) -> None:
        """Add a line; ``always`` also beyond the size limit."""
        entry = {"at": round(time.time(), 4), "event": event}
        line = json.dumps(
            {**entry, **{name: _clean(value) for name, value in fields.items()}}, default=str
        )
        with self._writing:
            if self._bytes + len(line) > _MAX_BYTES and not always:
                self._dropped += 1
                return
            self._bytes += len(line) + 1
            self._lines.append(line)

    def emit(self, record: logging.LogRecord) -> None:
        """Add a line of the log, and show it where it would have been shown without a journal."""
        if record.levelno >= logging.INFO:
            message = record.getMessage()
            self.note("log", level=record.levelname, logger=record.name, message=message)
        if self.shown and record.levelno >= self.shown[0]:
            self.shown[1].callHandlers(record)

    def close_with(self, error: BaseException | None, seconds: float) -> None:
        """Add the last line."""
        more: dict[str, Any] = {"seconds": round(seconds, 4), "dropped": self._dropped}
        if error is None:
            return self.note("end", always=True, **more)
        if not isinstance(error, FramewrightError):
            more["traceback"] = "".join(traceback.format_exception(error))[-_MAX_TEXT:]
        self.note("failed", always=True, error=type(error).__name__, message=str(error), **more)

    def data(self) -> bytes:
        """All lines."""
        return ("\n".join(self._lines) + "\n").encode(errors="replace")

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take what the engine logs from INFO upwards, from all threads of this process."""
        level, propagate = _ENGINE.level, _ENGINE.propagate
        if propagate and _ENGINE.parent is not None:
            self.shown = (_ENGINE.getEffectiveLevel(), _ENGINE.parent)
        _ENGINE.addHandler(self)
        if not _ENGINE.isEnabledFor(logging.INFO):
            _ENGINE.setLevel(logging.INFO)
        _ENGINE.propagate = False
        try:
            yield
        finally:
            _ENGINE.removeHandler(self)
            _ENGINE.setLevel(level)
            _ENGINE.propagate = propagate


def shown_level() -> int:
    """From which level on the engine's log is shown; journals take more than that."""
    journals = (handler for handler in _ENGINE.handlers if isinstance(handler, Journal))
    shown = (journal.shown for journal in journals)
    return next((one[0] for one in shown if one), _ENGINE.getEffectiveLevel())


@contextmanager
def recording(store: Store, name: str, job_key: str = "", **about: Any) -> Iterator[Journal]:
    """Record a piece of work, and put its lines into the store when it ends or fails.

    Args:
        store: the work store.
        name: of the work, such as ``unit-00003``; the file's name also has the time.
        job_key: the job; may be set later, on what is given.
        about: fields of the first line.
    """
    journal, started = Journal(name, job_key), time.perf_counter()
    journal.note("begin", host=socket.gethostname(), process=os.getpid(), **about)
    failure: BaseException | None = None
    try:
        with journal.listening():
            yield journal
    except BaseException as error:
        failure = error
        raise
    finally:
        journal.close_with(failure, time.perf_counter() - started)
        if not isinstance(failure, StoreUnavailable | StoreDenied | KeyboardInterrupt | SystemExit):
            _put(store, journal)


def _put(store: Store, journal: Journal) -> None:
    """Put the lines; the work is done or has failed by now, and neither changes without them."""
    try:
        store.put(journal.key, journal.data())
    except Exception as error:  # noqa: BLE001 - whatever the storage raises
        logger.warning("there is no journal %s: %s", journal.key, without_secrets(str(error)))


def _clean(value: Any) -> Any:
    return without_secrets(value)[:_MAX_TEXT] if isinstance(value, str) else value
