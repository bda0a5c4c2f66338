"""Scorers on a GPU give what they give on a CPU, within what bf16 rounds."""

from __future__ import annotations

import pytest
import torch

from framewright.scorers import create

pytestmark = pytest.mark.cuda

CASES = [
    ("identity", {}, 0.0, 0.0),
    ("color", {"style": "wave"}, 1e-3, 1e-2),
    ("fast", {"style": "starry_night"}, 2e-2, 0.35),
]


@pytest.mark.parametrize(("name", "options", "mean_error", "largest_error"), CASES)
def test_cuda_agrees_with_cpu(
    name: str, options: dict[str, str], mean_error: float, largest_error: float
) -> None:
    frames = torch.rand(4, 3, 45, 80, generator=torch.Generator().manual_seed(1))
    frames = torch.nn.functional.interpolate(frames, scale_factor=4, mode="bicubic").clamp(0, 1)
    results = []
    for device in (torch.device("cpu"), torch.device("cuda")):
        scorer = create(name, options)
        scorer.setup(device, 1)
        with torch.inference_mode():
            results.append(scorer.score(frames.to(device)).float().cpu())
    difference = (results[0] - results[1]).abs()
    assert difference.mean() <= mean_error
    assert difference.max() <= largest_error
