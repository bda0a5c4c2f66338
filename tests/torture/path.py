"""The whole path of one file: split, upload, score with ``identity``, stitch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from framewright.media.probe import probe
from framewright.outputs import resolve_output
from framewright.plan import split, upload
from framewright.score import score_unit
from framewright.scorers import create
from framewright.settings import Settings
from framewright.stitch import Stitched, stitch
from framewright.storage import open_store
from framewright.types import Treatment

__all__ = ["UNIT_FRAMES", "score"]

UNIT_FRAMES = (1, 10, 60)
"""Frames per unit that every file goes through with."""

LONGEST_UNIT_SECONDS = 3600.0


def score(
    source: Path,
    folder: Path,
    unit_frames: int,
    settings: Settings,
    entering: Callable[[str], None] = lambda stage: None,
) -> tuple[Path, Stitched]:
    """Score a file with ``identity`` and return the result and what the engine says of it.

    ``entering`` is told ``split``, ``score`` and ``stitch``, so that a refusal has its stage.
    """
    entering("split")
    rate = probe(source, settings).frame_rate
    store = open_store(str(folder / "store"))
    parts = split(
        source,
        scorer=create("identity", {}).identity,
        scratch=folder / "scratch",
        store=store,
        unit_seconds=min(float(unit_frames / rate), LONGEST_UNIT_SECONDS),
        treatment=Treatment(hdr="pass"),
    )
    manifest = upload(parts, store)
    entering("score")
    for unit in manifest.units:
        score_unit(store, manifest.job_key, unit.index)
    entering("stitch")
    output = resolve_output(f"{folder}/out/", source, parts.suffix, manifest.scorer)
    return output, stitch(store, manifest, source, output)
