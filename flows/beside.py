"""Pictures that a note names, such as a painting, lie beside the note."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from flows.sources import address_of
from framewright.errors import InputError
from framewright.storage import Store

__all__ = ["with_pictures"]

_PICTURE = re.compile(r"(\w[\w .,()+-]*\.(?:jpe?g|png|webp|tiff?|bmp))(=[0-9.]+)?", re.IGNORECASE)
"""A file's name without a folder, and its weight in a list of several."""


def with_pictures(said: Any, store: Store, note: str) -> Any:
    """Return what a note says with the names of pictures replaced by their addresses.

    Args:
        said: text, numbers, and lists and mappings of them, in which names may be keys.
        store: the watched folder, where the note lies.
        note: its key there, or that of the video whose metadata it is.

    Raises:
        InputError: there is no such picture.
    """
    if isinstance(said, dict):
        return {
            with_pictures(name, store, note): with_pictures(value, store, note)
            for name, value in said.items()
        }
    if isinstance(said, list):
        return [with_pictures(one, store, note) for one in said]
    if not isinstance(said, str) or not (found := _PICTURE.fullmatch(said)):
        return said
    key = str(PurePosixPath(note).with_name(found[1]))
    if store.stat(key) is None:
        raise InputError(
            f"{note!r} names the picture {found[1]!r}, and there is no {key!r}: put it there, "
            "before the video."
        )
    return address_of(store, key) + (found[2] or "")
