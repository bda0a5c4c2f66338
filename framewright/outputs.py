"""Where a result goes: a file or blob, whose suffix says what it is, or a folder, ending in "/"."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import quote

from framewright.errors import OutputRefused, StoreKeyError
from framewright.media.containers import CONTAINERS, container_for
from framewright.media.source import is_text
from framewright.settings import Settings
from framewright.storage import (
    Place,
    RemoteFile,
    is_blob_address,
    path_of,
    place_of,
    without_queries,
)
from framewright.types import ScorerIdentity
from framewright.values import RESULT_SUFFIXES

__all__ = [
    "check_writable",
    "output_suffix",
    "possible_outputs",
    "resolve_output",
    "resolve_place",
    "result_names",
]

_MAX_NAME_BYTES = 255
_MAX_STYLE_LETTERS = 40
_TABLE = RESULT_SUFFIXES["records"]


def output_suffix(output: str, scorer: ScorerIdentity) -> str:
    """Return the suffix that decides the container; empty where ``output`` is a folder.

    Raises:
        OutputRefused: empty, or the suffix names nothing that can be written with what the scorer
            makes.
    """
    if not output:
        raise OutputRefused("no output was named; give a file, or a folder ending in '/'.")
    remote = is_blob_address(output)
    if remote:
        output = output.partition("?")[0]
    if output.endswith(("/", os.sep)):
        return ""
    path = Path(output) if remote else _path(output)
    if not remote and path.is_dir():
        raise OutputRefused(
            f"the output {output!r} is a folder; write {output + '/'!r} to put the result into it."
        )
    suffix = path.suffix.lower()
    if scorer.result == "records" and suffix != _TABLE:
        raise OutputRefused(
            f"the scorer {scorer.name!r} makes records, not pictures, and {suffix or '(none)'!r} "
            f"is not the suffix of a table: name an output that ends in {_TABLE}, or a folder that "
            "ends in '/'."
        )
    if scorer.result == "pictures" and suffix == _TABLE:
        raise OutputRefused(
            f"the scorer {scorer.name!r} makes pictures, and {_TABLE} holds records: name a video, "
            f"one of {', '.join(CONTAINERS)}, or choose a scorer that makes records."
        )
    return _TABLE if scorer.result == "records" else container_for(suffix).suffix


def resolve_output(output: str, source: Path, suffix: str, scorer: ScorerIdentity) -> Path:
    """Return the path of the result.

    Args:
        output: a file, or a folder ending in ``/``.
        source: the source video; names the result where ``output`` is a folder.
        suffix: container of the result, as a suffix with its dot.
        scorer: the scorer; its name, and its style if it has one, are part of the result's name in
            a folder.

    Raises:
        OutputRefused: it would replace the source, a folder lies at its place, or its folder
            cannot be written to.
    """
    path = _path(output)
    if output_suffix(output, scorer) == "":
        path = path / _result_name(source.stem, _look(scorer), suffix)
    if not is_text(path.absolute()):
        raise OutputRefused(f"the path {str(path)!r} is not UTF-8; name another output.")
    if path.is_dir():
        raise OutputRefused(f"there is a folder at {str(path)!r}; name another output.")
    if path.exists() and source.exists() and path.samefile(source):
        raise OutputRefused(f"the output {output!r} is the source itself; name another output.")
    _check_folder(path.absolute().parent)
    return path.absolute()


def resolve_place(
    output: str, source: Place, suffix: str, scorer: ScorerIdentity, settings: Settings
) -> Place:
    """Return where the result goes: a path as of ``resolve_output``, or a blob.

    Raises:
        OutputRefused: it would replace the source, or cannot be written to.
        StoreKeyError: it is an address of blob storage that is not understood.
    """
    # A folder that is nowhere: the blob is no file of this machine, whatever files have its name.
    local = Path(os.devnull, source.name) if isinstance(source, RemoteFile) else source
    if not is_blob_address(output):
        return resolve_output(output, local, suffix, scorer)
    if output_suffix(output, scorer) == "":
        address, mark, query = output.partition("?")
        name = _result_name(local.stem, _look(scorer), suffix)
        if not address.lower().startswith("az:"):
            name = quote(name)
        output = f"{address}{name}{mark}{query}"
    target = place_of(output, settings)
    if isinstance(source, RemoteFile) and source == target:
        raise OutputRefused(
            f"the output {without_queries(output)!r} is the source itself; name another output."
        )
    return target


def possible_outputs(output: str, source: Path, scorer: ScorerIdentity) -> list[Path]:
    """Return the paths that ``resolve_output`` can give before the container is known.

    None of them where the output is in blob storage.

    Raises:
        OutputRefused: as ``output_suffix`` does.
    """
    if is_blob_address(output):
        return []
    if output_suffix(output, scorer):
        return [_path(output)]
    return [_path(output) / name for name in result_names(source.name, scorer)]


def result_names(source_name: str, scorer: ScorerIdentity) -> list[str]:
    """Return the names that a source's result can have in a folder, one for each kind of file."""
    look, stem = _look(scorer), Path(source_name).stem
    suffixes = [_TABLE] if scorer.result == "records" else list(CONTAINERS)
    return [_result_name(stem, look, suffix) for suffix in suffixes]


def _path(output: str) -> Path:
    """Return the path that an output on this machine names."""
    try:
        return path_of(output)
    except StoreKeyError as error:
        raise OutputRefused(f"the output is no place for a result: {error}") from error


def check_writable(output: str) -> None:
    """Refuse an output whose folder cannot be written to, before anything is done for it.

    Only folders of this machine are looked at: ``framewright doctor`` tries out blob storage.

    Raises:
        OutputRefused: it cannot be written to, or be made, or is not understood.
    """
    if output and not is_blob_address(output):
        path = _path(output).absolute()
        _check_folder(path if output.endswith(("/", os.sep)) else path.parent)


def _check_folder(folder: Path) -> None:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise OutputRefused(
            f"cannot write to the folder {str(folder)!r}; name another output or change its "
            "permissions."
        )


def _look(scorer: ScorerIdentity) -> str:
    """Name a scorer and its style, so that two styles of one video lie beside each other."""
    label = scorer.params.get("style") or scorer.params.get("image")
    style = re.sub(r"[^\w-]+", "-", str(label or "")).strip("-")
    return f"{scorer.name}-{style[:_MAX_STYLE_LETTERS]}" if style else scorer.name


def _result_name(stem: str, look: str, suffix: str) -> str:
    tail = f".{look}{suffix}"
    room = _MAX_NAME_BYTES - len(tail.encode())
    return stem.encode()[:room].decode(errors="ignore") + tail
