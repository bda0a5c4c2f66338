"""What the option ``style`` names: a shipped painting, an image file, or a blend of several."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from framewright.errors import ScorerOptionError
from framewright.scorers.asset import local_path
from framewright.scorers.fast.weights import style_names

__all__ = ["blend_label", "painting_named", "parse_style", "unopened"]

_MOST_STYLES = 16


def painting_named(text: str) -> str | Path:
    """Return the shipped style of that name, or else the path of the image file of that name.

    A shipped name goes first: write ``./wave`` for a file called ``wave``.

    Raises:
        ScorerOptionError: it is neither.
    """
    if text in style_names():
        return text
    known = f"Styles: {', '.join(style_names())}; or give the path of an image file."
    try:
        path = local_path(text)
        if path.is_file():
            return path
    except (OSError, RuntimeError, ValueError) as error:  # too long, no such home, a null byte
        raise ScorerOptionError(f"unknown style {text[:200]!r} ({error}). {known}") from error
    if "/" in text or os.sep in text or path.suffix or text.startswith("~"):
        what = "is a folder" if path.is_dir() else "does not exist"
        raise ScorerOptionError(f"the image {text!r} {what}. {known}")
    raise ScorerOptionError(f"unknown style {text!r}. {known}")


def unopened(text: str) -> str | Path:
    """Return what ``painting_named`` does, of an image file that need not be there."""
    return text if text in style_names() else Path(text)


def blend_label(shares: Sequence[tuple[str | Path, float]]) -> str:
    """Say in a line what ``parse_style`` returned: names, and shares where they are several."""
    names = [one if isinstance(one, str) else one.name for one, _ in shares]
    if len(names) == 1:
        return names[0]
    return " + ".join(f"{name} {share:.2g}" for name, (_, share) in zip(names, shares, strict=True))


def parse_style(
    style: object, named: Callable[[str], str | Path] = painting_named
) -> list[tuple[str | Path, float]]:
    """Return the paintings of the option ``style``, with shares that sum to 1.

    Args:
        style: a name or path; a list of them, each with ``=WEIGHT`` after it or not; or a mapping
            from name or path to weight. Weights are relative, from 0 up, 1 where not given.
        named: finds one of them.

    Raises:
        ScorerOptionError: it names none, too many, something unknown, or a weight is not possible.
    """
    if isinstance(style, str | Path):
        weighted = [_weighted(str(style))]
    elif isinstance(style, Mapping):
        weighted = [(_text(text), _weight(text, weight)) for text, weight in style.items()]
    elif isinstance(style, Sequence):
        weighted = [_weighted(_text(text)) for text in style]
    else:
        raise ScorerOptionError(f"{style!r} is no style: give a name, a path, or several of them.")
    if not 1 <= len(weighted) <= _MOST_STYLES:
        raise ScorerOptionError(
            f"{len(weighted)} styles are given; from 1 to {_MOST_STYLES} can be blended."
        )
    if len(weighted) == 1 and weighted[0][1] != 1:
        raise ScorerOptionError(
            f"weights are for blending several styles, and only {weighted[0][0]!r} is given; for "
            "less of it, use the option strength."
        )
    total = math.fsum(weight for _, weight in weighted)
    if total <= 0:
        raise ScorerOptionError("all weights of the styles are 0; give one of them more.")
    return [(named(text), weight / total) for text, weight in weighted if weight > 0]


def _text(text: object) -> str:
    if not isinstance(text, str | Path):
        raise ScorerOptionError(f"{text!r} is no style: give a name or the path of an image file.")
    return str(text)


def _weighted(text: str) -> tuple[str, float]:
    """Split ``wave=0.4``; what is a painting as it stands is left whole."""
    name, separator, weight = text.rpartition("=")
    if not separator or text in style_names() or _is_file(text):
        return text, 1.0
    return name, _weight(name, weight)


def _is_file(text: str) -> bool:
    try:
        return Path(text).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):
        return False


def _weight(text: object, weight: object) -> float:
    try:
        value = float(weight) if type(weight) in (int, float, str) else math.nan  # type: ignore[arg-type]
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ScorerOptionError(
            f"the weight of style {str(text)!r} is a number from 0 up, not {weight!r}."
        )
    return value
