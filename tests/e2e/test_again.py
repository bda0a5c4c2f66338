"""A run that failed half-way, and the same run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Runs
from tests.torture.expect import observe
from tests.torture.make import Clip

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

UNITS = ["score unit 0 [0, 25)", "score unit 1 [25, 50)", "score unit 2 [50, 75)"]


@pytest.mark.parametrize("button", ["run again", "retry"])
def test_after_a_failure_only_what_is_missing_is_scored(
    button: str, runs: Runs, cfr25: Clip, tmp_path: Path
) -> None:
    """Both buttons of the UI: a new run with the same parameters, and a retry of the old one."""
    broken = tmp_path / "calls"
    broken.touch()
    parameters: dict[str, Any] = {
        "video": str(cfr25.path),
        "output": f"{tmp_path}/out.mp4",
        "scorer": "trouble",
        "scorer_options": {"broken_while": str(broken)},
        "unit_seconds": 1.0,
    }
    failed = runs(**parameters)
    assert failed.state is not None
    assert failed.state.name == "Failed"
    assert "the scorer is broken" in str(failed.state.message)
    done = {int(path.stem) for path in runs.unit_files(runs.manifests()[0])}
    missing = [name for index, name in enumerate(UNITS) if index not in done]
    assert 0 < len(missing) < 3
    before = runs.scored(failed)
    broken.unlink()
    again = runs(**parameters) if button == "run again" else runs.retry(failed)
    assert again.state is not None
    assert again.state.name == "Completed", again.state.message
    scored = runs.scored(again)
    assert scored == (missing if button == "run again" else sorted([*before, *missing]))
    assert list(observe(tmp_path / "out.mp4").codes) == cfr25.codes
