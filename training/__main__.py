"""Train what framewright ships: the encoder, the style network, then the styles once more.

    python -m training --vgg vgg_normalised_conv3_1.pth --paintings DIR --photos DIR --out DIR

Hours on a CPU. Whatever interrupts it, the same command goes on from the last checkpoints.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from training import train_encoder, train_fast
from training.refit import refit


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--vgg", type=Path, required=True, help="VGG-19 slice up to relu3_1")
    parser.add_argument("--paintings", type=Path, required=True, help="folder of the paintings")
    parser.add_argument("--photos", type=Path, required=True, help="folder of .png photos")
    parser.add_argument("--out", type=Path, required=True, help="checkpoints, logs, weights")
    parser.add_argument(
        "--weights",
        type=Path,
        help="exported weights: only the stages that refine them are run",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=int, default=100, help="steps between checkpoints")
    arguments = parser.parse_args()
    arguments.pictures = [arguments.photos, arguments.paintings]
    torch.set_num_threads(arguments.threads)
    train_encoder.train(arguments)
    train_fast.train(arguments)
    refit(arguments)


if __name__ == "__main__":
    main()
