"""Models, found by name in the entry-point group ``framewright.scorers``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from framewright.errors import EnvironmentMismatch, ScorerFailed, ScorerOptionError
from framewright.scorers.asset import Asset, Fetch, fetched_by
from framewright.scorers.base import Labelled, RecordScorer, Scorer
from framewright.types import ProgressCallback, ScorerIdentity
from framewright.values import Result

__all__ = [
    "AnyScorer",
    "RecordScorer",
    "Scorer",
    "create",
    "describe",
    "outline",
    "rebuild",
    "scorer_names",
]

GROUP = "framewright.scorers"

_PROGRESS = "progress"
"""What a constructor calls the one argument that is no option."""

_SHOWN_LETTERS = 100
"""Of a value in an error: some hold kilobytes."""

AnyScorer = Scorer | RecordScorer


def scorer_names() -> list[str]:
    """Names of all installed scorers, sorted."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


@lru_cache(maxsize=32)
def _load(name: str) -> type[AnyScorer]:
    for entry in entry_points(group=GROUP, name=name):
        try:
            loaded: type[AnyScorer] = entry.load()
        except Exception as error:  # its code may raise whatever it likes
            package = entry.dist.name if entry.dist else "unknown"
            raise ScorerFailed(
                f"scorer {name!r} cannot be loaded: {entry.value!r}, which the package {package!r} "
                f"names, raised {type(error).__name__}: {error}."
            ) from error
        return loaded
    raise ScorerOptionError(
        f"unknown scorer {name!r}. Installed scorers: {', '.join(scorer_names())}."
    )


def create(
    name: str, options: Mapping[str, Any], progress: ProgressCallback | None = None
) -> AnyScorer:
    """Construct a scorer by name from a user's options, not yet set up.

    Args:
        name: what `framewright scorers` lists.
        options: arguments of its constructor.
        progress: passed on as the argument ``progress`` to a constructor that has it.

    Raises:
        ScorerOptionError: no such scorer, an option it does not take, one that it needs and does
            not get, or a value of another type or out of range.
        ScorerFailed: it cannot be loaded, has not the methods that its result needs, or another
            name in its identity.
    """
    factory = _load(name)
    allowed = _options(factory)
    unknown = sorted(set(options) - set(_parameters(factory)))
    if unknown:
        raise ScorerOptionError(
            f"scorer {name!r} takes no option {', '.join(map(repr, unknown))}. "
            f"Its options: {', '.join(allowed) or 'none'}."
        )
    if missing := [repr(one) for one in _needed(factory) if one not in options]:
        raise ScorerOptionError(
            f"scorer {name!r} needs the option {' and '.join(missing)}: --option NAME=VALUE, or in "
            f"the flow scorer_options. Its options: {', '.join(allowed)}."
        )
    try:
        if _PROGRESS in inspect.signature(factory).parameters:
            scorer = factory(**options, progress=progress)  # type: ignore[call-arg]
        else:
            scorer = factory(**options)
    except (TypeError, ValueError) as error:
        given = ", ".join(f"{key}={repr(value)[:_SHOWN_LETTERS]}" for key, value in options.items())
        raise ScorerOptionError(
            f"scorer {name!r} does not work with the options {given or '(none)'}: {error}. "
            f"Its options: {', '.join(allowed) or 'none'}."
        ) from error
    if not isinstance(scorer, RecordScorer if scorer.identity.result == "records" else Scorer):
        raise ScorerFailed(
            f"scorer {name!r} says that it makes {scorer.identity.result}, and lacks a part of "
            "what that needs; see Scorer and RecordScorer in framewright.scorers.base."
        )
    if scorer.identity.name != name:
        raise ScorerFailed(
            f"scorer {name!r} is called {scorer.identity.name!r} in its identity, and workers look "
            "for it under that name: it must be that of its entry point."
        )
    return scorer


def outline(name: str, options: Mapping[str, Any]) -> ScorerIdentity | None:
    """Return of a scorer's identity what names its results, without constructing it.

    A constructor may fit a painting, or read weights. Files that options name need not be there.

    Returns:
        Name, result, and the style as ``params``; None where only the constructor knows.

    Raises:
        ScorerOptionError: no such scorer, or its style is not possible.
    """
    factory = _load(name)
    makes: Result | None = None
    if hasattr(factory, "record") != hasattr(factory, "score"):
        makes = "records" if hasattr(factory, "record") else "pictures"
    if isinstance(factory, Labelled):
        params: dict[str, Any] = {"style": factory.label(**options)}
    elif {"style", "image"}.isdisjoint(_parameters(factory)):  # which identity.params are among
        params = {}
    else:
        return None
    return ScorerIdentity(name=name, version="", params=params, result=makes) if makes else None


def rebuild(identity: ScorerIdentity, fetch: Fetch | None = None) -> AnyScorer:
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
    """Return a scorer's one-line description and the options that a user gives."""
    factory = _load(name)
    options = ", ".join(_options(factory))
    line = (inspect.getdoc(factory) or "").partition("\n")[0]
    return f"{line} Options: {options or 'none'}."


def _options(factory: type[AnyScorer]) -> list[str]:
    """Those that a user gives."""
    for_workers = getattr(factory, "worker_options", ())
    return [name for name in _parameters(factory) if name not in for_workers]


def _parameters(factory: type[AnyScorer]) -> list[str]:
    return [name for name in inspect.signature(factory).parameters if name != _PROGRESS]


def _needed(factory: type[AnyScorer]) -> list[str]:
    parameters = inspect.signature(factory).parameters
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        name
        for name, one in parameters.items()
        if one.default is one.empty and one.kind not in variable and name != _PROGRESS
    ]
