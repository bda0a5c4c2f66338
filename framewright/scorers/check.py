"""What a scorer promises, tried out: for the tests of those who write one.

::

    def test_keeps_its_promises():
        assert broken_promises(create("mine", {"strength": 0.5})) == []
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import torch

from framewright.errors import FramewrightError
from framewright.scorers import rebuild
from framewright.scorers.asset import Asset
from framewright.scorers.base import HasAssets, Scorer, Sequential

__all__ = ["broken_promises"]

_SIZES = ((1, 1, 1), (2, 33, 17))
"""Number, height and width of frames."""
_MAX_IDENTITY_BYTES = 100_000


def broken_promises(scorer: Scorer) -> list[str]:
    """Try a scorer out on the CPU with small frames; return what it does not keep, in words.

    Args:
        scorer: as ``create`` makes it, not set up. It must be installed.
    """
    return [*_of_its_identity(scorer), *_of_its_pictures(scorer)]


def _of_its_identity(scorer: Scorer) -> Iterator[str]:
    identity = scorer.identity
    if not inspect.getdoc(type(scorer)):
        yield "its class has no docstring, of which `framewright scorers` shows the first line"
    text = identity.model_dump_json()
    if len(text) > _MAX_IDENTITY_BYTES:
        yield f"its identity has {len(text)} bytes; {_MAX_IDENTITY_BYTES} at most"
    try:
        _rebuilt(scorer)
    except FramewrightError as error:
        yield f"it cannot be rebuilt from its identity, as on a worker: {error}"


def _of_its_pictures(scorer: Scorer) -> Iterator[str]:
    scorer.setup(torch.device("cpu"), 1)
    for count, height, width in _SIZES:
        torch.manual_seed(count)
        frames = torch.rand(count, 3, height, width)
        size = f"for frames of shape {tuple(frames.shape)}"
        given = frames.clone()
        pictures = _scored(scorer, given)
        scale = pictures.shape[-1] // width if pictures.ndim == 4 else 0
        if scale < 1 or pictures.shape != (count, 3, scale * height, scale * width):
            yield f"{size} it returns shape {tuple(pictures.shape)}"
            continue
        if not pictures.is_floating_point() or not bool(torch.isfinite(pictures).all()):
            yield f"{size} it returns values that are not all finite floats"
        elif float(pictures.min()) < 0 or float(pictures.max()) > 1:
            yield f"{size} it returns values outside [0, 1]"
        if not torch.equal(pictures, _scored(scorer, frames.clone())):
            yield f"{size} it returns something else the second time"
        if scorer.context_frames == 0 and not isinstance(scorer, Sequential):
            alone = torch.cat([_scored(scorer, frame[None].clone()) for frame in frames])
            if float((alone - pictures).abs().max()) >= 1 / 255:
                yield f"{size} a frame's picture depends on its batch, although context_frames is 0"
    try:
        other = _rebuilt(scorer)
    except FramewrightError:
        return  # said before
    other.setup(torch.device("cpu"), 1)
    if not torch.equal(_scored(other, frames.clone()), _scored(scorer, frames.clone())):
        yield "rebuilt as on a worker, it returns something else"


def _scored(scorer: Scorer, frames: torch.Tensor) -> torch.Tensor:
    if isinstance(scorer, Sequential):
        scorer.begin(0)
    with torch.inference_mode():
        return scorer.score(frames).clone()


def _files(scorer: Scorer) -> dict[str, Path]:
    held = scorer.assets if isinstance(scorer, HasAssets) else ()
    return {one.reference: one.path for one in held}


def _rebuilt(scorer: Scorer) -> Scorer:
    files = _files(scorer)

    def fetch(asset: Asset) -> Path:
        return files[asset.reference]

    again = rebuild(scorer.identity, fetch)
    assert isinstance(again, Scorer)  # noqa: S101 - equal identities have the same kind of result
    return again
