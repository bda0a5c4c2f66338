"""Milliseconds per frame of the fast style network on a CPU, all runtimes side by side.

    python -m benchmarks.fast_runtimes [--width 640 --height 360 --threads 1 --rounds 10]

Each runtime is warmed up, then all take turns, so that a busy moment hurts them alike; the
smallest time of each is reported. Appends to ``benchmarks/results.csv``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from benchmarks.record import record
from framewright.scorers.fast.network import BakedStyle, ConditionalStyleNet
from framewright.scorers.fast.weights import load_weights
from framewright.scorers.runtime import OpenVinoRunner

STYLE = "starry_night"


def runtimes(baked: BakedStyle, threads: int) -> dict[str, Callable[[Tensor], Tensor]]:
    def bf16(call: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def run(frame: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return call(frame).float()

        return run

    return {
        "eager fp32": baked,
        "eager bf16": bf16(baked),
        "compile bf16": bf16(torch.compile(baked)),
        "openvino fp32": OpenVinoRunner(baked, threads, "f32"),
        "openvino bf16": OpenVinoRunner(baked, threads, "bf16"),
    }


def test_frame(height: int, width: int) -> Tensor:
    """Soft shapes with edges and grain: (1, 3, height, width)."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 9, 16, generator=generator)
    frame = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")
    frame += 0.2 * (torch.arange(width) // 40 % 2) + 0.01 * torch.randn(
        frame.shape, generator=generator
    )
    return frame.clamp(0, 1)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args(argv)
    torch.set_num_threads(arguments.threads)
    torch.set_grad_enabled(False)

    trunk, vectors = load_weights()
    net = ConditionalStyleNet()
    net.load_state_dict(trunk)
    baked = net.bake(vectors[STYLE]).eval().requires_grad_(False)
    frame = test_frame(arguments.height, arguments.width)
    calls = runtimes(baked, arguments.threads)
    pictures = {name: call(frame) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(arguments.rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call(frame)
            times[name].append(1000 * (time.perf_counter() - start))

    rows = []
    for name in calls:
        error = (pictures[name] - pictures["eager fp32"]).abs()
        note = f"max error {error.max():.4f}, mean {error.mean():.5f}, against eager fp32"
        setting = f"{name}, {arguments.threads} thread{'s' * (arguments.threads > 1)}"
        rows.append((setting, min(times[name]), "ms/frame", note))
    record("fast", f"synthetic {arguments.width}x{arguments.height}", rows)


if __name__ == "__main__":
    main()
