"""A scorer on its device: batches, memory, rotation, depth."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
import torch

from framewright.errors import EngineBug, EnvironmentMismatch, OutOfMemory
from framewright.model import LoadedScorer, blamed_scorer
from framewright.settings import Settings
from framewright.types import ScorerIdentity
from tests.support import Double, register

IDENTITY = ScorerIdentity(name="own", version="1")


class Own(Double):
    """Records the batches it sees; gives back what ``answer`` makes of them."""

    identity = IDENTITY
    seen: list[torch.Tensor]
    answer: Callable[[torch.Tensor], torch.Tensor] = staticmethod(lambda frames: frames)

    def __init__(self) -> None:
        type(self).seen = []

    def score(self, frames: torch.Tensor) -> torch.Tensor:
        type(self).seen.append(frames.clone())
        return type(self).answer(frames)


def load(
    monkeypatch: pytest.MonkeyPatch,
    answer: Callable[[torch.Tensor], torch.Tensor] = lambda frames: frames,
    batch_frames: int = 0,
) -> tuple[LoadedScorer, type[Own]]:
    kind = type("Kind", (Own,), {"answer": staticmethod(answer)})
    register(monkeypatch, kind, "own")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return LoadedScorer(IDENTITY, Settings(batch_frames=batch_frames)), kind


def frames(count: int, height: int = 4, width: int = 6, deep: bool = False) -> list[np.ndarray]:
    dice = np.random.default_rng(1)
    kind = np.uint16 if deep else np.uint8
    return list(dice.integers(0, np.iinfo(kind).max + 1, (count, 3, height, width), kind))


@pytest.mark.parametrize("deep", [False, True])
def test_identity_changes_no_bit(deep: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = load(monkeypatch)
    given = frames(3, deep=deep)
    got = list(model(given, 0, deep))
    assert all(np.array_equal(a, b) and a.dtype == b.dtype for a, b in zip(given, got, strict=True))


def test_every_value_survives(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = load(monkeypatch)
    every = np.arange(65536, dtype=np.uint16).reshape(1, 256, 256).repeat(3, 0)
    assert np.array_equal(next(model([every], 0, True)), every)
    small = np.arange(256, dtype=np.uint8).reshape(1, 16, 16).repeat(3, 0)
    assert np.array_equal(next(model([small], 0, False)), small)


def test_the_model_sees_floats_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    model, kind = load(monkeypatch, batch_frames=3)
    given = frames(7)
    assert len(list(model(given, 0, False))) == 7
    assert [len(batch) for batch in kind.seen] == [3, 3, 1]
    assert all(batch.dtype == torch.float32 for batch in kind.seen)
    expected = torch.from_numpy(np.stack(given)).float() / 255
    assert torch.equal(torch.cat(kind.seen), expected)


def test_one_frame_at_a_time_on_a_cpu_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch)[0].batch_frames == 1
    assert load(monkeypatch, batch_frames=5)[0].batch_frames == 5


def memory_for(most: int, error: Exception) -> Callable[[torch.Tensor], torch.Tensor]:
    def answer(batch: torch.Tensor) -> torch.Tensor:
        if len(batch) > most:
            raise error
        return batch

    return answer


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory"),
    MemoryError("no room"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_memory_running_out_halves_the_batch(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, kind = load(monkeypatch, memory_for(3, error), batch_frames=16)
    given = frames(16)
    got = list(model(given, 0, False))
    assert np.array_equal(np.stack(got), np.stack(given))
    assert [len(batch) for batch in kind.seen] == [16, 8, 4, 2, 2, 2, 2, 2, 2, 2, 2]
    assert model.batch_frames == 2
    kind.seen.clear()
    list(model(given[:4], 0, False))
    assert [len(batch) for batch in kind.seen] == [2, 2], "the smaller batch is remembered"


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_not_even_one_frame_fits(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    model, kind = load(monkeypatch, memory_for(0, error), batch_frames=4)
    with pytest.raises(OutOfMemory, match=r"one frame of 6x4 does not fit .* cpu: use smaller"):
        list(model(frames(4), 0, False))
    assert [len(batch) for batch in kind.seen] == [4, 2, 1]


def test_any_other_failure_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    model, kind = load(monkeypatch, memory_for(0, RuntimeError("shapes differ")), batch_frames=4)
    with pytest.raises(RuntimeError, match="shapes differ"):
        list(model(frames(4), 0, False))
    assert len(kind.seen) == 1


def test_what_the_scorer_raises_is_told_from_what_we_raise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(batch: torch.Tensor) -> torch.Tensor:
        raise ValueError("upside down")

    model, _ = load(monkeypatch, answer, batch_frames=2)
    with pytest.raises(ValueError, match="upside down") as caught:
        list(model(frames(1), 0, False))
    assert blamed_scorer(caught.value) == "'own'"
    with pytest.raises(ValueError, match="same shape") as ours:
        list(model([frames(1)[0], frames(1, height=9)[0]], 0, False))
    assert blamed_scorer(ours.value) == "", "the frames were at fault, not the scorer"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("fewer frames", lambda f: f[:1]),
        ("one channel", lambda f: f[:, :1]),
        ("smaller", lambda f: f[..., ::2, ::2]),
        ("only wider", lambda f: f.repeat_interleave(2, 3)),
        ("not a whole number", lambda f: torch.zeros(len(f), 3, 6, 9)),
        ("no batch", lambda f: f[0]),
        ("empty", lambda f: f[..., :0]),
    ],
)
def test_a_wrong_shape_is_said(
    name: str, answer: Callable[[torch.Tensor], torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = load(monkeypatch, answer, batch_frames=2)
    with pytest.raises(EngineBug, match=r"the scorer returned shape \(.*\) for frames of shape"):
        list(model(frames(2), 0, False))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_is_said(value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(batch: torch.Tensor) -> torch.Tensor:
        batch = batch.clone()
        batch[0, 1, 2, 3] = value
        return batch

    model, _ = load(monkeypatch, answer)
    with pytest.raises(EngineBug, match="not a number or infinite"):
        list(model(frames(1), 0, False))


def test_values_beyond_the_range_are_clamped(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = load(monkeypatch, lambda f: f * 3 - 1)
    given = np.full((3, 2, 2), 255, np.uint8)
    assert np.array_equal(next(model([given], 0, False)), given)
    assert not next(model([given * 0], 0, False)).any()


def test_a_larger_picture_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = load(monkeypatch, lambda f: f.repeat_interleave(3, 2).repeat_interleave(3, 3))
    given = frames(1)
    assert np.array_equal(next(model(given, 0, False)), given[0].repeat(3, 1).repeat(3, 2))


@pytest.mark.parametrize(
    ("rotation", "turned"),
    [(90, lambda p: np.rot90(p, 1, (1, 2))), (-90, lambda p: np.rot90(p, -1, (1, 2))),
     (180, lambda p: np.rot90(p, 2, (1, 2))), (-180, lambda p: np.rot90(p, 2, (1, 2))),
     (0, lambda p: p)],
)  # fmt: skip
def test_the_model_sees_frames_upright(
    rotation: int,
    turned: Callable[[np.ndarray], np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, kind = load(monkeypatch)
    given = frames(1)
    assert np.array_equal(next(model(given, rotation, False)), given[0])
    seen = (kind.seen[0][0].numpy() * 255).round().astype(np.uint8)
    assert np.array_equal(seen, turned(given[0]))


@pytest.mark.parametrize(
    ("rotation", "shown"),
    [
        (0, lambda p: p[:, :, ::-1]),
        (180, lambda p: p[:, ::-1]),
        (90, lambda p: np.rot90(p[:, :, ::-1], 1, (1, 2))),
        (-90, lambda p: np.rot90(p[:, :, ::-1], -1, (1, 2))),
    ],
)
def test_the_model_sees_no_mirror_image(
    rotation: int,
    shown: Callable[[np.ndarray], np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, kind = load(monkeypatch)
    given = frames(1)
    assert np.array_equal(next(model(given, rotation, False, True)), given[0])
    seen = (kind.seen[0][0].numpy() * 255).round().astype(np.uint8)
    assert np.array_equal(seen, shown(given[0]))


def test_an_enlarged_rotated_picture_is_turned_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = load(monkeypatch, lambda f: f.repeat_interleave(2, 2).repeat_interleave(2, 3))
    given = frames(1)
    assert np.array_equal(next(model(given, 90, False)), given[0].repeat(2, 1).repeat(2, 2))


def test_time_in_the_model_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = load(monkeypatch)
    assert model.model_seconds == 0
    assert model.setup_seconds > 0
    list(model(frames(2), 0, False))
    once = model.model_seconds
    list(model(frames(2), 0, False))
    assert 0 < once < model.model_seconds


@pytest.mark.parametrize(("rotation", "seen"), [(0, (4, 6)), (180, (4, 6)), (-90, (6, 4))])
def test_a_scorer_gets_ready_once_for_a_size(
    rotation: int, seen: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ready: list[tuple[int, int]] = []

    class Compiled(Own):
        def prepare(self, height: int, width: int) -> None:
            ready.append((height, width))
            time.sleep(0.02)

    register(monkeypatch, Compiled, "own")
    model = LoadedScorer(IDENTITY, Settings())
    before = model.setup_seconds
    model.prepare(6, 4, rotation)
    assert model.setup_seconds >= before + 0.02, "loading, not scoring"
    assert model.model_seconds == 0
    model.prepare(6, 4, rotation)
    assert ready == [seen]
    model.prepare(8, 8, rotation)
    assert ready == [seen, (8, 8)]


def test_no_memory_to_get_ready_is_left_to_scoring(monkeypatch: pytest.MonkeyPatch) -> None:
    class Large(Own):
        def prepare(self, height: int, width: int) -> None:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    register(monkeypatch, Large, "own")
    LoadedScorer(IDENTITY, Settings()).prepare(6, 4, 0)


def test_no_gradients_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.ones(1, requires_grad=True)
    model, _ = load(monkeypatch, lambda f: f * weight)
    assert len(list(model(frames(1), 0, False))) == 1


def test_other_weights_than_planned_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, Own, "own")
    planned = IDENTITY.model_copy(update={"weights_sha256": "f" * 64})
    with pytest.raises(EnvironmentMismatch, match="with weights ffffffffffff, but this worker"):
        LoadedScorer(planned, Settings())


def test_a_scorer_that_remembers_is_told_where_a_run_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[int] = []

    class Remembers(Own):
        def begin(self, first: int) -> None:
            begun.append(first)

    register(monkeypatch, Remembers, "own")
    LoadedScorer(IDENTITY, Settings()).begin(7)
    register(monkeypatch, Own, "own")
    LoadedScorer(IDENTITY, Settings()).begin(8)
    assert begun == [7]
