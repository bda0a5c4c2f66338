"""Read sources in this process, which is disposable, instead of in a sandbox of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from unittest import mock

from pydantic import BaseModel

from framewright import reading
from framewright.sandbox.messages import dumped
from framewright.types import Progress, ProgressCallback

__all__ = ["read_directly"]

Q = TypeVar("Q", bound=BaseModel)
A = TypeVar("A", bound=BaseModel)


class _NoSandbox:
    """Does what a sandbox is told, here and now: a second is saved for each file."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Nothing to start."""

    def __enter__(self) -> _NoSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def close(self) -> None:
        """Nothing to end."""

    def kill(self) -> None:
        """Nothing to end."""

    def __call__(
        self,
        function: Callable[[Q, ProgressCallback], A],
        request: Q,
        answer: type[A],
        progress: ProgressCallback | None = None,
    ) -> A:
        request = type(request).model_validate(dumped(request))
        return answer.model_validate(dumped(function(request, progress or _ignored)))


def _ignored(_: Progress) -> None:
    """Nobody waits for it."""


@contextmanager
def read_directly() -> Iterator[None]:
    """Within it, the engine reads sources in the calling process."""
    with mock.patch.object(reading, "Sandbox", _NoSandbox):
        yield
