"""What a scorer promises, tried out: for those who write one.

`framewright check-scorer` tries everything. A test of one's own tries what is quick::

    def test_keeps_its_promises():
        assert broken_promises(create("mine", {"strength": 0.5})) == []
"""

from __future__ import annotations

import ctypes
import gc
import inspect
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch

from framewright.scorers import AnyScorer, rebuild
from framewright.scorers.asset import references
from framewright.scorers.base import Prepares, RecordScorer, Row, Scorer, Sequential, files_of
from framewright.scorers.rows import check_row
from framewright.types import ScorerIdentity

__all__ = ["Finding", "broken_promises", "examine"]

_SIZES = ((1, 1, 1), (2, 33, 17))
"""Number, height and width of frames."""
_MAX_IDENTITY_BYTES = 100_000
_VISIBLE_LEVELS = 1.0
_MOST_CONTEXT = 16
_LONG_SIZE = (192, 256)
"""Height and width of the frames by which memory is judged: each takes 0.6 MB."""
_LONG_FRAMES, _LONG_SECONDS = 150, 30.0
_TELLING_FRAMES = 40
_GROWTH_BYTES = 12 << 20

Pictures = torch.Tensor
Records = list[list[Row]]
Answer = Pictures | Records


class _Broken(Exception):
    """A promise is not kept; the text says how."""


class _Unclear(Exception):
    """A promise could not be judged, or need not be kept wholly; the text says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What trying out one promise has shown."""

    promise: str
    verdict: Literal["kept", "broken", "note"]
    found: str
    """In words; what to do, where there is something."""


def broken_promises(scorer: AnyScorer) -> list[str]:
    """Try a scorer out on the CPU with small frames; return what it does not keep, in words.

    Args:
        scorer: as ``create`` makes it, not set up. It must be installed.
    """
    return [one.found for one in examine(scorer, quick=True) if one.verdict == "broken"]


def examine(scorer: AnyScorer, *, quick: bool = False) -> Iterator[Finding]:
    """Try one promise after the other on the CPU.

    Args:
        scorer: as ``create`` makes it, not set up.
        quick: leave out what takes a process of its own or many frames.
    """
    for promise, look in (
        ("it is described", _described),
        ("its identity is small", _small),
        ("it names files by their content", _portable),
        ("a worker can rebuild it", _rebuilds),
    ):
        yield _tried(promise, look, scorer)
    ready = _tried("it sets itself up", _set_up, scorer)
    yield ready
    if ready.verdict == "broken":
        return
    for size in _SIZES:
        answers = _tried(f"it answers frames of {_named(size)}", _answers, scorer, size)
        yield answers
        if answers.verdict == "broken":
            continue
        yield _tried("the same frames give the same again", _repeats, scorer, size)
        yield _tried("a frame does not depend on its batch", _batches, scorer, size)
        yield _tried("preparing for a size changes nothing", _prepares, scorer, size)
        yield _tried("rebuilt, it gives the same", _equals, scorer, size)
    yield _tried("it does not matter where a unit begins", _cuts, scorer)
    if not quick:
        yield _tried("another process gives the same", _ships, scorer)
        yield _tried("memory does not grow with the video", _stays_small, scorer)


def _tried(promise: str, look: Callable[..., str], *arguments: Any) -> Finding:
    try:
        return Finding(promise, "kept", look(*arguments))
    except _Unclear as unclear:
        return Finding(promise, "note", str(unclear))
    except _Broken as broken:
        return Finding(promise, "broken", str(broken))
    except Exception as error:  # noqa: BLE001 - whatever a scorer raises is the finding
        return Finding(promise, "broken", f"it raised {type(error).__name__}: {error}")


def _described(scorer: AnyScorer) -> str:
    text = inspect.getdoc(type(scorer)) or ""
    if not text:
        raise _Broken(
            "its class has no docstring, of which `framewright scorers` shows the first line"
        )
    return text.partition("\n")[0]


def _small(scorer: AnyScorer) -> str:
    size_bytes = len(scorer.identity.model_dump_json())
    if size_bytes > _MAX_IDENTITY_BYTES:
        raise _Broken(
            f"its identity has {size_bytes} bytes; {_MAX_IDENTITY_BYTES} at most: keep what is "
            "large in a file, see `asset`"
        )
    identity = scorer.identity
    return f"{identity.name}, version {identity.version}, {size_bytes} bytes"


def _portable(scorer: AnyScorer) -> str:
    params = scorer.identity.params
    named = {one.reference for one in references(params)}
    missing = named - files_of(scorer).keys()
    if missing:
        raise _Broken(f"its `assets` lack {min(missing)}, which its identity names")
    for path in _paths(params):
        raise _Broken(
            f"its identity holds the path {path!r}, which means nothing on another machine: use "
            "`asset`"
        )
    return f"{len(named)} files"


def _paths(value: Any) -> Iterator[str]:
    """Yield texts, at any depth, that are absolute paths of files here."""
    if isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _paths(one)
    elif isinstance(value, str) and value.startswith("/") and os.path.isfile(value):
        yield value


def _rebuilds(scorer: AnyScorer) -> str:
    try:
        _rebuilt(scorer.identity, files_of(scorer))
    except Exception as error:
        raise _Broken(f"it cannot be rebuilt from its identity, as on a worker: {error}") from error
    return "from its name and parameters"


def _set_up(scorer: AnyScorer) -> str:
    started = time.perf_counter()
    scorer.setup(torch.device("cpu"), 1)
    return f"in {time.perf_counter() - started:.1f} s, on a CPU with one thread"


def _answers(scorer: AnyScorer, size: tuple[int, int, int]) -> str:
    answer = _answer(scorer, _frames(*size))
    if isinstance(answer, torch.Tensor):
        return _pictures(answer, *size)
    columns = cast(RecordScorer, scorer).columns
    if len(answer) != size[0]:
        raise _Broken(f"it returns the records of {len(answer)} frames for {size[0]}")
    for row in (row for rows in answer for row in rows):
        check_row(scorer.identity.name, row, columns)
    return f"{sum(map(len, answer))} records of {len(columns)} columns"


def _pictures(pictures: Pictures, count: int, height: int, width: int) -> str:
    given = f"for frames of shape {(count, 3, height, width)}"
    scale = pictures.shape[-1] // width if pictures.ndim == 4 else 0
    if scale < 1 or pictures.shape != (count, 3, scale * height, scale * width):
        raise _Broken(f"{given} it returns shape {tuple(pictures.shape)}")
    if not pictures.is_floating_point() or not bool(torch.isfinite(pictures).all()):
        raise _Broken(f"{given} it returns values that are not all finite floats")
    if float(pictures.min()) < 0 or float(pictures.max()) > 1:
        raise _Broken(f"{given} it returns values outside [0, 1]")
    return "pictures of the same size" if scale == 1 else f"pictures of {scale} times the size"


def _repeats(scorer: AnyScorer, size: tuple[int, int, int]) -> str:
    frames = _frames(*size)
    if _levels_apart(_answer(scorer, frames), _answer(scorer, frames)):
        raise _Broken(
            f"for frames of {_named(size)} it returns something else the second time: draw no "
            "random numbers, and forget in `begin` what was remembered"
        )
    return "bit for bit"


def _batches(scorer: AnyScorer, size: tuple[int, int, int]) -> str:
    if scorer.context_frames or isinstance(scorer, Sequential):
        raise _Unclear("not tried, because it looks at the frames before")
    frames = _frames(*size)
    together, alone = _answer(scorer, frames), [_answer(scorer, frame[None]) for frame in frames]
    apart = max(_levels_apart(together[n : n + 1], answer) for n, answer in enumerate(alone))
    if apart >= _VISIBLE_LEVELS:
        raise _Broken(
            f"for frames of {_named(size)} a frame's result depends on its batch, although "
            "context_frames is 0"
        )
    return _exactly(apart)


def _prepares(scorer: AnyScorer, size: tuple[int, int, int]) -> str:
    if not isinstance(scorer, Prepares):
        return "it has no `prepare`"
    before = _answer(scorer, _frames(*size))
    with torch.inference_mode():
        scorer.prepare(*size[1:])
    if _levels_apart(before, _answer(scorer, _frames(*size))):
        raise _Broken("after `prepare` it returns something else")
    return "bit for bit"


def _equals(scorer: AnyScorer, size: tuple[int, int, int]) -> str:
    try:
        other = _rebuilt(scorer.identity, files_of(scorer))
    except Exception as error:
        raise _Unclear("not tried, because it cannot be rebuilt") from error
    other.setup(torch.device("cpu"), 1)
    if _levels_apart(_answer(other, _frames(*size)), _answer(scorer, _frames(*size))):
        raise _Broken("rebuilt as on a worker, it returns something else")
    return "bit for bit"


def _cuts(scorer: AnyScorer) -> str:
    context = scorer.context_frames
    if not (context or isinstance(scorer, Sequential)):
        return "frames are independent"
    if context > _MOST_CONTEXT:
        raise _Unclear(f"not tried, because context_frames is {context}")
    frames, first = _frames(context + 4, *_SIZES[-1][1:]), context + 2
    whole = _answer(scorer, frames)[first:]
    cut = _answer(scorer, frames[first - context :], first - context)[context:]
    apart = _levels_apart(whole, cut)
    if apart < _VISIBLE_LEVELS:
        return _exactly(apart)
    raise _Unclear(
        f"not quite: a frame differs by up to {apart:.0f} levels of 255 from one scored {context} "
        "frames further into a unit; raise context_frames if that is seen"
    )


def _ships(scorer: AnyScorer) -> str:
    frames = _frames(*_SIZES[-1])
    here = _answer(scorer, frames)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        there = pool.submit(_elsewhere, scorer.identity, files_of(scorer), frames).result()
    if _levels_apart(here, there):
        raise _Broken("in another process it returns something else for the same frames")
    return "bit for bit"


def _elsewhere(identity: ScorerIdentity, files: dict[str, Path], frames: Pictures) -> Answer:
    """Do what a worker does, in a process that knows nothing."""
    torch.set_num_threads(1)
    scorer = _rebuilt(identity, files)
    scorer.setup(torch.device("cpu"), 1)
    return _answer(scorer, frames)


def _stays_small(scorer: AnyScorer) -> str:
    frame = _frames(1, *_LONG_SIZE)
    if isinstance(scorer, Sequential):
        scorer.begin(0)
    for _ in range(5):
        _called(scorer, frame)
    _return_free_memory()
    before, started, count = _resident_bytes(), time.perf_counter(), 0
    while count < _LONG_FRAMES and time.perf_counter() - started < _LONG_SECONDS:
        _called(scorer, frame)
        count += 1
    grown = _resident_bytes() - before
    seconds = time.perf_counter() - started
    shown = f"{grown / (1 << 20):+.1f} MiB over {count} frames of {_LONG_SIZE[1]}x{_LONG_SIZE[0]}"
    if grown > _GROWTH_BYTES:
        raise _Broken(f"{shown}: it seems to keep frames or results; a video may have millions")
    if count < _TELLING_FRAMES:
        raise _Unclear(f"not known: {shown} took {seconds:.0f} s, and more would be needed to tell")
    return f"{shown}, {count / seconds:.1f} frames/s"


def _return_free_memory() -> None:
    """Give the system what is free, in which growth would not be seen: malloc_trim(3), of glibc."""
    gc.collect()
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _resident_bytes() -> int:
    """Memory of this process: see proc(5), statm."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _frames(count: int, height: int, width: int) -> Pictures:
    """Consecutive frames: a picture that moves to the right, the same whenever it is made."""
    draw = torch.Generator().manual_seed(count)
    picture = torch.rand(3, height, width, generator=draw)
    return torch.stack([picture.roll(2 * number, -1) for number in range(count)])


def _answer(scorer: AnyScorer, frames: Pictures, first: int = 0) -> Answer:
    """Score frames as the first of a unit, the first of which has a number."""
    if isinstance(scorer, Sequential):
        scorer.begin(first)
    return _called(scorer, frames)


def _called(scorer: AnyScorer, frames: Pictures) -> Answer:
    with torch.inference_mode():
        if scorer.identity.result == "records":
            return [list(rows) for rows in cast(RecordScorer, scorer).record(frames.clone())]
        return cast(Scorer, scorer).score(frames.clone()).clone()


def _levels_apart(one: Answer, other: Answer) -> float:
    """How far apart two answers are, in levels of 255; infinite for other shapes or records."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        if one.shape != other.shape:
            return math.inf
        return float((one.float() - other.float()).abs().max()) * 255 if one.numel() else 0.0
    return 0.0 if one == other else math.inf


def _exactly(apart: float) -> str:
    return f"within {apart:.2g} levels of 255" if apart else "bit for bit"


def _named(size: Sequence[int]) -> str:
    count, height, width = size
    return f"{width}x{height}, {count} at a time"


def _rebuilt(identity: ScorerIdentity, files: Mapping[str, Path]) -> AnyScorer:
    return rebuild(identity, lambda asset: files[asset.reference])
