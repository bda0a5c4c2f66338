"""Short ways to what many tests need: a planned job, a scorer of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
import torch

from framewright import score as score_module
from framewright import scorers
from framewright.plan import split, upload
from framewright.score import score_unit
from framewright.scorers.asset import asset
from framewright.scorers.identity import IdentityScorer
from framewright.settings import Settings
from framewright.storage import LocalStore, Store
from framewright.types import Manifest, ScorerIdentity, Treatment

__all__ = [
    "SLOW",
    "Double",
    "Weighted",
    "clip_key",
    "frame_bytes",
    "install_scorer",
    "plan_job",
    "psnr_db",
    "register",
    "register_watch",
    "score_watched",
]


SLOW = """
import os, time
from framewright.types import ScorerIdentity

class Plugin:
    identity = ScorerIdentity(name="slow", version="1", flickers=False)
    context_frames = 0
    def setup(self, device, threads):
        pass
    def score(self, frames):
        time.sleep(float(os.environ.get("SLOW_SECONDS", "0")))
        return frames
"""
"""A scorer to be installed, that takes SLOW_SECONDS for each frame."""


class Double:
    """A scorer that enlarges by two; base of the scorers that tests define."""

    identity = ScorerIdentity(name="double", version="1", flickers=False)
    context_frames = 0

    def setup(self, device: torch.device, threads: int) -> None:
        """Nothing to load."""

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        return frames.repeat_interleave(2, 2).repeat_interleave(2, 3)


class Weighted(Double):
    """Has a file of the user's; notes what is in it when it is set up."""

    loaded: ClassVar[list[str]] = []

    def __init__(self, weights: str) -> None:
        self._weights = asset(weights)
        self.assets = (self._weights,)
        params = {"weights": self._weights.reference}
        self.identity = ScorerIdentity(name="weighted", version="1", params=params)

    def setup(self, device: torch.device, threads: int) -> None:
        self.loaded.append(self._weights.path.read_text())


def register(monkeypatch: pytest.MonkeyPatch, factory: Callable[..., Any], name: str) -> None:
    """Make ``factory`` known as the scorer ``name`` in this process, for this test."""
    known = scorers._load

    def load(wanted: str) -> Any:
        return factory if wanted == name else known(wanted)

    monkeypatch.setattr(scorers, "_load", load)
    score_module._loaded_scorer.cache_clear()


def register_watch(
    monkeypatch: pytest.MonkeyPatch, takes_hdr: bool = False
) -> list[npt.NDArray[np.float32]]:
    """Register the scorer ``watch``, which changes nothing; return what it is given, in order."""
    given: list[npt.NDArray[np.float32]] = []

    class Watch(Double):
        identity = ScorerIdentity(name="watch", version="1", takes_hdr=takes_hdr, flickers=False)

        def score(self, frames: torch.Tensor) -> torch.Tensor:
            given.extend(frames.numpy())
            return frames

    register(monkeypatch, Watch, "watch")
    return given


def score_watched(
    path: Path, folder: Path, frames_per_unit: int, treatment: Treatment, batch: int = 1
) -> Manifest:
    """Score a clip of 25 frames a second with ``watch``, in units of so many frames."""
    score_module._loaded_scorer.cache_clear()
    watch = scorers.create("watch", {}).identity
    store, manifest = plan_job(
        path, folder, unit_seconds=frames_per_unit / 25, scorer=watch, treatment=treatment
    )
    for unit in manifest.units:
        score_unit(store, manifest.job_key, unit.index, settings=Settings(batch_frames=batch))
    return manifest


def install_scorer(folder: Path, name: str, source: str) -> None:
    """Write a distribution that registers ``source``'s class ``Plugin``; put it on PYTHONPATH."""
    (folder / f"plugin_{name}.py").write_text(source)
    info = folder / f"plugin_{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: plugin_{name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{scorers.GROUP}]\n{name} = plugin_{name}:Plugin\n")


def plan_job(
    source: Path,
    folder: Path,
    *,
    unit_seconds: float = 1.0,
    scorer: ScorerIdentity | None = None,
    settings: Settings | None = None,
    suffix: str = "",
    treatment: Treatment | None = None,
    assets: Mapping[str, Path] | None = None,
) -> tuple[Store, Manifest]:
    """Split a video into ``folder`` and upload it to a store there."""
    store = LocalStore(folder / "work")
    parts = split(
        source,
        scorer=scorer or IdentityScorer.identity,
        scratch=folder / "scratch",
        store=store,
        unit_seconds=unit_seconds,
        suffix=suffix,
        treatment=treatment,
        assets=assets,
        settings=settings,
    )
    return store, upload(parts, store, assets=assets)


def clip_key(store: Store, manifest: Manifest, index: int) -> str:
    """Storage key of the clip that a unit's record names."""
    record = json.loads(store.read(manifest.unit_record_key(index)))
    return manifest.unit_result_key(index, record["result_sha256"])


def psnr_db(before: Any, after: Any, top: int) -> float:
    """Peak signal-to-noise ratio in dB; infinite for equal arrays."""
    error = float(np.mean((before.astype(np.float64) - after.astype(np.float64)) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(top**2 / error))


def frame_bytes(path: Path) -> list[bytes]:
    """The packets of a file's first video stream, as they are."""
    import av

    with av.open(f"file:{path}") as container:
        return [bytes(p) for p in container.demux(container.streams.video[0]) if p.size]
