"""The sandboxed process: confines itself, then calls what it is told to, one order at a time."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import time
import traceback
from typing import Any, BinaryIO

from framewright.errors import FramewrightError
from framewright.sandbox import seccomp
from framewright.sandbox.confine import confine
from framewright.sandbox.messages import Message, Order, Start, dumped, error_content, load
from framewright.types import Progress

__all__ = ["main"]

_SECONDS_BETWEEN_PROGRESS = 0.1


class _Parent:
    """The way back to the parent."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._told = 0.0

    def tell(self, **content: Any) -> None:
        line = Message(**content).model_dump_json(exclude_none=True)
        self._stream.write(line.encode() + b"\n")
        self._stream.flush()

    def progress(self, progress: Progress) -> None:
        """Tell how far it is, which also says that this process is not stuck."""
        now = time.monotonic()
        if now - self._told >= _SECONDS_BETWEEN_PROGRESS or progress.done == progress.total:
            self._told = now
            self.tell(progress=(progress.stage, progress.done, progress.total))


class _Logs(logging.Handler):
    def __init__(self, parent: _Parent) -> None:
        super().__init__()
        self._parent = parent

    def emit(self, record: logging.LogRecord) -> None:
        self._parent.tell(log=(record.levelno, record.name, record.getMessage()))


def main() -> None:
    """Serve orders from standard input until it ends; answer on the descriptor in argv[1]."""
    parent = _Parent(os.fdopen(int(sys.argv[1]), "wb"))
    start = Start.model_validate_json(sys.stdin.buffer.readline())
    seccomp.die_with_parent()
    for module in start.modules:
        importlib.import_module(module)
    log = logging.getLogger("framewright")
    log.addHandler(_Logs(parent))
    log.setLevel(logging.INFO)
    parent.tell(ready=confine(start.confinement))
    for line in sys.stdin.buffer:
        _serve(Order.model_validate_json(line), parent)


def _serve(order: Order, parent: _Parent) -> None:
    try:
        request = load(order.request).model_validate(order.content)
        parent.tell(answer=dumped(load(order.function)(request, parent.progress)))
    except FramewrightError as error:
        parent.tell(error=error_content(error))
    except Exception as error:  # noqa: BLE001 - the parent decides what it means
        kind = "MemoryError" if isinstance(error, MemoryError) else type(error).__name__
        number = error.errno if isinstance(error, OSError) else None
        trace = "".join(traceback.format_exception(error))
        parent.tell(failure=(kind, number, str(error), trace))


if __name__ == "__main__":
    main()
