"""Which way a call takes: to the engine, to an operator, or to PyTorch's own function.

Tensors that nobody but the kernel needs to hear of go straight to the engine, as do those that only autograd follows. Those that
somebody else follows (tracing, transformations, subclasses) go through the operators. What Faltung does not serve, or what does not fit,
goes to PyTorch's own function, which serves it or says what is wrong in its own words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F

import torch
from faltung.torch import ops, resolve
from faltung.torch.calls import call_conv, call_fold, call_unfold, spec_of_text
from faltung.torch.derivatives import Conv, Fold, Unfold
from faltung.torch.eager import FaltungConv
from faltung.torch.fallback import conv_by_pytorch
from faltung.torch.packed import call_again, call_prepared
from faltung.torch.tensors import is_direct, is_plain, is_served
from torch import Tensor

__all__ = ["conv_described", "conv_nd", "fold", "unfold"]


# Compilers trace through these two as they run, with the sizes that they have at that time.
@torch.compiler.allow_in_graph
def conv_nd(name: str, x: Tensor, weight: Tensor, bias: Tensor | None, padding_mode: str = "zeros", **fields: Any) -> Tensor:
    """PyTorch's function of this name, and what its layers do in another padding mode, by Faltung where it serves the arguments."""
    bias_shape = None if bias is None else bias.shape
    direct = not torch.compiler.is_compiling() and is_direct(x, weight, bias)
    kind = None
    if direct:
        kind = (name, x.shape, x.dtype, weight.shape, bias_shape, padding_mode, *fields.values())
        y = call_again(kind, x, weight, bias)
        if y is not None:
            return y
    else:
        x, weight, bias = _autocast(x, weight, bias)
    if direct or is_served(x, weight, bias) or padding_mode != "zeros":
        text = resolve.conv_text(name, x.shape, weight.shape, bias_shape, padding_mode, fields)
        if text is not None:
            return _run(text, x, weight, bias, kind)
    pytorch: Callable[..., Tensor] = getattr(F, name)
    return pytorch(x, weight, bias, **fields)


@torch.compiler.allow_in_graph
def conv_described(text: str, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The convolution that the text of a spec describes."""
    kind = None
    if not torch.compiler.is_compiling() and is_direct(x, weight, bias):
        kind = (text, x.shape, x.dtype, weight.shape, None if bias is None else bias.shape)
        y = call_again(kind, x, weight, bias)
        if y is not None:
            return y
    else:
        x, weight, bias = _autocast(x, weight, bias)
    return _run(text, x, weight, bias, kind)


def unfold(x: Tensor, **fields: Any) -> Tensor:
    """``torch.nn.functional.unfold``."""
    if is_served(x) and x.dim() in (3, 4) and 0 not in x.shape:
        text = resolve.window_text(x.shape[-2:], fields)
        if text is not None:
            direct = not torch.compiler.is_compiling() and is_direct(x)
            return call_unfold(spec_of_text(text), x) if direct else _differentiable(Unfold, ops.unfold, x, text)
    return F.unfold(x, **fields)


def fold(columns: Tensor, output_size: Any, **fields: Any) -> Tensor:
    """``torch.nn.functional.fold``."""
    size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
    if is_served(columns) and columns.dim() in (2, 3) and len(size) == 2 and 0 not in columns.shape:
        text = resolve.window_text(size, fields, columns.shape[-2:])
        if text is not None:
            if not torch.compiler.is_compiling() and is_direct(columns):
                return call_fold(spec_of_text(text), columns, size)
            return _differentiable(Fold, ops.fold, columns, list(size), text)
    return F.fold(columns, output_size, **fields)


def _run(text: str, x: Tensor, weight: Tensor, bias: Tensor | None, kind: tuple[Any, ...] | None) -> Tensor:
    """By the engine for calls that have a `kind`, which are direct; else as an operator, or by PyTorch."""
    if kind is not None:
        spec = spec_of_text(text)
        return (call_prepared if type(weight) is torch.nn.Parameter else call_conv)(spec, x, weight, bias, kind)
    if not torch.compiler.is_compiling() and is_plain(x, weight, bias):
        recorded: Tensor = FaltungConv.apply(x, weight, bias, text)
        return recorded
    if is_served(x, weight, bias):
        return _differentiable(Conv, ops.conv, x, weight, bias, text)
    return conv_by_pytorch(spec_of_text(text), x, weight, bias)


def _differentiable(function: type[torch.autograd.Function], operator: Callable[..., Tensor], *arguments: Any) -> Tensor:
    """The operator; within ``torch.func`` and forward-mode differentiation its class, which these can look into."""
    if torch._C._functorch.peek_interpreter_stack() is not None or torch.autograd.forward_ad._current_level >= 0:
        result: Tensor = function.apply(*arguments)
        return result
    return operator(*arguments)


def _autocast(*tensors: Any) -> tuple[Any, ...]:
    """The tensors as autocast wants them, if it is on: lower precision for all but float64, as for PyTorch's convolutions."""
    if not torch.is_autocast_enabled("cpu"):
        return tensors
    dtype = torch.get_autocast_dtype("cpu")
    return tuple(
        tensor.to(dtype)
        if isinstance(tensor, torch.Tensor) and tensor.is_cpu and tensor.is_floating_point() and tensor.dtype is not torch.float64
        else tensor
        for tensor in tensors
    )
