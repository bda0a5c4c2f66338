"""What a sandboxed process and its parent tell each other: JSON, a line each.

Nothing that comes out of a sandbox is unpickled, called or trusted: the parent validates it.
"""

from __future__ import annotations

import importlib
from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from framewright.errors import (
    EngineBug,
    FramewrightError,
    InputError,
    ManifestError,
    SourceRefused,
)
from framewright.sandbox.confine import Confinement
from framewright.types import Record
from framewright.values import Stage

__all__ = ["Message", "Order", "Start", "load", "place_of"]


_ERRORS: dict[str, type[FramewrightError]] = {
    kind.__name__: kind for kind in (InputError, SourceRefused, EngineBug, ManifestError)
}
"""What a sandboxed process may report."""


class Start(Record):
    """First line to the sandbox."""

    modules: tuple[str, ...]
    """To import before anything is taken away."""
    confinement: Confinement


class Order(Record):
    """A function to call, and the record to call it with."""

    function: str
    request: str
    """Class of the record."""
    content: Any


class Message(Record):
    """A line from the sandbox; one of its fields is set."""

    ready: tuple[str, ...] | None = None
    """What confines it, in words."""
    progress: tuple[Stage, int, int] | None = None
    log: tuple[int, str, str] | None = None
    """Level, name of the logger, text."""
    answer: Any = None
    error: tuple[str, tuple[Any, ...]] | None = None
    """Class and arguments of an error of ``framewright.errors``."""
    failure: tuple[str, int | None, str, str] | None = None
    """Class, errno, text and traceback of any other exception."""


def place_of(thing: Any) -> str:
    """Name a function or class at the top of a module, so that ``load`` finds it."""
    return f"{thing.__module__}:{thing.__qualname__}"


def load(place: str) -> Any:
    """Return what ``place_of`` named."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def error_content(error: FramewrightError) -> tuple[str, tuple[Any, ...]]:
    """Take an error apart, so that ``error_from`` can raise the same."""
    reduced = error.__reduce__()
    if isinstance(reduced, str):
        raise AssertionError
    return type(error).__name__, tuple(reduced[1])


def error_from(name: str, arguments: tuple[Any, ...]) -> FramewrightError:
    """Build the error that ``error_content`` took apart; whatever is no such thing is a defect."""
    kind = _ERRORS.get(name)
    if kind is not None and all(isinstance(one, str | int | None) for one in arguments):
        with suppress(TypeError):
            return kind(*arguments)
    return EngineBug(f"a sandboxed process reported {name[:40]!r} with {str(arguments)[:200]}.")


def dumped(record: BaseModel) -> Any:
    """Return a record as what JSON holds."""
    return record.model_dump(mode="json")
