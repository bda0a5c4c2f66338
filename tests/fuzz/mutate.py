"""Make broken files: case ``n`` of seed ``s`` is the same file everywhere and at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.fuzz.bytes import CHANGES as BYTE_CHANGES
from tests.fuzz.formats import changes_of
from tests.fuzz.seeds import Seed

__all__ = ["Case", "mutated"]

_MOST_CHANGES = (1, 1, 1, 2, 2, 3)


@dataclass(frozen=True)
class Case:
    """A broken file."""

    number: int
    origin: str
    """Name of the good file it was."""
    changes: tuple[str, ...]
    suffix: str
    data: bytes


def mutated(seed: int, number: int, seeds: Sequence[Seed]) -> Case:
    """Make a case from one of the good files, with one to three changes."""
    rng = Random(f"{seed}:{number}")  # noqa: S311 - not for secrets
    origin = rng.choice(seeds)
    data = origin.data
    others = [one.data for one in seeds if one.suffix == origin.suffix or rng.random() < 0.2]
    names: list[str] = []
    for _ in range(rng.choice(_MOST_CHANGES)):
        known = changes_of(origin.suffix)
        if known and rng.random() < 0.65:
            name = rng.choice(sorted(known))
            data = known[name](rng, data) or origin.data
        else:
            name = rng.choice(sorted(BYTE_CHANGES))
            data = BYTE_CHANGES[name](rng, data, others) or origin.data
        names.append(name)
    return Case(number, origin.name, tuple(names), origin.suffix, data)
