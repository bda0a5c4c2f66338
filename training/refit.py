"""Fit the shipped styles as a user's paintings are: trained vectors paint too pale."""

from __future__ import annotations

import argparse
import json

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from framewright.scorers.fast.fit import Networks, fit_style
from framewright.scorers.fast.weights import WEIGHTS_FILE, tensors_under
from training.paintings import PAINTINGS, load_painting

__all__ = ["refit"]


def refit(arguments: argparse.Namespace) -> None:
    """Replace the style vectors in the weights file of ``--out`` by fitted ones, once.

    The metadata then say so under ``refitted``.
    """
    path = arguments.out / WEIGHTS_FILE
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if metadata.get("refitted"):
        return

    exact = {name: value.float() for name, value in tensors.items()}
    trunk, predictor, named = (
        tensors_under(prefix, exact) for prefix in ("trunk.", "predictor.", "style.")
    )
    networks = Networks.of(trunk, predictor, named.values())
    for painting in PAINTINGS:
        style = fit_style(
            load_painting(painting, arguments.paintings), lambda done, total: None, networks
        )
        tensors[f"style.{painting.name}"] = style.to(torch.float16)
    partial = path.with_suffix(".part")
    save_file(tensors, partial, metadata | {"refitted": json.dumps([p.name for p in PAINTINGS])})
    partial.replace(path)
