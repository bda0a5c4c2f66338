"""The optimisation, `gatys`, against the 2018 reference's procedure, `compat`, on the same frames.

    python -m benchmarks.gatys --clip FILE --painting FILE --vgg FILE
        [--first 0 --frames 6 --side 128 --steps 6 12 24 --pictures FOLDER]

Both see the same square frames and the same square of the painting through the same encoder. The
reference's own loss is evaluated on both outputs, and the flicker of both measured along the
source's motion. Seconds are CPU seconds of one thread, without loading. How far the reference has
come, its lowest loss until then, is read after every evaluation.
Appends to ``benchmarks/results.csv``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
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

STEPS = (6, 12, 24)
REFERENCE_STEPS = 300


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    for name in ("clip", "painting", "vgg"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--frames", type=int, default=6)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--painted-start", action="store_true")
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    side = arguments.side
    frames = [
        centre_square(f, side) for f in read(arguments.clip, arguments.first, arguments.frames)
    ]
    painting = unpacked(packed(arguments.painting))
    painting = centre_square(painting, min(painting.shape[-2:]))
    encoder = VggEncoder(read_slice(arguments.vgg), "zeros")
    judge = Judge(encoder, painting, frames)

    outputs = {}
    start = ", painted start" if arguments.painted_start else ""
    for steps in arguments.steps:
        name = f"gatys, {steps} steps{start}"
        run = Steady(encoder, painting, 0.5, steps, side, arguments.painted_start)
        began, before, pictures = time.process_time(), None, []
        for frame in frames:
            picture, before = run(frame, before)
            pictures.append(picture)
        outputs[name] = (pictures, time.process_time() - began)
        judge.show(name, *outputs[name])
    pictures, way = judge.reference()
    outputs["compat"] = (pictures, way[-1][0])
    judge.show("compat", *outputs["compat"])
    rows = judge.rows(outputs, way)
    clip = f"{arguments.clip.stem} {arguments.first}+{arguments.frames}, {side}x{side}"
    record("gatys", f"{clip}, {arguments.painting.stem}", rows)
    if arguments.pictures:
        keep(
            arguments.pictures / f"{arguments.clip.stem}-{arguments.painting.stem}.png",
            frames,
            outputs,
        )


class Judge:
    """Measures outputs by the reference's loss and by their flicker."""

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

    def reference(self) -> tuple[list[Tensor], list[tuple[float, float]]]:
        """The reference's pictures; and after each evaluation CPU seconds and mean lowest loss."""
        pictures, ways = [], []
        for number, frame in enumerate(self._frames):
            way: list[float] = []
            began = time.process_time()
            pictures.append(
                optimised(
                    self._encoder, self._target, frame, self._weight, REFERENCE_STEPS, way.append
                )
            )
            ways.append((time.process_time() - began, way))
            print(f"compat: frame {number} done", flush=True)
        seconds = sum(spent for spent, _ in ways)
        evaluations = len(ways[0][1])
        means = np.mean(np.minimum.accumulate([way for _, way in ways], axis=1), axis=0)
        return pictures, [
            (seconds * number / evaluations, float(mean)) for number, mean in enumerate(means, 1)
        ]

    def flicker(self, pictures: list[Tensor]) -> float:
        """Flicker of pictures, in units of the source's."""
        meter = FlickerMeter()
        for frame, picture in zip(self._frames, pictures, strict=True):
            meter.add(as_bytes(frame), as_bytes(picture))
        source, output = meter.flickers
        return output / source

    def show(self, name: str, pictures: list[Tensor], seconds: float) -> None:
        """Tell what has come out."""
        print(f"{name}: {seconds:.1f} s, loss {self.loss(pictures):.2f}", flush=True)

    def rows(
        self,
        outputs: dict[str, tuple[list[Tensor], float]],
        way: list[tuple[float, float]],
    ) -> list[tuple[str, float, str, str]]:
        """Make rows of all outputs, with the way that the reference took."""
        compat, compat_seconds = outputs["compat"]
        compat_loss, compat_flicker = self.loss(compat), self.flicker(compat)
        lowest = way[-1][1]
        rows = []
        for name, (pictures, seconds) in outputs.items():
            loss, flicker = self.loss(pictures), self.flicker(pictures)
            detail = np.mean([fine_detail(as_bytes(picture)) for picture in pictures])
            rows += [
                (f"{name}: seconds", seconds / len(pictures), "s/frame", "CPU, one thread"),
                (f"{name}: loss", loss, "", "the reference's, mean over the frames"),
                (f"{name}: flicker", flicker, "of the source", f"fine detail {detail:.0f}"),
            ]
            if name == "compat":
                continue
            there = next((spent for spent, reached in way if reached <= loss), compat_seconds)
            rows += [
                (f"{name}: seconds / compat's to the same loss", seconds / there, "ratio",
                 f"loss {loss:.2f}; compat: lowest {lowest:.2f}, last {compat_loss:.2f}"),
                (f"{name}: seconds / compat's", seconds / compat_seconds, "ratio", ""),
                (f"{name}: flicker / compat's", flicker / compat_flicker, "ratio", ""),
            ]  # fmt: skip
        return rows


def read(clip: Path, first: int, count: int) -> list[Tensor]:
    """Frames (1, 3, H, W) of a video, in [0, 1]."""
    frames = []
    with av.open(str(clip)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number >= first + count:
                break
            if number >= first:
                pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
                frames.append(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255)
    return frames


def keep(path: Path, frames: list[Tensor], outputs: dict[str, tuple[list[Tensor], float]]) -> None:
    """Write source and outputs below each other, to be looked at."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [frames, *(pictures for pictures, _ in outputs.values())]
    sheet = torch.cat([torch.cat(line, -1) for line in lines], -2)
    Image.fromarray(as_bytes(sheet)).save(path)


if __name__ == "__main__":
    main()
