"""The Prefect server on SQLite, without its pauses of a minute.

SQLite makes a writer wait for another one, with Prefect's settings up to a minute. In such minutes
the thread of the event loop was seen standing still in the middle of an allocation, where Python
collects garbage: a cursor that is found there waits for its connection, which waits for a writer,
which waits for the loop. So garbage is collected in a thread of its own, which may wait.

As a command, with the arguments of ``prefect``::

    python -m deployments.server server start --port 4200
"""

from __future__ import annotations

import gc
import itertools
import threading
import time

__all__ = ["collect_beside", "main"]

PAUSE_SECONDS = 0.1
MIDDLE, ALL = 10, 300
"""Every so many pauses older objects are looked at too, and all."""


def collect_beside() -> None:
    """Collect garbage in a thread of its own from now on, and in no other."""

    def collect() -> None:
        for turn in itertools.count(1):
            time.sleep(PAUSE_SECONDS)
            gc.collect(2 if turn % ALL == 0 else 1 if turn % MIDDLE == 0 else 0)

    gc.disable()
    threading.Thread(target=collect, name="garbage", daemon=True).start()


def main() -> None:
    """Run the command line of Prefect."""
    from prefect.cli import app

    collect_beside()
    app()


if __name__ == "__main__":
    main()
