"""Where the results of a unit go: pictures into a clip, records into a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from framewright.errors import EnvironmentMismatch, ScorerFailed
from framewright.media.color import Pixels, RgbToFrame
from framewright.media.encode import UnitEncoder, encoder_build
from framewright.media.treatment import treated
from framewright.tables import RowSink, require_parquet
from framewright.types import Manifest, ScorerIdentity, Unit

if TYPE_CHECKING:
    from framewright.model import Loaded
    from framewright.recording import LoadedRecorder
    from framewright.scorers.asset import Fetch
    from framewright.settings import Settings

__all__ = ["ClipSink", "Sink", "check_sink", "load_scorer", "open_sink"]

T_contra = TypeVar("T_contra", contravariant=True)


class Sink(Protocol[T_contra]):
    """Takes what a scorer made of each of a unit's frames, in order."""

    def add(self, result: T_contra) -> None:
        """Take the next frame's."""

    def close(self) -> dict[str, int]:
        """Finish the file; return the fields of ``ScoredUnit`` that describe it."""


def load_scorer(identity: ScorerIdentity, settings: Settings, fetch: Fetch) -> Loaded[Any]:
    """Load a scorer onto this process's device; loads torch, which only workers need."""
    if identity.result == "records":
        from framewright.recording import LoadedRecorder

        return LoadedRecorder(identity, settings, fetch)
    from framewright.model import LoadedScorer

    return LoadedScorer(identity, settings, fetch)


def check_sink(manifest: Manifest) -> None:
    """Refuse a process that would write something else than the job was planned with.

    Raises:
        EnvironmentMismatch: it has another encoder.
        InputError: it cannot write Parquet.
    """
    if manifest.encoder is None:
        require_parquet()
    elif encoder_build() != manifest.encoder.build:
        raise EnvironmentMismatch(
            f"this worker encodes with {encoder_build()}, the job was planned with "
            f"{manifest.encoder.build}: install the same release of PyAV everywhere."
        )


def open_sink(manifest: Manifest, unit: Unit, model: Loaded[Any], path: Path) -> Sink[Any]:
    """Return what writes a unit's results to ``path``."""
    if manifest.scorer.result == "records":
        return RowSink(manifest, unit, cast("LoadedRecorder", model).columns, path)
    return ClipSink(manifest, path)


class ClipSink:
    """Encodes pictures, all of one size."""

    def __init__(self, manifest: Manifest, path: Path) -> None:
        self._path = path
        self._spec = manifest.clip_encoder()
        self._video = treated(manifest.video, manifest.treatment)
        self._to_frame = RgbToFrame(
            self._video.color,
            self._spec.pixel_format,
            interlaced=self._video.field_order != "progressive",
        )
        self._size = (0, 0)
        self._encoder: UnitEncoder | None = None

    def add(self, result: Pixels) -> None:
        """Encode the next picture."""
        size = (result.shape[2], result.shape[1])
        if self._encoder is None:
            self._size = size
            self._encoder = UnitEncoder(self._path, self._spec, self._video, *size)
        elif size != self._size:
            raise ScorerFailed(
                f"the scorer returned pictures of {self._size[0]}x{self._size[1]}, then of "
                f"{size[0]}x{size[1]} in one unit."
            )
        self._encoder.add(self._to_frame(result))

    def close(self) -> dict[str, int]:
        """Finish the clip; return its size, and by how many places frames are reordered."""
        if self._encoder is None:
            return {}
        self._encoder.close()
        return {
            "width": self._size[0],
            "height": self._size[1],
            "reorder_frames": self._encoder.reorder_frames,
        }
