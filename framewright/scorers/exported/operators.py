"""Operators that a program of torch.export may name: they compute, and do nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch

__all__ = ["operator_named"]

_TARGET = re.compile(r"torch\.ops\.aten\.([a-z0-9_]+)\.([A-Za-z0-9_]+)")
_NAMES = """
_log_softmax _native_batch_norm_legit_no_training _softmax _to_copy _unsafe_view abs
adaptive_avg_pool2d adaptive_max_pool2d add add_ addmm alias amax amin arange argmax atan2
avg_pool2d baddbmm batch_norm bitwise_and bitwise_not bitwise_or bmm broadcast_to cat ceil celu
channel_shuffle chunk clamp clamp_ clamp_max clamp_max_ clamp_min clamp_min_ clone col2im
constant_pad_nd contiguous conv1d conv2d conv3d conv_transpose2d convolution copy cos cumsum
detach div div_ einsum elu elu_ eq erf exp expand expand_as flatten flip floor floor_divide fold
full full_like gather ge gelu glu grid_sampler grid_sampler_2d group_norm gt hardshrink
hardsigmoid hardsigmoid_ hardswish hardswish_ hardtanh hardtanh_ im2col index index_select
instance_norm layer_norm le leaky_relu leaky_relu_ lerp lift_fresh_copy linear linspace log
log10 log2 log_softmax logical_and logical_not logical_or logsumexp lt masked_fill matmul max
max_pool2d max_pool2d_with_indices maximum mean meshgrid min minimum mish mm movedim mul mul_
narrow native_batch_norm native_channel_shuffle native_group_norm native_layer_norm ne neg norm
ones ones_like pad permute pixel_shuffle pixel_unshuffle pow prelu reciprocal reflection_pad2d
relu relu6 relu6_ relu_ remainder repeat repeat_interleave replication_pad2d reshape reshape_as
roll rot90 round rsqrt rsub scalar_tensor scaled_dot_product_attention scatter select selu selu_
sigmoid sigmoid_ sign silu silu_ sin slice softmax softplus softshrink split split_with_sizes
sqrt square squeeze stack std sub sub_ sum swapaxes sym_size t tan tanh tanh_ threshold tile to
topk transpose tril triu true_divide type_as unbind unflatten unfold unsqueeze
upsample_bicubic2d upsample_bilinear2d upsample_nearest2d var var_mean view view_as where zeros
zeros_like
"""
_ALLOWED = frozenset(_NAMES.split())
_INTEGERS: dict[str, Callable[..., Any]] = {
    "_operator.add": lambda a, b: a + b,
    "_operator.sub": lambda a, b: a - b,
    "_operator.mul": lambda a, b: a * b,
    "_operator.floordiv": lambda a, b: a // b,
    "_operator.truediv": lambda a, b: a / b,
    "_operator.mod": lambda a, b: a % b,
    "_operator.neg": lambda a: -a,
    "_operator.getitem": lambda a, b: a[int(b)],
    "math.ceil": lambda a: int(-(-a // 1)),
    "math.floor": lambda a: int(a // 1),
    "math.trunc": int,
    "torch.sym_int": int,
    "torch.sym_float": float,
    "torch.sym_max": max,
    "torch.sym_min": min,
}
"""What a program does with the sizes of its input."""


def operator_named(target: str) -> Callable[..., Any]:
    """Return what a node of a program calls.

    Raises:
        ValueError: that is not on the list of those that only compute.
    """
    if (known := _INTEGERS.get(target)) is not None:
        return known
    match = _TARGET.fullmatch(target)
    packet = getattr(torch.ops.aten, match[1], None) if match and match[1] in _ALLOWED else None
    if match is None or packet is None or match[2] not in packet.overloads():
        raise ValueError(f"it uses {target[:100]!r}, which is not among the operators allowed")
    found: Callable[..., Any] = getattr(packet, match[2])
    return found
