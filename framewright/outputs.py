"""Where a result goes: a file, whose suffix decides the container, or a folder ending in ``/``."""

from __future__ import annotations

import os
from pathlib import Path

from framewright.errors import OutputRefused
from framewright.media.containers import container_for
from framewright.media.source import is_text

__all__ = ["output_suffix", "resolve_output"]

_MAX_NAME_BYTES = 255


def output_suffix(output: str) -> str:
    """Return the suffix that decides the container; empty where ``output`` is a folder.

    Raises:
        OutputRefused: empty, or the suffix names no container that can be written.
    """
    if not output:
        raise OutputRefused("no output was named; give a file, or a folder ending in '/'.")
    if output.endswith(("/", os.sep)):
        return ""
    path = Path(output)
    if path.is_dir():
        raise OutputRefused(
            f"the output {output!r} is a folder; write {output + '/'!r} to put the result into it."
        )
    return container_for(path.suffix).suffix


def resolve_output(output: str, source: Path, suffix: str, scorer: str) -> Path:
    """Return the path of the result.

    Args:
        output: a file, or a folder ending in ``/``.
        source: the source video; names the result where ``output`` is a folder.
        suffix: container of the result, as a suffix with its dot.
        scorer: name of the scorer; part of the result's name in a folder.

    Raises:
        OutputRefused: it would replace the source, a folder lies at its place, or its folder
            cannot be written to.
    """
    path = Path(output)
    if output_suffix(output) == "":
        path = path / _result_name(source.stem, scorer, suffix)
    if not is_text(path.absolute()):
        raise OutputRefused(f"the path {str(path)!r} is not UTF-8; name another output.")
    if path.is_dir():
        raise OutputRefused(f"there is a folder at {str(path)!r}; name another output.")
    if path.exists() and source.exists() and path.samefile(source):
        raise OutputRefused(f"the output {output!r} is the source itself; name another output.")
    _check_writable(path.absolute().parent)
    return path.absolute()


def _check_writable(folder: Path) -> None:
    """Refuse a folder that cannot be written to, or be made, before hours are spent."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise OutputRefused(
            f"cannot write to the folder {str(folder)!r}; name another output or change its "
            "permissions."
        )


def _result_name(stem: str, scorer: str, suffix: str) -> str:
    tail = f".{scorer}{suffix}"
    room = _MAX_NAME_BYTES - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore") + tail
