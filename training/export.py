"""Write the trained network in the form that is shipped."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from framewright.scorers.fast.network import ConditionalStyleNet
from framewright.scorers.fast.predictor import StylePredictor
from framewright.scorers.fast.weights import WEIGHTS_FILE, WEIGHTS_FORMAT
from training.paintings import PAINTINGS, statistics

__all__ = ["export", "write_styles"]


def export(
    net: ConditionalStyleNet,
    predictor: StylePredictor,
    styles: Tensor,
    arguments: argparse.Namespace,
    step: int,
) -> None:
    """Write the weights file (half precision) and ``styles.json`` into ``--out``."""
    tensors = {f"trunk.{name}": value for name, value in net.state_dict().items()}
    tensors |= {f"predictor.{name}": value for name, value in predictor.state_dict().items()}
    tensors["predictor.out.bias"] = tensors["predictor.out.bias"] + styles.mean(dim=0)
    tensors |= {f"style.{p.name}": styles[row] for row, p in enumerate(PAINTINGS)}
    half = {name: value.to(torch.float16).contiguous().clone() for name, value in tensors.items()}
    metadata = {
        "format": WEIGHTS_FORMAT,
        "styles": json.dumps([p.name for p in PAINTINGS]),
        "steps": str(step),
        "seed": str(arguments.seed),
    }
    save_file(half, arguments.out / WEIGHTS_FILE, metadata)
    write_styles(arguments.paintings, arguments.out / "styles.json")


def write_styles(paintings: Path, path: Path) -> None:
    """Write what is known of each painting, with the mean and covariance of its colours."""
    styles = []
    for painting in PAINTINGS:
        mean, covariance = statistics(painting, paintings)
        styles.append(
            {
                "name": painting.name,
                "title": painting.title,
                "artist": painting.artist,
                "year": painting.year,
                "rights": f"public domain: the artist died in {painting.died}",
                "mean": mean,
                "covariance": covariance,
            }
        )
    text = json.dumps({"styles": styles}, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
