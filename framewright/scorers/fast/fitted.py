"""Style vectors of the user's own paintings, each fitted once and kept."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from framewright.errors import ScorerOptionError
from framewright.files import PARTIAL_PREFIX, file_sha256, publish
from framewright.scorers.fast.vector import text_of, vector_of
from framewright.scorers.fast.weights import weights_sha256
from framewright.scorers.painting import read_painting
from framewright.settings import get_settings
from framewright.types import Progress, ProgressCallback, Record, fingerprint

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["fitted_style"]

logger = logging.getLogger(__name__)


class _Entry(Record):
    """What a file of the cache holds."""

    key: str
    numbers: str
    check: str
    """``fingerprint`` of the numbers."""


def fitted_style(path: Path, progress: ProgressCallback | None = None) -> tuple[Tensor, str]:
    """Return the style of a painting, fitted now or taken from the cache.

    Args:
        path: the image file.
        progress: told about the steps of the fit.

    Returns:
        Its vector, float32, shape (STYLE_LENGTH,), and the sha256 of the file.

    Raises:
        ScorerOptionError: the image cannot be read, or there is nothing to fit with.
    """
    import numpy as np
    import torch

    from framewright.perceptual.small import encoder_sha256
    from framewright.scorers.fast.fit import FIT_VERSION, fit_style

    picture = read_painting(path)
    sha256 = file_sha256(path)
    seen_by = [weights_sha256(), encoder_sha256()]
    key = fingerprint({"image": sha256, "fit": FIT_VERSION, "weights": seen_by})
    entry = Path(get_settings().cache_folder).expanduser() / "styles" / f"{key}.json"
    if (kept := _read(entry, key)) is not None:
        logger.info("the style of %s was fitted before", path.name)
        return kept, sha256
    started = time.perf_counter()
    logger.info("fitting the style of %s, once", path.name)
    pixels = torch.from_numpy(np.asarray(picture, np.float32) / 255).permute(2, 0, 1)[None]

    def told(done: int, total: int) -> None:
        if progress:
            progress(Progress("fit", done, total))

    with torch.inference_mode(False), torch.enable_grad():
        numbers = text_of(fit_style(pixels, told))
    logger.info("fitted in %.1f s", time.perf_counter() - started)
    _keep(entry, _Entry(key=key, numbers=numbers, check=fingerprint(numbers)))
    return vector_of(numbers), sha256


def _read(path: Path, key: str) -> Tensor | None:
    """Return a kept style; None where there is none, or it does not read back."""
    try:
        entry = _Entry.model_validate_json(path.read_bytes())
        if entry.key != key or entry.check != fingerprint(entry.numbers):
            raise ValueError("its content is not what was written")
        return vector_of(entry.numbers)
    except FileNotFoundError:
        return None
    except (OSError, ValidationError, ValueError, ScorerOptionError) as error:
        logger.warning("the fitted style %s is fitted again: %s", path, error)
        return None


def _keep(path: Path, entry: _Entry) -> None:
    """Publish a style whole; where that cannot be done, the job goes on without."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=PARTIAL_PREFIX, dir=path.parent)
        try:
            with os.fdopen(descriptor, "w") as stream:
                stream.write(entry.model_dump_json())
            publish(Path(name), path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        logger.warning("the fitted style could not be kept: %s", error)
