"""The check that scorers of other packages are tested with finds what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from framewright.scorers import create
from framewright.scorers.check import broken_promises
from framewright.types import ScorerIdentity
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
        (lambda frames: frames[:1].expand_as(frames), "a frame's picture depends on its batch"),
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
