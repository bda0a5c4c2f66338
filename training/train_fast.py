"""Train the conditional style network from photos and paintings, on a CPU.

It runs all stages of ``training.schedule``. It continues from the checkpoint in
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
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from framewright.scorers.fast.colours import Colours, layout_distance
from framewright.scorers.fast.network import STYLE_LENGTH, ConditionalStyleNet
from framewright.scorers.fast.predictor import StylePredictor
from framewright.scorers.fast.weights import tensors_under
from training import losses
from training.checkpoint import save_whole
from training.data import Contents
from training.export import export
from training.paintings import PAINTINGS, load_painting
from training.schedule import REFINED, STAGES, Stage
from training.sheet import contact_sheet
from training.styles import Bank, StyleMaker
from training.vgg import VggSlice

_SYNTHETIC = 0.12
_SYNTHETIC_STYLE = 0.3
"""Weight of the style on smooth patches, beside 1 on photos: colour, without forcing texture."""

_FAR = 0.5
"""Style loss from which on a picture pulls no harder: one odd style must not drown the others."""

_ASTRAY = 1.0
"""The same for the layout of the colours: a painting of nearly one colour has large numbers."""

_MADE_UP = 640
"""Styles made out of the paintings, for the predictor."""

_NOISE = 0.02
_SHIFT = 4
"""Largest shift between the two passes of the steadiness loss; the decoder repeats every 4."""


@dataclass
class Trainer:
    """Everything that changes while training, and what it needs to do a step."""

    net: ConditionalStyleNet
    predictor: StylePredictor
    styles: torch.nn.Parameter
    """(paintings, STYLE_LENGTH)."""

    optimiser: torch.optim.Optimizer
    vgg: VggSlice
    wanted: list[losses.StyleTarget]
    colours: Colours
    """Rows as in ``wanted``."""

    statistics: Tensor
    """(made-up styles, STATISTICS); their targets follow those of the paintings in ``wanted``."""

    contents: Contents
    generator: torch.Generator
    step: int = 0
    seconds: float = 0.0

    def parameters(self) -> list[torch.nn.Parameter]:
        """All that is trained."""
        return [*self.net.parameters(), *self.predictor.parameters(), self.styles]

    def train_step(self, stage: Stage) -> dict[str, Any]:
        """One step of the optimiser; returns the losses, and the style loss of each painting."""
        self.net.upsampling = stage.upsampling
        wide, synthetic = self.contents.batch(stage.batch, stage.size + _SHIFT)
        index = self._draw(stage)
        content = _nhwc(wide[..., : stage.size, : stage.size])
        vectors = self._vectors(index)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                kept = self.vgg(content)[-1]
            painted = self.net(content, vectors).float()
            features = self.vgg(painted)
            style = losses.style_loss(self.vgg, painted, self.wanted, index, features)
            keep = losses.content_loss(features[-1], kept)
            smooth = losses.roughness(painted)
            with torch.autocast("cpu", enabled=False):
                layout = layout_distance(content, painted, self.colours.rows(index))
            hatch = losses.hatch(painted, content)
            twice = self.step % 2 == 0
            steady = self._steady(stage, wide, painted, vectors) if twice else 0 * smooth
        weight = 1 - (1 - _SYNTHETIC_STYLE) * synthetic
        weight = weight / style.detach().clamp_min(_FAR)
        total = (
            stage.style * weight * style
            + stage.content * keep
            + stage.smooth * smooth
            + stage.steady * steady
            + stage.hatch * hatch
            + stage.layout * layout / layout.detach().clamp_min(_ASTRAY)
        ).mean()
        self.optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        length = torch.nn.utils.clip_grad_norm_(self.parameters(), 5.0)
        if torch.isfinite(length):  # a constant patch has no variance to divide by
            self.optimiser.step()
        named = index < len(PAINTINGS)
        shown = named & (synthetic == 0)
        return {
            "total": total.item(),
            "style": style.mean().item(),
            "made_up": _mean(style, ~named & (synthetic == 0)),
            "content": keep.mean().item(),
            "smooth": smooth.mean().item(),
            "steady": steady.mean().item() if twice else None,
            "hatch": hatch.mean().item(),
            "layout": layout.mean().item(),
            "gradient": length.item(),
            "each": [
                [PAINTINGS[i].name, s]
                for i, s, counts in zip(index.tolist(), style.tolist(), shown, strict=True)
                if counts
            ],
        }  # fmt: skip

    def _draw(self, stage: Stage) -> Tensor:
        """A style for each picture, as a row of ``wanted``."""
        count = (stage.batch,)
        made_up = torch.rand(count, generator=self.generator) < stage.predicted
        named = torch.randint(len(PAINTINGS), count, generator=self.generator)
        made = torch.randint(len(self.statistics), count, generator=self.generator)
        return torch.where(made_up, len(PAINTINGS) + made, named)

    def _vectors(self, index: Tensor) -> Tensor:
        """Style vectors (N, STYLE_LENGTH) of rows of ``wanted``."""
        made_up = index >= len(PAINTINGS)
        vectors = self.styles[index.clamp_max(len(PAINTINGS) - 1)]
        if not bool(made_up.any()):
            return vectors
        seen = self.statistics[(index - len(PAINTINGS)).clamp_min(0)]
        predicted = self.styles.mean(dim=0) + self.predictor(seen)
        return torch.where(made_up[:, None], predicted, vectors)

    def _steady(self, stage: Stage, wide: Tensor, painted: Tensor, vectors: Tensor) -> Tensor:
        dy, dx = torch.randint(_SHIFT + 1, (2,), generator=self.generator).tolist()
        moved = wide[..., dy : dy + stage.size, dx : dx + stage.size]
        noise = torch.randn(moved.shape, generator=self.generator)
        again = self.net(_nhwc((moved + _NOISE * noise).clamp(0, 1)), vectors)
        return losses.disagreement(painted, again.float(), dy, dx)

    def save(self, path: Path) -> None:
        """Write a checkpoint; the old one stays whole until the new one is."""
        state = {
            "net": self.net.state_dict(),
            "predictor": self.predictor.state_dict(),
            "styles": self.styles.data,
            "optimiser": self.optimiser.state_dict(),
            "generator": self.generator.get_state(),
            "step": self.step,
            "seconds": self.seconds,
        }
        save_whole(state, path)

    def load(self, path: Path) -> None:
        """Go back to where a checkpoint was written."""
        state = torch.load(path, weights_only=True)
        self.net.load_state_dict(state["net"])
        self.predictor.load_state_dict(state["predictor"])
        self.styles.data.copy_(state["styles"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["generator"])
        self.step, self.seconds = state["step"], state["seconds"]


def build(arguments: argparse.Namespace) -> Trainer:
    """A trainer at step 0, or where ``--weights`` lets the refinement begin."""
    torch.manual_seed(arguments.seed)
    generator = torch.Generator().manual_seed(arguments.seed)
    vgg = VggSlice(arguments.vgg).to(memory_format=torch.channels_last)
    with torch.no_grad():
        paintings = [load_painting(p, arguments.paintings) for p in PAINTINGS]
        named = losses.targets(vgg, paintings)
    bank = _bank(arguments, vgg)
    wanted = losses.joined([named, bank.wanted])
    colours = _colours(paintings, bank)
    net, predictor = ConditionalStyleNet(), StylePredictor()
    styles = _neutral_style().repeat(len(PAINTINGS), 1)
    step = 0
    if arguments.weights:
        load_weights(arguments.weights, net, predictor, styles)
        step = sum(stage.steps for stage in STAGES[:REFINED])
    else:
        predictor.mean.copy_(bank.statistics.mean(dim=0))
        predictor.deviation.copy_(bank.statistics.std(dim=0).clamp_min(1e-3))
        with torch.no_grad():
            predictor.out.weight.mul_(0.1)
            predictor.out.bias.zero_()
    rows = torch.nn.Parameter(styles)
    net = net.to(memory_format=torch.channels_last)
    groups: list[dict[str, Any]] = [
        {"params": list(net.parameters())},
        {"params": list(predictor.parameters())},
        {"params": [rows], "boost": 2.0},
    ]
    optimiser = torch.optim.Adam(groups, lr=STAGES[0].rate[0])
    contents = Contents(arguments.photos, generator, synthetic=_SYNTHETIC)
    return Trainer(
        net,
        predictor,
        rows,
        optimiser,
        vgg,
        wanted,
        colours,
        bank.statistics,
        contents,
        generator,
        step,
    )


def _bank(arguments: argparse.Namespace, vgg: VggSlice) -> Bank:
    """The made-up styles: the same ones in every run with a seed, kept in ``--out``."""
    path = arguments.out / "bank.pt"
    if not path.exists():
        dice = torch.Generator().manual_seed(arguments.seed + 1)
        StyleMaker(arguments.paintings, arguments.photos, dice).bank(vgg, _MADE_UP).save(path)
    return Bank.load(path)


def _colours(paintings: list[Tensor], bank: Bank) -> Colours:
    """Those of the paintings, then those of the made-up styles."""
    each = [*map(Colours.of, paintings), bank.colours]
    return Colours(torch.cat([c.mean for c in each]), torch.cat([c.covariance for c in each]))


def load_weights(
    path: Path, net: ConditionalStyleNet, predictor: StylePredictor, styles: Tensor
) -> None:
    """Take trunk, predictor and styles (paintings, STYLE_LENGTH) from exported weights.

    Weights of version 2, which did not see the frame itself at full size, paint as they did.

    Raises:
        ValueError: the trunk lacks anything else.
    """
    tensors = {name: value.float() for name, value in load_file(path).items()}
    trunk, guess, named = (
        tensors_under(prefix, tensors) for prefix in ("trunk.", "predictor.", "style.")
    )
    missing = STYLE_LENGTH - len(guess["out.bias"])
    more = torch.cat((torch.ones(missing // 2), torch.zeros(missing // 2)))
    for row, painting in enumerate(PAINTINGS):
        styles[row] = torch.cat((named[painting.name], more))
    guess["out.bias"] = torch.cat((guess["out.bias"], more)) - styles.mean(dim=0)
    guess["out.weight"] = F.pad(guess["out.weight"], (0, 0, 0, missing))
    unseen = net.leave.in_channels - trunk["leave.weight"].shape[1]
    trunk["leave.weight"] = F.pad(trunk["leave.weight"], (0, 0, 0, 0, 0, unseen))
    lacks = [name for name in net.state_dict().keys() - trunk if not name.startswith("see.")]
    if lacks:
        raise ValueError(f"{path} has no {', '.join(sorted(lacks))}")
    net.load_state_dict(net.state_dict() | trunk)
    predictor.load_state_dict(guess)


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
                export(trainer.net, trainer.predictor, trainer.styles.data, arguments, trainer.step)
                contact_sheet(trainer.net, trainer.styles.data, arguments)
                trainer.save(checkpoint)  # last: who goes on from it lacks nothing


def drop_later_rows(log: Path, step: int) -> None:
    """Remove what the log says of steps after the checkpoint: they will be done again."""
    if log.exists():
        rows = log.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [row for row in rows if row.endswith("\n") and json.loads(row)["step"] <= step]
        log.write_text("".join(kept), encoding="utf-8")


def _mean(losses: Tensor, where: Tensor) -> float | None:
    """Mean of those that count, or None."""
    return losses[where].mean().item() if bool(where.any()) else None


def _nhwc(pictures: Tensor) -> Tensor:
    return pictures.contiguous(memory_format=torch.channels_last)
