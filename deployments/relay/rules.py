"""Which arrivals count: where they lie, how their names end, and never our own results."""

from __future__ import annotations

from dataclasses import dataclass, replace

from deployments.relay.arrival import Arrival
from flows.sources import is_below, is_source_name

__all__ = ["Rules"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration says counts.

    Attributes:
        watch: addresses of folders and prefixes; what lies below one of them counts.
        outputs: addresses of folders and prefixes where results go; nothing below them counts.
        suffixes: ends of names that count, in lower case, with their dots.
    """

    watch: tuple[str, ...]
    outputs: tuple[str, ...]
    suffixes: tuple[str, ...]

    def judge(self, arrival: Arrival) -> Arrival | str:
        """Return the arrival with its root, or in words why it does not count."""
        if any(is_below(arrival.video, folder) for folder in self.outputs):
            return "it is a result"
        roots = [folder for folder in self.watch if is_below(arrival.video, folder)]
        if not roots:
            return "nobody watches where it lies"
        if not is_source_name(arrival.video, self.suffixes):
            return "its name is not that of a video to be scored"
        if arrival.size_bytes == 0:
            return "it is empty"
        return replace(arrival, root=max(roots, key=len))
