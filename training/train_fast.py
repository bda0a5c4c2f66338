"""Train the conditional style network from photos and paintings, on a CPU.

    python -m training.train_fast --vgg vgg_normalised_conv3_1.pth --paintings DIR --photos DIR \
        --out DIR --seed 1 --threads 1

One command runs all stages of ``training.schedule``. It continues from the checkpoint in
``--out`` when there is one, and writes ``log.jsonl``, contact sheets and the finished weights
there. With the same seed, thread count and library versions it gives the same weights, whether
or not it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from framewright.scorers.fast.network import STYLE_LENGTH, ConditionalStyleNet
from training import losses
from training.data import Contents
from training.export import export
from training.paintings import PAINTINGS, load_painting
from training.schedule import STAGES, Stage
from training.sheet import contact_sheet
from training.vgg import VggSlice

_SYNTHETIC = 0.12
_SYNTHETIC_STYLE = 0.3
"""Weight of the style on smooth patches, beside 1 on photos: colour, without forcing texture."""

_NOISE = 0.02
_SHIFT = 4
"""Largest shift between the two passes of the steadiness loss; the decoder repeats every 4."""


@dataclass
class Trainer:
    """Everything that changes while training, and what it needs to do a step."""

    net: ConditionalStyleNet
    styles: torch.nn.Parameter
    optimiser: torch.optim.Optimizer
    vgg: VggSlice
    wanted: list[losses.StyleTarget]
    contents: Contents
    generator: torch.Generator
    step: int = 0
    seconds: float = 0.0

    def train_step(self, stage: Stage) -> dict[str, Any]:
        """One step of the optimiser; returns the losses, and the style loss of each painting."""
        wide, synthetic = self.contents.batch(stage.batch, stage.size + _SHIFT)
        index = torch.randint(len(PAINTINGS), (stage.batch,), generator=self.generator)
        content = _nhwc(wide[..., : stage.size, : stage.size])
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                kept = self.vgg(content)[-1]
            painted = self.net(content, self.styles[index]).float()
            features = self.vgg(painted)
            style = losses.style_loss(self.vgg, painted, self.wanted, index, features)
            keep = losses.content_loss(features[-1], kept)
            smooth = losses.roughness(painted)
            hatch = losses.hatch(painted, content)
            twice = self.step % 2 == 0
            steady = self._steady(stage, wide, painted, index) if twice else 0 * smooth
        weight = 1 - (1 - _SYNTHETIC_STYLE) * synthetic
        total = (
            stage.style * weight * style
            + stage.content * keep
            + stage.smooth * smooth
            + stage.steady * steady
            + stage.hatch * hatch
        ).mean()
        self.optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        length = torch.nn.utils.clip_grad_norm_([*self.net.parameters(), self.styles], 5.0)
        if torch.isfinite(length):  # a constant patch has no variance to divide by
            self.optimiser.step()
        named = [PAINTINGS[i].name for i in index.tolist()]
        return {
            "total": total.item(),
            "style": style.mean().item(),
            "content": keep.mean().item(),
            "smooth": smooth.mean().item(),
            "steady": steady.mean().item() if twice else None,
            "hatch": hatch.mean().item(),
            "gradient": length.item(),
            "each": [
                [name, s] for name, s, fake in zip(named, style.tolist(), synthetic, strict=True)
                if not fake
            ],
        }  # fmt: skip

    def _steady(self, stage: Stage, wide: Tensor, painted: Tensor, index: Tensor) -> Tensor:
        dy, dx = torch.randint(_SHIFT + 1, (2,), generator=self.generator).tolist()
        moved = wide[..., dy : dy + stage.size, dx : dx + stage.size]
        noise = torch.randn(moved.shape, generator=self.generator)
        again = self.net(_nhwc((moved + _NOISE * noise).clamp(0, 1)), self.styles[index])
        return losses.disagreement(painted, again.float(), dy, dx)

    def save(self, path: Path) -> None:
        """Write a checkpoint; the old one stays whole until the new one is."""
        state = {
            "net": self.net.state_dict(),
            "styles": self.styles.data,
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "step": self.step,
            "seconds": self.seconds,
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def load(self, path: Path) -> None:
        """Go back to where a checkpoint was written."""
        state = torch.load(path, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.styles.data.copy_(state["styles"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        self.step, self.seconds = state["step"], state["seconds"]


def build(arguments: argparse.Namespace) -> Trainer:
    """A trainer at step 0."""
    torch.manual_seed(arguments.seed)
    generator = torch.Generator().manual_seed(arguments.seed)
    vgg = VggSlice(arguments.vgg).to(memory_format=torch.channels_last)
    with torch.no_grad():
        wanted = losses.targets(vgg, [load_painting(p, arguments.paintings) for p in PAINTINGS])
    net = ConditionalStyleNet().to(memory_format=torch.channels_last)
    styles = torch.nn.Parameter(_neutral_style().repeat(len(PAINTINGS), 1))
    groups: list[dict[str, Any]] = [
        {"params": list(net.parameters())},
        {"params": [styles], "boost": 2.0},
    ]
    optimiser = torch.optim.Adam(groups, lr=STAGES[0].rate[0])
    contents = Contents(arguments.photos, generator, synthetic=_SYNTHETIC)
    return Trainer(net, styles, optimiser, vgg, wanted, contents, generator)


def _neutral_style() -> Tensor:
    """Scale one and shift zero for every normalisation: (STYLE_LENGTH,)."""
    style = torch.zeros(STYLE_LENGTH)
    for norm in ConditionalStyleNet().norms():
        style[norm.offset : norm.offset + norm.channels] = 1
    return style


def stage_at(step: int) -> tuple[int, Stage, float]:
    """Number, stage and learning rate of a step."""
    for number, stage in enumerate(STAGES):
        if step < stage.steps:
            first, last = stage.rate
            done = step / stage.steps
            return number, stage, last + (first - last) * 0.5 * (1 + math.cos(math.pi * done))
        step -= stage.steps
    raise ValueError("the schedule has no such step")


def train(arguments: argparse.Namespace) -> None:
    """Run the schedule from the start or from the checkpoint."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    trainer = build(arguments)
    checkpoint = arguments.out / "checkpoint.pt"
    if checkpoint.exists():
        trainer.load(checkpoint)
    total = sum(stage.steps for stage in STAGES)
    drop_later_rows(arguments.out / "log.jsonl", trainer.step)
    with (arguments.out / "log.jsonl").open("a", encoding="utf-8") as log:
        while trainer.step < total:
            number, stage, rate = stage_at(trainer.step)
            for group in trainer.optimiser.param_groups:
                group["lr"] = rate * group.get("boost", 1.0)
            start = time.perf_counter()
            row = trainer.train_step(stage)
            took = time.perf_counter() - start
            trainer.step += 1
            trainer.seconds += took
            if not math.isfinite(row["total"]):
                raise ArithmeticError(f"the loss of step {trainer.step} is {row['total']}")
            row = {"step": trainer.step, "stage": number, "rate": rate, "took": took} | row
            log.write(json.dumps(row) + "\n")
            if trainer.step % arguments.every == 0 or trainer.step == total:
                log.flush()
                trainer.save(checkpoint)
                export(trainer.net, trainer.styles.data, arguments, trainer.step)
                contact_sheet(trainer.net, trainer.styles.data, arguments)


def drop_later_rows(log: Path, step: int) -> None:
    """Remove what the log says of steps after the checkpoint: they will be done again."""
    if log.exists():
        rows = log.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [row for row in rows if row.endswith("\n") and json.loads(row)["step"] <= step]
        log.write_text("".join(kept), encoding="utf-8")


def _nhwc(pictures: Tensor) -> Tensor:
    return pictures.contiguous(memory_format=torch.channels_last)


def parse(argv: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--vgg", type=Path, required=True, help="VGG-19 slice up to relu3_1")
    parser.add_argument("--paintings", type=Path, required=True, help="folder of the paintings")
    parser.add_argument("--photos", type=Path, required=True, help="folder of .png photos")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint, log, weights, sheets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=int, default=200, help="steps between checkpoints")
    return parser.parse_args(argv)


def main() -> None:
    """Entry point."""
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    train(arguments)


if __name__ == "__main__":
    main()
