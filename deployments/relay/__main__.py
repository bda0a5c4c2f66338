"""The relay as a process: ``python -m deployments.relay``."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence

from deployments.relay.arrival import Source
from deployments.relay.config import RelaySettings, read_settings
from deployments.relay.emit import Server
from deployments.relay.http_source import HttpSource
from deployments.relay.poll_source import PollSource
from deployments.relay.rules import Rules
from deployments.relay.service import Relay
from framewright.errors import FramewrightError

__all__ = ["main", "sources_of"]

logger = logging.getLogger("deployments.relay")


def sources_of(settings: RelaySettings, rules: Rules) -> list[Source]:
    """Open every source that the settings name.

    Raises:
        FramewrightError: one of them cannot be used.
        OSError: the web-hook's port cannot be.
    """
    sources: list[Source] = []
    if settings.queue:
        from deployments.relay.queue_source import QueueSource

        sources.append(QueueSource(settings))
    if settings.http_port:
        secret = settings.http_secret.get_secret_value()
        sources.append(HttpSource(settings.http_host, settings.http_port, secret))
    if settings.poll_seconds:
        sources.append(PollSource(rules, settings.poll_seconds))
    return sources


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the relay until SIGTERM or SIGINT; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m deployments.relay",
        description="Tells the Prefect server of videos that have arrived. Everything is set by "
        "FRAMEWRIGHT_RELAY_* variables: docs/arrivals.md.",
    )
    parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    for noisy in ("httpx", "azure"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    try:
        settings = read_settings()
        rules = settings.rules()
        sources = sources_of(settings, rules)
        relay = Relay(
            rules,
            sources,
            Server(),
            resend_seconds=settings.resend_seconds,
            max_deliveries=settings.max_deliveries,
        )
    except (FramewrightError, OSError) as error:
        sys.stderr.write(f"relay: {error}\n")
        return 1
    logger.info("the relay is up: %s", "; ".join(source.name for source in sources))
    relay.run(stop)
    logger.info("the relay has stopped: %s", dict(relay.counts))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
