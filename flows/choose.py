"""How one video is scored: the deployment's choice, and what lies with the video overrides it.

In this order, the later ones winning: the deployment's parameters; ``framewright.yaml`` in the
watched folder and in every folder from there to the video's; ``NAME.framewright.yaml`` beside
``NAME.mp4``; the blob's metadata ``framewright_*``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml
from pydantic import ValidationError

from flows.beside import Beside
from flows.parameters import Look
from flows.sources import MASK_MARK
from framewright.errors import InputError
from framewright.storage import Store

__all__ = ["Choice", "Ours", "choose", "notes_for"]

FOLDER_NOTE = "framewright.yaml"
NOTE_SUFFIX = ".framewright.yaml"
METADATA_PREFIX = "framewright_"
RESULT_MARK = "job"
"""Metadata, after the prefix, that every blob has which ``framewright.delivery`` has written."""
MAX_NOTE_BYTES = 16 << 10
_NOT_JSON = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("binary", "timestamp", "set", "omap", "pairs")
)


@dataclass(frozen=True, slots=True)
class Choice:
    """How one video is scored, and what said so."""

    look: Look
    notes: tuple[str, ...]
    """Keys of the files that were read, and "metadata"."""


class Ours(Exception):
    """The video is a result of framewright, and no source."""


class _Plain(yaml.SafeLoader):
    """A loader of what JSON has, too, and no more.

    Without aliases, of which a few lines can stand for gigabytes, and without the tags that make
    bytes, dates, sets and pairs; what looks like a date is text.
    """

    yaml_constructors = {  # noqa: RUF012 - as PyYAML has it
        tag: made for tag, made in yaml.SafeLoader.yaml_constructors.items() if tag not in _NOT_JSON
    }
    yaml_implicit_resolvers = {  # noqa: RUF012
        letter: [one for one in ways if one[0] not in _NOT_JSON]
        for letter, ways in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)


def notes_for(key: str) -> Iterator[str]:
    """Yield the keys at which a video's notes may lie, the least particular first."""
    path = PurePosixPath(key)
    for folder in reversed(path.parents):
        yield str(folder / FOLDER_NOTE)
    yield str(path.with_name(path.stem + NOTE_SUFFIX))


def choose(
    store: Store, key: str, default: Look, has: Callable[[str], bool] | None = None
) -> Choice:
    """Say how a video is scored.

    What lies with a video comes from whoever may put videos there, so it names no files but
    pictures and masks beside it: only the deployment's parameters do.

    Args:
        store: the watched folder.
        key: the video's key there.
        default: what the deployment's parameters say.
        has: whether the store has a key, where that is known already.

    Raises:
        Ours: the video is a result.
        InputError: a note cannot be read, or says what is not possible.
        TransientError: the storage does not answer.
    """
    metadata = {
        name.lower().removeprefix(METADATA_PREFIX): value
        for name, value in store.metadata(key).items()
        if name.lower().startswith(METADATA_PREFIX)
    }
    if RESULT_MARK in metadata:
        raise Ours(f"{key!r} is a result: its metadata has {METADATA_PREFIX}{RESULT_MARK}.")
    look, read = default, []
    there = has or (lambda name: store.stat(name) is not None)
    for note in notes_for(key):
        if has is not None and not has(note):
            continue
        if (said := _read(store, note)) is not None:
            look = _with(look, said, note, Beside(store, note, there))
            read.append(note)
    if metadata:
        look = _with(look, _from_metadata(metadata), "metadata", Beside(store, key, there))
        read.append("metadata")
    return Choice(look, tuple(read))


def _read(store: Store, note: str) -> Mapping[str, Any] | None:
    info = store.stat(note)
    if info is None:
        return None
    if info.size_bytes > MAX_NOTE_BYTES:
        raise InputError(
            f"{note!r} has {info.size_bytes} bytes; settings of a video take at most "
            f"{MAX_NOTE_BYTES}."
        )
    try:
        text = store.read(note)
    except KeyError:
        return None  # deleted meanwhile
    try:
        said = yaml.load(text, Loader=_Plain)  # noqa: S506 - a safe loader
    except Exception as error:  # noqa: BLE001 - PyYAML raises whatever a wrong value makes of it
        raise InputError(f"{note!r} is not YAML: {' '.join(str(error).split())[:300]}.") from None
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise InputError(f"{note!r} must hold NAME: VALUE lines, such as 'style: starry_night'.")
    return said


def _from_metadata(metadata: Mapping[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = dict(metadata)
    if "scorer_options" in said:
        try:
            said["scorer_options"] = json.loads(said["scorer_options"])
        except (ValueError, RecursionError):
            raise InputError(
                "the metadata framewright_scorer_options of the video is not JSON."
            ) from None
    return said


def _with(look: Look, said: Mapping[str, Any], note: str, beside: Beside) -> Look:
    """Let a note override a look.

    Another scorer has other styles and options, so those of the one before go with it.
    """
    _check_modest(said, note)
    base = look.model_dump()
    if said.get("scorer", look.scorer) != look.scorer:
        base |= {"style": "", "scorer_options": {}}
    try:
        chosen = Look.model_validate({**base, **beside.named(said)})
        chosen.model_dump_json()  # as the server gets it
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, one['loc']))}={str(one['input'])[:60]!r}: {one['msg']}"
            for one in error.errors()
        )
        masked = any("mask" in one["loc"] for one in error.errors())
        more = f" A mask beside it is an image, or a video NAME{MASK_MARK}.mp4." if masked else ""
        raise InputError(
            f"{note!r} sets what is not possible: {wrong}. Allowed names: "
            f"{', '.join(Look.model_fields)}.{more}"
        ) from None
    except (ValueError, RecursionError):
        raise InputError(
            f"{note!r} has a value that cannot be sent to the server; use text, numbers and lists, "
            "not more than a few levels deep."
        ) from None
    for name, field in Look.model_json_schema()["properties"].items():
        value = getattr(chosen, name)
        allowed = [one for way in field.get("anyOf", [field]) for one in way.get("enum", ())]
        if name in said and allowed and value not in allowed and "/" not in value:
            known = ", ".join(one for one in allowed if one)
            more = " Or name a picture beside it, such as sunset.jpg." if name == "style" else ""
            raise InputError(
                f"{note!r} names the {name} {str(value)[:60]!r}. Known: {known}.{more}"
            )
    return chosen


def _check_modest(said: object, note: str) -> None:
    """Refuse what JSON has not, names of files, and what the server would replace by variables."""
    values: list[object] = [said]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            values += [*value, *value.values()]
        elif isinstance(value, list):
            values += value
        elif isinstance(value, str) and ("/" in value or "\\" in value or "__" in value):
            raise InputError(
                f"{note!r} has {value[:60]!r}: what lies with a video names no files, addresses or "
                "templates, but pictures and masks beside it; only the deployment's parameters do."
            )
        elif isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{note!r} has the number {value}; use one that is finite.")
        elif not (value is None or isinstance(value, str | bool | int | float)):
            raise InputError(
                f"{note!r} has a value of the type {type(value).__name__}; use text, numbers and "
                "lists."
            )
