"""Files that a note names, such as a painting or a mask, lie beside the note."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from flows.sources import MASK_MARK, SUFFIXES, address_of
from framewright.errors import InputError
from framewright.storage import Store

__all__ = ["Beside"]

_NAME = r"\w[\w .,()+-]*"
_ENDS = r"\.(?:jpe?g|png|webp|tiff?|bmp)"
_VIDEO_ENDS = rf"{re.escape(MASK_MARK)}(?:{'|'.join(map(re.escape, SUFFIXES))})"
_PICTURE = re.compile(rf"({_NAME}{_ENDS})(=[0-9.]+)?", re.IGNORECASE)
"""A file's name without a folder, and its weight in a list of several."""
_MASK = re.compile(rf"({_NAME}(?:{_ENDS}|{_VIDEO_ENDS}))()", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Beside:
    """The files beside a note."""

    store: Store
    """The watched folder."""
    note: str
    """The note's key there, or that of the video whose metadata it is."""
    has: Callable[[str], bool]
    """Whether the store has a key."""

    def named(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the note says with the names of files replaced by their addresses.

        These are pictures, and as a mask also a video whose name says that it is one.

        Args:
            said: text, numbers, and lists and mappings of them, in which names may be keys.

        Raises:
            InputError: there is no such file.
        """
        return {
            name: self._replaced(value, _MASK if name == "mask" else _PICTURE)
            for name, value in said.items()
        }

    def _replaced(self, value: Any, names: re.Pattern[str]) -> Any:
        if isinstance(value, dict):
            return {
                self._replaced(key, names): self._replaced(one, names) for key, one in value.items()
            }
        if isinstance(value, list):
            return [self._replaced(one, names) for one in value]
        if not isinstance(value, str) or not (found := names.fullmatch(value)):
            return value
        key = str(PurePosixPath(self.note).with_name(found[1]))
        if not self.has(key):
            raise InputError(
                f"{self.note!r} names the file {found[1]!r}, and there is no {key!r}: put it "
                "there, before the video."
            )
        return address_of(self.store, key) + (found[2] or "")
