"""The check that scorers of other packages are tested with finds what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from framewright.cli import main
from framewright.scorers import create
from framewright.scorers.base import Column
from framewright.scorers.check import broken_promises, examine
from framewright.types import ScorerIdentity
from tests.moving import Finder
from tests.support import Double, Weighted, register

Answer = Callable[[torch.Tensor], torch.Tensor]


class Plain(Double):
    """Does what the test wants."""

    identity = ScorerIdentity(name="plain", version="1")
    answer: Answer = staticmethod(lambda frames: frames)

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        return type(self).answer(frames)


def test_shipped_ones_and_one_with_a_file_keep_their_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gain.txt").write_text("0.5")
    register(monkeypatch, Weighted, "weighted")
    assert broken_promises(create("weighted", {"weights": str(tmp_path / "gain.txt")})) == []
    assert broken_promises(create("identity", {})) == []
    assert broken_promises(create("color", {"style": "wave"})) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda frames: frames * 2, "returns values outside [0, 1]"),
        (lambda frames: frames / 0 * 0, "values that are not all finite floats"),
        (lambda frames: (frames * 255).byte(), "values that are not all finite floats"),
        (lambda frames: frames[:, :, 1:], "for frames of shape (1, 3, 1, 1) it returns shape"),
        (lambda frames: frames.mean(), "it returns shape ()"),
        (lambda frames: frames * torch.rand(1), "returns something else the second time"),
        (lambda frames: frames[:1].expand_as(frames), "a frame's result depends on its batch"),
    ],
)
def test_pictures(answer: Answer, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type("Kind", (Plain,), {"answer": staticmethod(answer), "__doc__": "Has one."})
    register(monkeypatch, kind, "plain")
    assert any(said in line for line in broken_promises(create("plain", {})))


def test_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    class Undescribed(Plain):
        def __init__(self, strength: float = 0.1) -> None:
            params = {"strength": strength / 2, "text": "x" * 200_000}
            self.identity = ScorerIdentity(name="plain", version="1", params=params)

    Undescribed.__doc__ = ""
    register(monkeypatch, lambda strength=0.1, text="": Undescribed(strength), "plain")
    found = broken_promises(Undescribed())
    assert "no docstring" in found[0] and "100000 at most" in found[1]
    assert "it cannot be rebuilt from its identity, as on a worker: scorer 'plain'" in found[2]


class TestThorough:
    """What takes a process of its own, or many frames: the command tries it too."""

    def test_a_shipped_scorer_keeps_all(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["check-scorer", "color", "--style", "wave"]) == 0
        told = capsys.readouterr().out
        assert "BAD" not in told
        assert "ok   another process gives the same: bit for bit" in told
        assert told.endswith("all promises are kept\n")

    def test_one_that_keeps_frames_and_is_not_installed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        class Hoards(Plain):
            """Keeps what it has seen."""

            def __init__(self) -> None:
                self.seen: list[torch.Tensor] = []

            def score(self, frames: torch.Tensor) -> torch.Tensor:
                self.seen.append(frames.clone())
                return frames

        register(monkeypatch, Hoards, "plain")
        assert main(["check-scorer", "plain"]) == 1
        told = capsys.readouterr().out.splitlines()
        [elsewhere] = [line for line in told if "another process" in line]
        assert elsewhere.startswith("BAD ")
        assert "unknown scorer 'plain'" in elsewhere
        [memory] = [line for line in told if "memory" in line]
        assert memory.startswith("BAD ")
        assert "seems to keep frames" in memory
        assert told[-1] == "2 promises are broken"

    def test_a_name_that_nobody_has(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["check-scorer", "nobody"]) == 2
        assert "unknown scorer 'nobody'" in capsys.readouterr().err


def test_what_is_remembered_from_before_the_unit_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    class Trails(Plain):
        """Mixes each frame with all before it."""

        context_frames = 2

        def begin(self, first: int) -> None:
            self._before: torch.Tensor | None = None

        def score(self, frames: torch.Tensor) -> torch.Tensor:
            out = []
            for frame in frames:
                before = frame if self._before is None else self._before
                out.append(torch.lerp(frame, before, 0.9))
                self._before = out[-1]
            return torch.stack(out)

    register(monkeypatch, Trails, "plain")
    found = {one.promise: one for one in examine(create("plain", {}), quick=True)}
    unit = found["it does not matter where a unit begins"]
    assert unit.verdict == "note"
    assert "from one scored 2 frames further" in unit.found


def test_paths_and_undeclared_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gain.txt").write_text("0.5")

    class ByPath(Plain):
        """Says where its file is on this machine."""

        def __init__(self, file: str) -> None:
            self.identity = ScorerIdentity(name="plain", version="1", params={"file": file})

    class Undeclared(Weighted):
        """Names a file and does not declare it."""

        assets = ()

        def __init__(self, weights: str) -> None:
            super().__init__(weights)
            self.assets = ()

    register(monkeypatch, ByPath, "plain")
    found = broken_promises(create("plain", {"file": str(tmp_path / "gain.txt")}))
    assert any("gain.txt', which means nothing on another machine" in line for line in found)
    register(monkeypatch, Undeclared, "weighted")
    found = broken_promises(create("weighted", {"weights": str(tmp_path / "gain.txt")}))
    assert any("its `assets` lack asset:" in line for line in found)


def test_records(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(Finder):
        """Has a column that it does not fill."""

        columns = (*Finder.columns, Column("count", "int64", "how many"))

    class Fair(Finder):
        """Finds bright spots."""

    register(monkeypatch, Fair, "finder")
    assert broken_promises(create("finder", {})) == []
    register(monkeypatch, Wrong, "finder")
    assert any("its columns are x0" in line for line in broken_promises(create("finder", {})))
