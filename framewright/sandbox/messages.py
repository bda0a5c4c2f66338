"""What a sandboxed process and its parent tell each other: JSON, a line each.

Nothing that comes out of a sandbox is unpickled, called or trusted: the parent validates it.
"""

from __future__ import annotations

import importlib
from typing import Any, Literal

from pydantic import BaseModel

from framewright import errors
from framewright.errors import EngineBug, FramewrightError
from framewright.sandbox.confine import Confinement
from framewright.types import Record

__all__ = ["Message", "Order", "Start", "load", "place_of"]


class Start(Record):
    """First line to the sandbox."""

    modules: tuple[str, ...]
    """To import before anything is taken away."""
    confinement: Confinement
    die_with_parent: bool = True


class Order(Record):
    """A function to call, and the record to call it with."""

    function: str
    request: str
    """Class of the record."""
    content: Any


class Message(Record):
    """A line from the sandbox."""

    kind: Literal["ready", "progress", "log", "answer", "error", "failure"]
    content: Any = None


def place_of(thing: Any) -> str:
    """Name a function or class at the top of a module, so that ``load`` finds it."""
    return f"{thing.__module__}:{thing.__qualname__}"


def load(place: str) -> Any:
    """Return what ``place_of`` named."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def error_content(error: FramewrightError) -> list[Any]:
    """Take an error apart, so that ``error_from`` can raise the same."""
    reduced = error.__reduce__()
    if isinstance(reduced, str):
        raise AssertionError
    return [type(error).__name__, list(reduced[1])]


def error_from(content: Any) -> FramewrightError:
    """Build the error that ``error_content`` took apart; whatever is no such thing is a defect."""
    try:
        name, arguments = content
        kind = getattr(errors, name) if name in errors.__all__ else None
        if isinstance(kind, type) and issubclass(kind, FramewrightError):
            return kind(*arguments)
    except (TypeError, ValueError):
        pass
    return EngineBug(f"a sandboxed process reported {str(content)[:200]!r}.")


def dumped(record: BaseModel) -> Any:
    """Return a record as what JSON holds."""
    return record.model_dump(mode="json")
