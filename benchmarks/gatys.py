"""The optimisation, `gatys`, against the 2018 reference's procedure, `compat`, on the same frames.

    python -m benchmarks.gatys --clip FILE --painting FILE --vgg FILE
        [--first 0 --frames 16 --pairs 2 --side 128 --steps 8 --pictures FOLDER]

Both see the same square frames and the same square of the painting through the same encoder. The
reference does every frame alone, so it does only pairs of neighbours, spread over the clip; all
comparisons are made at those. The reference's own loss is evaluated on both outputs, and the
flicker of both measured along the source's motion; the reference's is that of its pictures when
they had the other's loss, and of its best ones. Seconds are CPU seconds of one thread, of the whole
clip by its frames, without loading. How far the reference has come, its lowest loss until then, is
read after every evaluation. Appends to ``benchmarks/results.csv``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks.record import record
from framewright.perceptual.slices import VggEncoder, read_slice
from framewright.scorers.gatys.follow import as_bytes
from framewright.scorers.gatys.losses import StyleTarget, reference_loss
from framewright.scorers.gatys.optimise import Steady
from framewright.scorers.gatys.options import packed, unpacked
from framewright.scorers.gatys.reference import STYLE_WEIGHTS, centre_square, optimised
from framewright.steady.measure import FlickerMeter, fine_detail

Row = tuple[str, float, str, str]
STEPS = (8,)
REFERENCE_STEPS = 300


@dataclass(frozen=True)
class Output:
    """What came out for every frame that is compared, and what a frame took."""

    pictures: list[Tensor]
    seconds: float


@dataclass(frozen=True)
class Way:
    """How the reference came to its pictures: after each evaluation, from 1 on."""

    seconds: float
    """CPU seconds of an evaluation."""
    lowest: NDArray[np.float64]
    """Loss so far, mean over the frames."""
    there: dict[float, list[Tensor]]
    """By loss, the first pictures that were as good."""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    for name in ("clip", "painting", "vgg"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--plain-start", action="store_true", help="painted_start=false")
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    side, count = arguments.side, arguments.frames
    frames = [centre_square(f, side) for f in read(arguments.clip, arguments.first, count)]
    painting = unpacked(packed(arguments.painting))
    painting = centre_square(painting, min(painting.shape[-2:]))
    encoder = VggEncoder(read_slice(arguments.vgg), "zeros")
    places = neighbours(len(frames), arguments.pairs)
    judge = Judge(encoder, painting, [frames[place] for place in places])

    outputs = {}
    start = ", plain start" if arguments.plain_start else ""
    for steps in arguments.steps:
        run = Steady(encoder, painting, 0.5, steps, side, not arguments.plain_start)
        pictures, seconds = followed(run, frames)
        chosen = [pictures[place] for place in places]
        outputs[f"gatys, {steps} steps{start}"] = Output(chosen, seconds / len(frames))
    compat, way = judge.reference([judge.loss(output.pictures) for output in outputs.values()])
    rows = judge.rows(outputs, compat, way)
    clip = f"{arguments.clip.stem} {arguments.first}+{count}, {side}x{side}"
    record("gatys", f"{clip}, {arguments.painting.stem}", rows)
    if arguments.pictures:
        kept = [frames[place] for place in places], compat.pictures
        lines = [*kept, *(output.pictures for output in outputs.values()), *way.there.values()]
        keep(arguments.pictures / f"{arguments.clip.stem}-{arguments.painting.stem}.png", lines)


def neighbours(count: int, pairs: int) -> list[int]:
    """Numbers of frames, two and two beside each other, spread evenly over ``count``."""
    firsts = [max(0, round((pair + 0.5) * count / pairs) - 1) for pair in range(pairs)]
    return [place for first in firsts for place in (first, first + 1)]


def followed(run: Steady, frames: list[Tensor]) -> tuple[list[Tensor], float]:
    """Pictures of all frames, and the CPU seconds of them together."""
    began, before, pictures = time.process_time(), None, []
    for number, frame in enumerate(frames):
        picture, before = run(frame, before, number)
        pictures.append(picture)
    return pictures, time.process_time() - began


class Judge:
    """Measures outputs by the reference's loss and by their flicker.

    Args:
        encoder: what both look through.
        painting: (1, 3, S, S).
        frames: those that are compared, two and two neighbours.
    """

    def __init__(self, encoder: VggEncoder, painting: Tensor, frames: list[Tensor]) -> None:
        self._encoder, self._frames = encoder, frames
        self._weight = STYLE_WEIGHTS[encoder.kind]
        self._target = StyleTarget(encoder, centre_square(painting, frames[0].shape[-1]))

    def loss(self, pictures: list[Tensor]) -> float:
        """Mean of the reference's loss."""
        losses = []
        for frame, picture in zip(self._frames, pictures, strict=True):
            with torch.no_grad():
                loss = reference_loss(self._encoder, self._target, frame, self._weight)
                losses.append(float(loss(picture)))
        return float(np.mean(losses))

    def reference(self, losses: list[float]) -> tuple[Output, Way]:
        """The reference's best pictures, and its way to them and to the given losses."""
        best, ways, seconds = [], [], 0.0
        there: dict[float, list[Tensor]] = {loss: [] for loss in losses}
        for frame in self._frames:
            seen = Seen(losses)
            began = time.process_time()
            optimised(self._encoder, self._target, frame, self._weight, REFERENCE_STEPS, seen.watch)
            seconds += time.process_time() - began
            best.append(seen.best)
            ways.append(seen.losses)
            for loss, pictures in there.items():
                pictures.append(seen.there.get(loss, seen.best))
            print(f"compat: frame of {seconds:.0f} s in all done", flush=True)
        evaluations = len(ways[0])
        lowest = np.mean(np.minimum.accumulate(ways, axis=1), axis=0)
        each = seconds / len(self._frames)
        return Output(best, each), Way(each / evaluations, lowest, there)

    def flicker(self, pictures: list[Tensor]) -> float:
        """Flicker of pictures, in units of the source's; mean of the pairs."""
        flickers = []
        for first in range(0, len(pictures), 2):
            meter = FlickerMeter()
            for place in (first, first + 1):
                meter.add(as_bytes(self._frames[place]), as_bytes(pictures[place]))
            flickers.append(meter.flickers)
        source, output = np.sum(flickers, axis=0)
        return float(output / source)

    def rows(self, outputs: dict[str, Output], compat: Output, way: Way) -> list[Row]:
        """Make rows of all outputs, with the way that the reference took."""
        rows = self._shown("compat", compat)
        best = self.flicker(compat.pictures)
        for name, output in outputs.items():
            rows += self._shown(name, output)
            loss, flicker = self.loss(output.pictures), self.flicker(output.pictures)
            reached = way.lowest <= loss
            evaluations = int(np.argmax(reached)) + 1 if reached.any() else len(way.lowest)
            equal = self.flicker(way.there[loss])
            rows += [
                (f"{name}: seconds / compat's to the same loss",
                 output.seconds / (evaluations * way.seconds), "ratio",
                 f"loss {loss:.2f} after {evaluations} evaluations; lowest {way.lowest[-1]:.2f}"),
                (f"{name}: flicker / compat's at the same loss", flicker / equal, "ratio", ""),
                (f"{name}: flicker / compat's best pictures'", flicker / best, "ratio", ""),
            ]  # fmt: skip
        return rows

    def _shown(self, name: str, output: Output) -> list[Row]:
        detail = np.mean([fine_detail(as_bytes(picture)) for picture in output.pictures])
        loss, flicker = self.loss(output.pictures), self.flicker(output.pictures)
        return [
            (f"{name}: seconds", output.seconds, "s/frame", "CPU, one thread"),
            (f"{name}: loss", loss, "", "the reference's, mean over the frames"),
            (f"{name}: flicker", flicker, "of the source", f"fine detail {detail:.0f}"),
        ]


class Seen:
    """Watches the reference do one frame."""

    def __init__(self, wanted: list[float]) -> None:
        self.losses: list[float] = []
        self.best = torch.empty(0)
        self.there: dict[float, Tensor] = {}
        """By loss that was wanted, the first picture as good."""
        self._wanted = wanted

    def watch(self, loss: float, picture: Tensor) -> None:
        """Take note of an evaluation."""
        if loss < min(self.losses, default=np.inf):
            self.best = picture.clone()
        for wanted in self._wanted:
            if loss <= wanted and wanted not in self.there:
                self.there[wanted] = picture.clone()
        self.losses.append(loss)


def read(clip: Path, first: int, count: int) -> list[Tensor]:
    """Frames (1, 3, H, W) of a video, in [0, 1]."""
    frames = []
    with av.open(str(clip)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number >= first + count:
                break
            if number >= first:
                pixels = frame.to_ndarray(format="rgb24")
                frames.append(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)
    return frames


def keep(path: Path, lines: list[list[Tensor]]) -> None:
    """Write lines of pictures below each other, to be looked at."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet = torch.cat([torch.cat(line, -1) for line in lines], -2)
    Image.fromarray(as_bytes(sheet)).save(path)


if __name__ == "__main__":
    main()
