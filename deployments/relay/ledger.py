"""Which versions the server has runs of: its database is the ledger, kept in part here."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from deployments.relay.emit import Server

__all__ = ["Ledger"]

CAPACITY = 20_000
LOOK_BACK = timedelta(hours=24)
"""Event Grid delivers an event again for that long."""
CLOCK_SKEW = timedelta(minutes=5)
"""By how much the server's clock may differ from ours."""


class Ledger:
    """Says which versions the server has taken, for good.

    Nothing is kept on this machine's disk: a relay that starts anew, or beside others, asks.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._known: OrderedDict[str, None] = OrderedDict()
        self._read_back = False

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def __len__(self) -> int:
        return len(self._known)

    def look_up(self, keys: Collection[str]) -> set[str]:
        """Return those of the keys of which there is a run, asking the server about the rest.

        Raises:
            ServerDown: it does not answer.
        """
        if not self._read_back:
            self._note(self._server.keys_on_arrival(datetime.now(UTC) - LOOK_BACK))
            self._read_back = True
        self._note(self._server.keys_with_run(key for key in keys if key not in self._known))
        return {key for key in keys if key in self._known}

    def confirm(self, keys: Collection[str], since: datetime) -> set[str]:
        """Return those of the keys of which the server has made a run since a moment.

        Raises:
            ServerDown: it does not answer.
        """
        made = self._server.keys_on_arrival(since - CLOCK_SKEW)
        self._note(made)
        return made & set(keys)

    def _note(self, keys: Collection[str]) -> None:
        for key in keys:
            self._known[key] = None
            self._known.move_to_end(key)
        while len(self._known) > CAPACITY:
            self._known.popitem(last=False)
