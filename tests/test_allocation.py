"""Freed memory stays with a process that scores, however it was started."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from framewright.allocation import keep_freed_memory

_FAULTS = """
import resource, sys
import numpy as np
from framewright.allocation import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
def step():
    frames = [np.ones(1 << 20, np.uint8) for _ in range(16)]
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    """Page faults of ten times sixteen arrays, as in a process that Dask's nanny started.

    They are of 1 MiB, so that no kernel gives huge pages for them.
    """
    answer = subprocess.run(
        [sys.executable, "-c", _FAULTS, how],
        env=os.environ | {"MALLOC_TRIM_THRESHOLD_": "65536"},
        check=True,
        capture_output=True,
        text=True,
    )
    return int(answer.stdout)


@pytest.mark.skipif(not keep_freed_memory(), reason="not glibc")
def test_arrays_that_come_and_go_are_not_cleared_anew_by_the_kernel() -> None:
    assert faults("keep") < 100
    assert faults("as is") > 10 * 100
