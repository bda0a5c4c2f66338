"""Files that must be refused, and files that are damaged somewhere in the middle."""

from __future__ import annotations

from tests.torture.bad import cut, damage, lies, plain, scripts
from tests.torture.bad.bad import BAD_KINDS, DAMAGED_KINDS, Bad

SORTS = (plain, cut, damage, lies, scripts)

__all__ = ["BAD_KINDS", "DAMAGED_KINDS", "SORTS", "Bad"]
