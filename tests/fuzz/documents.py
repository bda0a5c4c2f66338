"""Change JSON documents so that they stay JSON: only then does a reader look at what they say."""

from __future__ import annotations

import json
from copy import deepcopy
from random import Random
from typing import Any

__all__ = ["changed_document"]

_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 4, 5, 7, 255, 2**31 - 1, 2**31, 2**32, 2**53),
    *(2**62, 2**63 - 1, 2**63, -(2**63), 10**40, 0.5, -0.0, 1e308, float("nan"), float("inf")),
    *("", "0", "1/0", "0/1", "-1/2", "1e999999999", "9" * 5000, "\0", "é", "a" * 64, "x" * 100_000),
    *([], {}, [[]], [[1, 1]], [[1, 1 << 40]], [[0, 3]], [[1, -3]], [[1, 3]], [[0, 1], [1, 2]]),
)


def _places(node: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    keys = node.keys() if isinstance(node, dict) else range(len(node))
    for key in list(keys):
        found.append((node, key))
        if isinstance(node[key], dict | list):
            _places(node[key], found)
    return found


def changed_document(rng: Random, data: bytes) -> bytes | None:
    """Return a document with one to three values changed, or None where it is none."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = _places(document, [])
        if not places:
            break
        _change(rng, *rng.choice(places), rng.choice(places))
    try:
        return json.dumps(document).encode()
    except (ValueError, RecursionError):
        return None


def _change(rng: Random, node: Any, key: Any, other: tuple[Any, Any]) -> None:
    kind = rng.choice(("set", "set", "near", "near", "drop", "copy", "repeat"))
    value = node[key]
    if kind == "near" and isinstance(value, int) and not isinstance(value, bool):
        node[key] = value + rng.choice((1, -1, 2, -2, value, -2 * value))
    elif kind == "drop":
        del node[key]
    elif kind == "copy" and other[1] in (other[0] if isinstance(other[0], dict) else ()):
        node[key] = deepcopy(other[0][other[1]])
    elif kind == "repeat" and isinstance(node, list):
        node.insert(key, deepcopy(value))
    elif kind == "set":
        node[key] = deepcopy(rng.choice(_VALUES))
