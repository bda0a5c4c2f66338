"""Models, found by name in the entry-point group ``framewright.scorers``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from framewright.errors import EnvironmentMismatch, ScorerOptionError
from framewright.scorers.asset import Asset, Fetch, fetched_by
from framewright.scorers.base import Scorer
from framewright.types import ScorerIdentity

__all__ = ["Scorer", "create", "describe", "rebuild", "scorer_names"]

GROUP = "framewright.scorers"


def scorer_names() -> list[str]:
    """Names of all installed scorers, sorted."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


@lru_cache(maxsize=32)
def _load(name: str) -> type[Scorer]:
    for entry in entry_points(group=GROUP, name=name):
        loaded: type[Scorer] = entry.load()
        return loaded
    raise ScorerOptionError(
        f"unknown scorer {name!r}. Installed scorers: {', '.join(scorer_names())}."
    )


def create(name: str, options: Mapping[str, Any]) -> Scorer:
    """Construct a scorer by name from a user's options, not yet set up.

    Raises:
        ScorerOptionError: no such scorer, an option it does not take, one that it needs and does
            not get, or a value of another type or out of range.
    """
    factory = _load(name)
    allowed = list(inspect.signature(factory).parameters)
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        raise ScorerOptionError(
            f"scorer {name!r} takes no option {', '.join(map(repr, unknown))}. "
            f"Its options: {', '.join(allowed) or 'none'}."
        )
    try:
        return factory(**options)
    except (TypeError, ValueError) as error:
        given = ", ".join(f"{key}={value!r}" for key, value in options.items())
        raise ScorerOptionError(
            f"scorer {name!r} does not work with the options {given or '(none)'}: {error}. "
            f"Its options: {', '.join(allowed) or 'none'}."
        ) from error


def rebuild(identity: ScorerIdentity, fetch: Fetch | None = None) -> Scorer:
    """Construct the scorer that an identity describes, as a worker does.

    Args:
        identity: what a manifest says, which need not be true: no file that it names is opened.
        fetch: finds the local copies of the files it refers to; without it there are none.

    Raises:
        EnvironmentMismatch: what is installed here would compute something else.
        ScorerOptionError: the scorer would read a file by its path.
    """
    with fetched_by(fetch or _nothing):
        scorer = create(identity.name, identity.params)
    if scorer.identity != identity:
        raise EnvironmentMismatch(
            f"scorer {identity.name!r} was planned as version {identity.version} with weights "
            f"{identity.weights_sha256[:12] or 'none'}, but this worker has version "
            f"{scorer.identity.version} with weights "
            f"{scorer.identity.weights_sha256[:12] or 'none'}: install the same release everywhere."
        )
    return scorer


def _nothing(asset: Asset) -> Path:
    raise ScorerOptionError(f"there is no store from which to fetch {asset.reference}.")


def describe(name: str) -> str:
    """Return a scorer's one-line description and its options."""
    factory = _load(name)
    options = ", ".join(inspect.signature(factory).parameters)
    line = (inspect.getdoc(factory) or "").partition("\n")[0]
    return f"{line} Options: {options or 'none'}."
