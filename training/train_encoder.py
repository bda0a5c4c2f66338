"""Distil the small encoder from the VGG-19 slice, on a CPU.

It continues from the checkpoint in ``--out`` when there is one, and writes ``encoder.jsonl`` and
``encoder-v1.safetensors`` there.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from framewright.perceptual.small import SmallEncoder
from training.checkpoint import save_whole
from training.pictures import Pictures
from training.vgg import VggSlice

__all__ = ["distance", "train"]

_STEPS = 2200
_SIZE, _BATCH = 96, 8
_RATE = (3e-3, 2e-5)
_LEAK = 0.2
"""Slope under zero: what a ReLU drops counts less, and is still looked at."""

_GRAM = 0.3
"""Weight of the Gram matrices beside that of the features: they are what the losses read."""


def gram(features: Tensor) -> Tensor:
    """Mean products of the channels of features (N, C, H, W): (N, C, C)."""
    flat = features.float().flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def distance(found: list[Tensor], wanted: list[Tensor]) -> tuple[Tensor, list[float]]:
    """How far five maps are from the teacher's: the loss, and the share of variance missed."""
    total = torch.zeros(())
    missed = []
    for have, want in zip(found, wanted, strict=True):
        seen, there = F.leaky_relu(have.float(), _LEAK), F.leaky_relu(want.float(), _LEAK)
        error = (seen - there).square().mean() / there.var()
        grams = gram(seen), gram(there)
        relative = (grams[0] - grams[1]).square().sum() / grams[1].square().sum()
        total = total + error + _GRAM * relative
        missed.append(round(error.item(), 5))
    return total, missed


def save(encoder: SmallEncoder, out: Path, steps: int, seed: int) -> None:
    """Write the weights in half precision."""
    tensors = {n: t.to(torch.float16).contiguous() for n, t in encoder.state_dict().items()}
    metadata = {"format": "framewright-encoder-1", "steps": str(steps), "seed": str(seed)}
    save_file(tensors, out / "encoder-v1.safetensors", metadata)


def train(arguments: argparse.Namespace) -> None:
    """Run all steps, from the start or from the checkpoint."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(arguments.seed)
    generator = torch.Generator().manual_seed(arguments.seed)
    pictures = Pictures(arguments.pictures, generator)
    teacher = VggSlice(arguments.vgg)
    encoder = SmallEncoder()
    optimiser = torch.optim.Adam(encoder.parameters(), lr=_RATE[0])
    checkpoint, start = arguments.out / "encoder.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        encoder.load_state_dict(state["encoder"])
        optimiser.load_state_dict(state["optimiser"])
        generator.set_state(state["generator"])
        start = state["step"]
    with (arguments.out / "encoder.jsonl").open("a", encoding="utf-8") as log:
        for step in range(start, _STEPS):
            rate = _RATE[1] + (_RATE[0] - _RATE[1]) * 0.5 * (1 + math.cos(math.pi * step / _STEPS))
            for group in optimiser.param_groups:
                group["lr"] = rate
            began = time.perf_counter()
            batch = pictures.batch(_BATCH, _SIZE)
            with torch.autocast("cpu", torch.bfloat16):
                with torch.no_grad():
                    wanted = teacher.before_relu(batch)
                found = encoder(batch)
            loss, missed = distance(found, wanted)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(encoder.parameters(), 5.0)
            optimiser.step()
            row: dict[str, Any] = {
                "step": step + 1, "loss": round(loss.item(), 5), "missed": missed,
                "took": round(time.perf_counter() - began, 3),
            }  # fmt: skip
            log.write(json.dumps(row) + "\n")
            if (step + 1) % arguments.every == 0 or step + 1 == _STEPS:
                log.flush()
                save(encoder, arguments.out, step + 1, arguments.seed)
                state = {
                    "encoder": encoder.state_dict(), "optimiser": optimiser.state_dict(),
                    "generator": generator.get_state(), "step": step + 1,
                }  # fmt: skip
                save_whole(state, checkpoint)
