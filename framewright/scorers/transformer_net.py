"""The TransformerNet of pytorch/examples' ``fast_neural_style``, and files of its weights.

The network of Johnson et al. 2016, "Perceptual Losses for Real-Time Style Transfer and
Super-Resolution", with instance normalisation (Ulyanov et al. 2016) and nearest-neighbour
upsampling in place of transposed convolutions. Layers have the names that such files use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framewright.errors import ScorerOptionError
from framewright.perceptual.weights_file import load_weights_file
from framewright.scorers.padding import padded

__all__ = ["TransformerNet", "read_state"]

_STRIDE, _SMALLEST = 4, 16
_OLD_STATISTICS = re.compile(r"(.*\.)?in\d\.(running_mean|running_var|num_batches_tracked)")
"""Written by torch before 0.4, whose instance normalisation kept statistics but did not use them;
see pytorch/examples issue 367."""
_SHOWN = 4
_HINT = (
    "The scorer takes the weights of TransformerNet as pytorch/examples' fast_neural_style saves "
    "them: torch.save(net.state_dict(), FILE). For another network see the scorer 'exported'."
)


class _Conv(nn.Module):
    """Reflection padding and a convolution, perhaps after enlarging."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, upsample: int = 1
    ) -> None:
        super().__init__()
        self._padding = (kernel // 2,) * 4
        self._upsample = upsample
        self.conv2d = nn.Conv2d(inputs, outputs, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        if self._upsample > 1:
            x = F.interpolate(x, scale_factor=self._upsample, mode="nearest")
        return self.conv2d(F.pad(x, self._padding, mode="reflect"))  # type: ignore[no-any-return]


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _Conv(channels, channels, 3)
        self.in1 = nn.InstanceNorm2d(channels, affine=True)
        self.conv2 = _Conv(channels, channels, 3)
        self.in2 = nn.InstanceNorm2d(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        change: Tensor = self.in2(self.conv2(F.relu(self.in1(self.conv1(x)))))
        return change + x


class TransformerNet(nn.Module):
    """Paints frames in [0, 1]; the values inside have the range that it was trained for.

    Args:
        top: value of white at its input and output: 255 in pytorch/examples, or 1.
    """

    def __init__(self, top: int = 255) -> None:
        super().__init__()
        self._top = top
        self.conv1, self.in1 = _Conv(3, 32, 9), nn.InstanceNorm2d(32, affine=True)
        self.conv2, self.in2 = _Conv(32, 64, 3, stride=2), nn.InstanceNorm2d(64, affine=True)
        self.conv3, self.in3 = _Conv(64, 128, 3, stride=2), nn.InstanceNorm2d(128, affine=True)
        self.res1, self.res2, self.res3 = _Residual(128), _Residual(128), _Residual(128)
        self.res4, self.res5 = _Residual(128), _Residual(128)
        self.deconv1, self.in4 = _Conv(128, 64, 3, upsample=2), nn.InstanceNorm2d(64, affine=True)
        self.deconv2, self.in5 = _Conv(64, 32, 3, upsample=2), nn.InstanceNorm2d(32, affine=True)
        self.deconv3 = _Conv(32, 3, 9)

    def forward(self, frames: Tensor) -> Tensor:
        """Paint frames (N, 3, H, W), RGB in [0, 1]; same shape and range."""
        height, width = frames.shape[-2:]
        size = (max(_SMALLEST, -(-side // _STRIDE) * _STRIDE) for side in (height, width))
        x = padded(frames, *size) * self._top
        x = F.relu(self.in1(self.conv1(x)))
        x = F.relu(self.in2(self.conv2(x)))
        x = F.relu(self.in3(self.conv3(x)))
        x = self.res5(self.res4(self.res3(self.res2(self.res1(x)))))
        x = F.relu(self.in4(self.deconv1(x)))
        x = F.relu(self.in5(self.deconv2(x)))
        pictures: Tensor = (self.deconv3(x) / self._top).clamp(0, 1)
        return pictures[..., :height, :width]


def read_state(path: Path, max_bytes: int) -> dict[str, Tensor]:
    """Read a file of weights, of torch or safetensors, into the state of a ``TransformerNet``.

    Nothing is unpickled but tensors and containers of them. Prefixes ``module.`` and statistics
    that old files hold are dropped; numbers become float32.

    Args:
        path: the file.
        max_bytes: most that it may unpack to.

    Raises:
        ScorerOptionError: it is none, or not of this network: which layers differ, and how.
    """
    try:
        loaded = load_weights_file(path, max_bytes)
    except ValueError as error:
        raise _refused(path, str(error)) from error
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not all(isinstance(key, str) for key in loaded):
        raise _refused(path, f"it holds a {type(loaded).__name__}, not the state of a network")
    state = {_bare(key): value for key, value in loaded.items()}
    state = {key: value for key, value in state.items() if not _OLD_STATISTICS.fullmatch(key)}
    with torch.device("meta"):
        wanted = TransformerNet().state_dict()
    for what, keys in (
        ("it lacks", [key for key in wanted if key not in state]),
        ("it has besides", [key for key in state if key not in wanted]),
    ):
        if keys:
            raise _refused(path, f"{what} {_some(keys)}")
    wrong = [_shape(key, wanted[key], state[key]) for key in wanted]
    if found := [text for text in wrong if text]:
        raise _refused(path, _some(found))
    state = {key: state[key].detach().float() for key in wanted}
    if broken := [key for key, value in state.items() if not bool(value.isfinite().all())]:
        raise _refused(path, f"not all numbers are finite in {_some(broken)}")
    return state


def _bare(key: str) -> str:
    while key.startswith("module."):
        key = key.removeprefix("module.")
    return key


def _shape(key: str, wanted: Tensor, found: object) -> str:
    """Say what is wrong with a layer's numbers; nothing if they fit."""
    if not isinstance(found, Tensor) or not found.is_floating_point():
        return f"{key} is no tensor of floats"
    if found.shape != wanted.shape:
        return f"{key} has shape {tuple(found.shape)}, not {tuple(wanted.shape)}"
    return ""


def _some(texts: list[str]) -> str:
    rest = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _refused(path: Path, why: str) -> ScorerOptionError:
    return ScorerOptionError(f"the weights {str(path)!r} cannot be used: {why}. {_HINT}")
