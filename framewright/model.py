"""A scorer on its device: batches in, pictures out, memory respected."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar, cast

import numpy as np
import torch

from framewright import scorers
from framewright.errors import FramewrightError, OutOfMemory, ScorerFailed
from framewright.media.color import Pixels
from framewright.media.tonemap import ToneMap
from framewright.scorers.asset import Fetch
from framewright.scorers.base import Prepares, Scorer, Sequential
from framewright.settings import Settings
from framewright.types import ScorerIdentity

__all__ = ["Loaded", "LoadedScorer", "blamed_scorer"]

T = TypeVar("T")

_BATCH_FRAMES = {"cpu": 1, "cuda": 8}
_BLAME = "raised by the scorer "


class Loaded(Generic[T]):
    """A scorer that is set up, with the batch size that its device has memory for.

    ``T`` is what it makes of a frame; what of it depends on that, a class for each kind adds.

    For use from one thread at a time. It takes the GPU that CUDA calls the current one: whoever
    starts several processes shows each of them another card.
    """

    def __init__(
        self, identity: ScorerIdentity, settings: Settings, fetch: Fetch | None = None
    ) -> None:
        started = time.perf_counter()
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if self.device.type == "cpu":
            torch.set_num_threads(1)
        self._name = identity.name
        with self._blamed():
            self._scorer = scorers.rebuild(identity, fetch)
            self._scorer.setup(self.device, threads=1)
        self.context_frames = self._scorer.context_frames
        self.batch_frames = settings.batch_frames or _BATCH_FRAMES[self.device.type]
        self.setup_seconds = time.perf_counter() - started
        """Time to load, until someone has accounted for it and set it to 0."""
        self.model_seconds = 0.0
        self._prepared: tuple[int, int] | None = None

    def prepare(self, width: int, height: int, rotation: int) -> None:
        """Let the scorer get ready for frames of a size; the time counts as loading it.

        Args:
            width: pixels in a line of the frames as decoded.
            height: lines of the frames as decoded.
            rotation: degrees by which they are turned before the model sees them.
        """
        upright = (width, height) if round(rotation / 90) % 2 else (height, width)
        if upright == self._prepared or not isinstance(self._scorer, Prepares):
            return
        started = time.perf_counter()
        try:
            with torch.inference_mode(), self._blamed():
                self._scorer.prepare(*upright)
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):  # else scoring fails the same way, and says more
                raise
        self._prepared = upright
        self.setup_seconds += time.perf_counter() - started

    def begin(self, first: int) -> None:
        """Tell a scorer that remembers frames that others follow, from number ``first`` on."""
        if isinstance(self._scorer, Sequential):
            with self._blamed():
                self._scorer.begin(first)

    def __call__(
        self,
        pictures: list[Pixels],
        rotation: int,
        deep: bool,
        mirrored: bool = False,
        tone_map: ToneMap | None = None,
    ) -> Iterator[T]:
        """Score consecutive frames.

        Args:
            pictures: frames as decoded, of one size and type.
            rotation: degrees, counter-clockwise, by which a player turns them; the model sees
                them turned, a picture is turned back.
            deep: whether pictures that result have 16 bits instead of 8.
            mirrored: whether a player mirrors them left to right before it turns them; undone in
                pictures that result, too.
            tone_map: makes standard pictures of HDR before the scorer sees them.

        Raises:
            OutOfMemory: one frame alone does not fit.
        """
        position = 0
        while position < len(pictures):
            batch = pictures[position : position + self.batch_frames]
            try:
                results = self._score(batch, rotation, deep, mirrored, tone_map)
            except (MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                self._halve(len(batch), batch[0].shape, error)
                continue
            position += len(batch)
            yield from results

    def unscored(self, frame: Pixels, deep: bool, tone_map: ToneMap | None = None) -> Pixels:
        """Return what a scorer that changes nothing would make of a frame.

        Args:
            frame: as decoded.
            deep: whether the picture has 16 bits instead of 8.
            tone_map: makes a standard picture of HDR.
        """
        if tone_map is None and deep == (frame.dtype == np.uint16):
            return frame
        with torch.inference_mode():
            shown = _to_tensor([frame], self.device)
            return _to_pixels(tone_map(shown) if tone_map else shown, deep)[0]

    def _score(
        self,
        pictures: list[Pixels],
        rotation: int,
        deep: bool,
        mirrored: bool,
        tone_map: ToneMap | None,
    ) -> list[T]:
        started = time.perf_counter()
        quarter_turns = round(rotation / 90) % 4
        with torch.inference_mode():
            frames = _to_tensor(pictures, self.device)
            if tone_map:
                frames = tone_map(frames)
            if mirrored:
                frames = torch.flip(frames, (3,))
            if quarter_turns:
                frames = torch.rot90(frames, quarter_turns, (2, 3)).contiguous()
            results = self._results(frames, quarter_turns, mirrored, deep)
        self.model_seconds += time.perf_counter() - started
        return results

    def _results(
        self, frames: torch.Tensor, quarter_turns: int, mirrored: bool, deep: bool
    ) -> list[T]:
        """What the scorer makes of upright frames, checked, one for each."""
        raise NotImplementedError

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Note on what the scorer itself raises that it did; see ``blamed_scorer``."""
        try:
            yield
        except FramewrightError:
            raise
        except Exception as error:
            if not _is_out_of_memory(error):
                error.add_note(f"{_BLAME}{self._name!r}")
            raise

    def _halve(self, tried: int, shape: tuple[int, ...], error: Exception) -> None:
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        if tried <= 1:
            raise OutOfMemory(
                f"one frame of {shape[2]}x{shape[1]} does not fit into the memory of "
                f"{self.device}: use smaller frames or a device with more memory ({error})."
            ) from error
        self.batch_frames = max(1, tried // 2)


class LoadedScorer(Loaded[Pixels]):
    """A scorer that makes pictures: they leave as the frames came, turned and mirrored back."""

    def _results(
        self, frames: torch.Tensor, quarter_turns: int, mirrored: bool, deep: bool
    ) -> list[Pixels]:
        with self._blamed():
            scored = cast(Scorer, self._scorer).score(frames)
        _check_shape(frames, scored)
        _check_numbers(scored)
        if quarter_turns:
            scored = torch.rot90(scored, -quarter_turns, (2, 3))
        if mirrored:
            scored = torch.flip(scored, (3,))
        return _to_pixels(scored, deep)


def blamed_scorer(error: Exception) -> str:
    """Return the quoted name of the scorer whose own code raised ``error``; empty if none did."""
    notes: list[str] = getattr(error, "__notes__", [])
    return next((note.removeprefix(_BLAME) for note in notes if note.startswith(_BLAME)), "")


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        "can't allocate memory" in str(error)
    )


def _to_tensor(pictures: list[Pixels], device: torch.device) -> torch.Tensor:
    stacked = np.stack(pictures)
    if stacked.dtype == np.uint16:
        return torch.from_numpy(stacked.astype(np.int32)).to(device).float() / 65535.0
    return torch.from_numpy(stacked).to(device).float() / 255.0


def _to_pixels(scored: torch.Tensor, deep: bool) -> list[Pixels]:
    top = 65535.0 if deep else 255.0
    whole = scored.float().mul(top).round_().clamp_(0.0, top)
    if deep:
        return list(whole.to(torch.int32).cpu().numpy().astype(np.uint16))
    return list(whole.to(torch.uint8).cpu().numpy())


def _check_numbers(scored: torch.Tensor) -> None:
    if not bool(torch.isfinite(torch.stack(torch.aminmax(scored))).all()):
        raise ScorerFailed("the scorer returned values that are not a number or infinite.")


def _check_shape(frames: torch.Tensor, scored: torch.Tensor) -> None:
    count, channels, height, width = frames.shape
    scale = scored.shape[-1] // width if scored.ndim == 4 else 0
    if scale < 1 or scored.shape != (count, channels, height * scale, width * scale):
        raise ScorerFailed(
            f"the scorer returned shape {tuple(scored.shape)} for frames of shape "
            f"{tuple(frames.shape)}; allowed is the same, or height and width times a whole number."
        )
