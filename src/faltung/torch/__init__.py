"""Faltung for PyTorch: functions, layers and operators that train, compile and export.

``import faltung.torch as ft`` and write ``ft.conv2d`` for ``torch.nn.functional.conv2d``, ``ft.Conv2d`` for ``torch.nn.Conv2d``.
Tensors that Faltung does not serve (another device, dtype or layout) go to PyTorch's own convolution.
"""

from __future__ import annotations

from faltung.torch.requirement import required_torch

required_torch()

from faltung.torch import functional, layers, ops  # noqa: E402
from faltung.torch.acceleration import AccelerationReport, accelerate, restore  # noqa: E402
from faltung.torch.blocks import BlurPool2d, CausalConv1d, CircularConv2d, DepthwiseSeparableConv2d, SeparableConv2d  # noqa: E402
from faltung.torch.functional import (  # noqa: E402
    conv,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    fold,
    unfold,
)
from faltung.torch.layers import (  # noqa: E402
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    LazyConv1d,
    LazyConv2d,
    LazyConv3d,
    LazyConvTranspose1d,
    LazyConvTranspose2d,
    LazyConvTranspose3d,
)
from faltung.torch.packed import cache_bytes, clear_cache, set_cache_limit  # noqa: E402
from faltung.torch.specs import from_module, to_module  # noqa: E402
from faltung.torch.team import share_threads  # noqa: E402

__all__ = [
    "AccelerationReport", "BlurPool2d", "CausalConv1d", "CircularConv2d", "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d",
    "ConvTranspose2d", "ConvTranspose3d", "DepthwiseSeparableConv2d", "LazyConv1d", "LazyConv2d", "LazyConv3d", "LazyConvTranspose1d",
    "LazyConvTranspose2d", "LazyConvTranspose3d", "SeparableConv2d", "accelerate", "cache_bytes", "clear_cache", "conv", "conv1d",
    "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "fold", "from_module", "functional", "layers",
    "ops", "restore", "set_cache_limit", "to_module", "unfold",
]  # fmt: skip

share_threads()
