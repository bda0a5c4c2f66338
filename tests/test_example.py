"""The example package of docs/adding-a-scorer.md: installed, found, and used."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from framewright.scorers import create, describe
from framewright.scorers.check import broken_promises
from tests.torture.expect import observe
from tests.torture.make import Clip

ROOT = Path(__file__).parents[1]
COMMAND = str(Path(sys.executable).with_name("framewright"))
EXAMPLE = ROOT / "examples" / "framewright-halftone"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has installed the example."""
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(EXAMPLE, folder / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    target = ["--target", str(folder / "site"), str(folder / "source")]
    done = subprocess.run([*pip, *offline, *target], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "site"


def test_a_video_is_scored_with_it(cfr25: Clip, installed: Path, tmp_path: Path) -> None:
    path = os.pathsep.join([str(installed), str(ROOT), os.environ.get("PYTHONPATH", "")])
    options = ["--option", "dot=6", "--workers", "1"]
    done = subprocess.run(
        [COMMAND, "score", str(cfr25.path), f"{tmp_path}/out/", "--scorer", "halftone", *options],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    assert "75 frames in, 75 out" in done.stdout
    seen = observe(tmp_path / "out" / "cfr25.halftone.mp4")
    assert len(seen.codes) == 75


def test_it_keeps_its_promises(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(installed))
    assert describe("halftone").startswith("Prints every frame as a newspaper does")
    assert broken_promises(create("halftone", {"dot": "5"})) == []
    with pytest.raises(Exception, match="dot is from 2 to 64 pixels"):
        create("halftone", {"dot": "1"})


def test_the_page_shows_the_example_as_it_is() -> None:
    page = (ROOT / "docs" / "adding-a-scorer.md").read_text()
    blocks = re.findall(r"```(?:python|toml)\n(.*?)```", page, re.DOTALL)
    assert (EXAMPLE / "framewright_halftone.py").read_text() in blocks
    entry = next(block for block in blocks if "entry-points" in block)
    assert entry.strip() in (EXAMPLE / "pyproject.toml").read_text()
