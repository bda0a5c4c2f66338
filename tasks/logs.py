"""The engine's log lines, shown with the task run that made them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.logging import get_run_logger

__all__ = ["engine_logs"]

ENGINE = "framewright"


class _ToRun(logging.Handler):
    """Hands records to a run's logger, from whichever thread they come.

    Prefect's own ``PREFECT_LOGGING_EXTRA_LOGGERS`` finds the run in a context variable, which the
    engine's decoder and encoder threads do not have, and has to be set on each worker.
    """

    def __init__(self, run_logger: logging.LoggerAdapter[Any] | logging.Logger) -> None:
        super().__init__(logging.INFO)
        self._run_logger = run_logger

    def emit(self, record: logging.LogRecord) -> None:
        self._run_logger.log(record.levelno, record.getMessage(), exc_info=record.exc_info)


@contextmanager
def engine_logs() -> Iterator[None]:
    """Within a task or flow, send what the engine logs from INFO upwards to the Prefect API.

    All of a process's engine lines go to the run inside: one task runs per process at a time.
    """
    engine, handler = logging.getLogger(ENGINE), _ToRun(get_run_logger())
    level, propagate = engine.level, engine.propagate
    engine.addHandler(handler)
    if not engine.isEnabledFor(logging.INFO):
        engine.setLevel(logging.INFO)
    engine.propagate = False  # the run's logger writes to the console too
    try:
        yield
    finally:
        engine.removeHandler(handler)
        engine.setLevel(level)
        engine.propagate = propagate
