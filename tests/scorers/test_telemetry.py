"""No runtime of ours reports anything to anyone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys, torch
from framewright.scorers import create
scorer = create("fast", {})
scorer.setup(torch.device("cpu"), 1)
scorer.score(torch.zeros(1, 3, 16, 16))
assert "openvino" in sys.modules
assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]
"""


def test_openvino_runs_without_its_telemetry(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", PROGRAM], check=True, env={**os.environ, "HOME": str(tmp_path)}
    )
    assert list(tmp_path.iterdir()) == []
