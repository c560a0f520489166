"""The operators ``faltung::conv``, ``conv_input_grad`` and ``conv_weight_grad`` (and ``unfold``, ``fold``) as PyTorch knows them.

Each takes the text of the one `ConvSpec`. Registered here: what computes on the CPU, the shapes without data (for ``torch.compile`` and
``torch.export``). Their gradients, and how they are batched, are in `derivatives`, which registers them.

    y  = conv(x, weight)              linear in both
    gx = conv_input_grad(gy, weight)  linear in gy, antilinear in weight
    gw = conv_weight_grad(x, gy)      linear in gy, antilinear in x
"""

from __future__ import annotations

import math

import torch
from faltung.torch.calls import call_conv, call_fold, call_input_grad, call_unfold, call_weight_grad, spec_of_text
from faltung.torch.shapes import columns_shape, conv_shape
from faltung.torch.tensors import memory_format_of

__all__ = ["conv", "conv_input_grad", "conv_weight_grad", "fold", "unfold"]

library = torch.library.Library("faltung", "DEF")
library.define("conv(Tensor x, Tensor weight, Tensor? bias, str spec) -> Tensor")
library.define("conv_input_grad(Tensor grad, Tensor weight, SymInt[] input_size, str spec) -> Tensor")
library.define("conv_weight_grad(Tensor x, Tensor grad, str spec) -> Tensor")
library.define("unfold(Tensor x, str spec) -> Tensor")
library.define("fold(Tensor columns, SymInt[] output_size, str spec) -> Tensor")

conv = torch.ops.faltung.conv.default
conv_input_grad = torch.ops.faltung.conv_input_grad.default
conv_weight_grad = torch.ops.faltung.conv_weight_grad.default
unfold = torch.ops.faltung.unfold.default
fold = torch.ops.faltung.fold.default


# -- on the CPU ------------------------------------------------------------------------------------


@torch.library.impl("faltung::conv", "CPU", lib=library)
def _(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, spec: str) -> torch.Tensor:
    return call_conv(spec_of_text(spec), x, weight, bias)


@torch.library.impl("faltung::conv_input_grad", "CPU", lib=library)
def _(grad: torch.Tensor, weight: torch.Tensor, input_size: list[int], spec: str) -> torch.Tensor:
    return call_input_grad(spec_of_text(spec), grad, weight, tuple(input_size))


@torch.library.impl("faltung::conv_weight_grad", "CPU", lib=library)
def _(x: torch.Tensor, grad: torch.Tensor, spec: str) -> torch.Tensor:
    return call_weight_grad(spec_of_text(spec), x, grad)


@torch.library.impl("faltung::unfold", "CPU", lib=library)
def _(x: torch.Tensor, spec: str) -> torch.Tensor:
    return call_unfold(spec_of_text(spec), x)


@torch.library.impl("faltung::fold", "CPU", lib=library)
def _(columns: torch.Tensor, output_size: list[int], spec: str) -> torch.Tensor:
    return call_fold(spec_of_text(spec), columns, tuple(output_size))


# -- without data ----------------------------------------------------------------------------------


@torch.library.register_fake("faltung::conv", lib=library)
def _(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, spec: str) -> torch.Tensor:
    shape = conv_shape(spec_of_text(spec), x.shape, weight.shape, None if bias is None else bias.shape)
    return torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=memory_format_of(x))


@torch.library.register_fake("faltung::conv_input_grad", lib=library)
def _(grad: torch.Tensor, weight: torch.Tensor, input_size: list[int], spec: str) -> torch.Tensor:
    described = spec_of_text(spec)
    return grad.new_empty((*grad.shape[: -described.ndim - 1], described.in_channels, *input_size))


@torch.library.register_fake("faltung::conv_weight_grad", lib=library)
def _(x: torch.Tensor, grad: torch.Tensor, spec: str) -> torch.Tensor:
    return x.new_empty(spec_of_text(spec).weight_shape)


@torch.library.register_fake("faltung::unfold", lib=library)
def _(x: torch.Tensor, spec: str) -> torch.Tensor:
    return x.new_empty(columns_shape(spec_of_text(spec), x.shape))


@torch.library.register_fake("faltung::fold", lib=library)
def _(columns: torch.Tensor, output_size: list[int], spec: str) -> torch.Tensor:
    taps = math.prod(spec_of_text(spec).kernel_size)
    return columns.new_empty((*columns.shape[:-2], columns.shape[-2] // taps, *output_size))
