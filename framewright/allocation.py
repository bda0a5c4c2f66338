"""Have the C library keep the memory that was freed, for a process that scores.

Arrays of a few megabytes come and go, dozens for every picture. glibc gives such memory back at
once, or soon, and the kernel clears every page of it anew. Dask's nannies start their workers with
``MALLOC_TRIM_THRESHOLD_=65536``, the costliest choice here: the stabiliser takes twice as long
(``benchmarks/allocation.py``).
"""

from __future__ import annotations

import ctypes
from functools import cache

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Of glibc's ``mallopt``, see mallopt(3)."""
_KEPT_BYTES = 256 << 20
_MOST_FROM_HEAP = 32 << 20
"""The most that glibc allows: what is larger goes back to the system in any case."""


@cache
def keep_freed_memory() -> bool:
    """Keep up to 256 MiB of freed memory in this process; say whether the C library can.

    What the process uses at most stays as it is.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # no glibc
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _KEPT_BYTES) and mallopt(_MMAP_THRESHOLD, _MOST_FROM_HEAP))
