"""The contract between framewright and a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from framewright.scorers.asset import Asset
from framewright.types import ScorerIdentity

if TYPE_CHECKING:
    import torch

__all__ = [
    "Column",
    "ColumnType",
    "HasAssets",
    "Labelled",
    "Prepares",
    "RecordScorer",
    "Row",
    "Scorer",
    "Sequential",
    "files_of",
]

ColumnType = Literal["bool", "int64", "float32", "float64", "string"]
Row = Mapping[str, bool | int | float | str]
"""One record: a value for every column, none of them missing, floats finite."""


@runtime_checkable
class Scorer(Protocol):
    """A model applied to every frame of a video.

    A scorer is a class, registered in the entry-point group ``framewright.scorers``. The driver
    constructs it with the user's options as keyword arguments and reads its ``identity``; each
    worker constructs it again with ``identity.params``, calls ``setup`` once, then ``score``
    batch by batch. So ``identity.params`` must hold all that matters, small and as JSON, and must
    be accepted by the constructor. Of a file of the user's it holds either what the scorer needs to
    know of it, or the reference that ``asset`` gives; see ``HasAssets``.

    Arguments that only workers give, such as what was found in a file, are named in a class
    attribute ``worker_options``, a tuple: they are no part of what users are told.

    A constructor with work to do takes a ``progress`` besides, a ``ProgressCallback`` or None: it
    is the one argument that is no option.
    """

    @property
    def identity(self) -> ScorerIdentity:
        """Name, version, hash of the weights, parameters: equal identities compute the same.

        Scored units are kept by it, so the version must change whenever results do.
        """

    @property
    def context_frames(self) -> int:
        """Frames before a unit that the model wants to see first; 0 where frames are independent.

        They are passed to ``score`` like all others, in order, and their results are dropped.
        """

    def setup(self, device: torch.device, threads: int) -> None:
        """Load the model onto a device; called once per worker process.

        Args:
            device: where ``score`` will get its frames.
            threads: CPU threads that the model may use.
        """

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        """Score a batch of consecutive frames.

        Args:
            frames: float32, shape (N, 3, H, W), RGB in [0, 1], sRGB-encoded as the video has it,
                upright, on the device of ``setup``. Any N, H and W of 1 or more.

        Returns:
            Pictures of shape (N, 3, s*H, s*W) for a whole number s, same range and meaning.
        """


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table that a scorer of records makes."""

    name: str
    type: ColumnType
    meaning: str
    """What a value says, in which unit, from where: it goes into the file beside the column."""


@runtime_checkable
class RecordScorer(Protocol):
    """A model that makes records of every frame instead of a picture: objects, scores, counts.

    All that ``Scorer`` says of the constructor, ``identity``, ``context_frames`` and ``setup``
    holds here, too; ``identity.result`` is ``"records"``.
    """

    @property
    def identity(self) -> ScorerIdentity:
        """As for ``Scorer``, with the result ``"records"``."""

    @property
    def context_frames(self) -> int:
        """Frames before a unit that the model wants to see first; their records are dropped."""

    @property
    def columns(self) -> Sequence[Column]:
        """What every record has; the same for all frames, known without ``setup``.

        framewright puts ``frame``, ``pts``, ``time`` and ``held`` before them; those names are
        taken.
        """

    def setup(self, device: torch.device, threads: int) -> None:
        """Load the model onto a device; called once per worker process."""

    def record(self, frames: torch.Tensor) -> Sequence[Sequence[Row]]:
        """Look at a batch of consecutive frames.

        Args:
            frames: as ``Scorer.score`` gets them: float32, shape (N, 3, H, W), RGB in [0, 1],
                upright as a player shows them. Coordinates in records are pixels of these.

        Returns:
            For each frame its records, none or many, as Python's own bool, int, float and str.
        """


@runtime_checkable
class HasAssets(Protocol):
    """What a scorer has that needs files of the user on every worker::

        def __init__(self, weights: str) -> None:
            self._weights = asset(weights)
            self.assets = (self._weights,)
            params = {"weights": self._weights.reference}
            self.identity = ScorerIdentity(name="mine", version="1", params=params)

    ``setup`` then reads ``self._weights.path``, on whichever machine it is.
    """

    @property
    def assets(self) -> Sequence[Asset]:
        """The files that ``identity.params`` refer to, as ``asset`` gave them."""


def files_of(scorer: Scorer | RecordScorer) -> dict[str, Path]:
    """Return where this machine has the files that a scorer refers to, by reference."""
    held = scorer.assets if isinstance(scorer, HasAssets) else ()
    return {one.reference: one.path for one in held}


@runtime_checkable
class Labelled(Protocol):
    """What a scorer's class has whose constructor takes long, and whose results a style names."""

    @staticmethod
    def label(**options: Any) -> str:
        """Return what ``identity.params`` will have as ``style`` or ``image``.

        Args:
            options: those of the constructor. Of files only the names count: they need not be
                there.

        Raises:
            ScorerOptionError: a value is not possible.
        """


@runtime_checkable
class Prepares(Protocol):
    """What a scorer may have besides: work that the size of the frames decides."""

    def prepare(self, height: int, width: int) -> None:
        """Get ready for frames of a size, in pixels, upright; for example compile for it.

        Called after ``setup`` and before the first frames of a size. The time counts as loading,
        not as scoring. Must change no result.
        """


@runtime_checkable
class Sequential(Protocol):
    """What a scorer has whose result for a frame depends on the frames before it."""

    def begin(self, first: int) -> None:
        """Forget all frames seen: what comes next is a run of consecutive frames.

        Called before every unit, with its context. A batch for which memory ran out is given
        again in smaller parts, so change what is remembered only when a batch is done.

        Args:
            first: number of the run's first frame in the video, from 0.
        """
