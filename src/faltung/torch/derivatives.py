"""Gradients of any order, forward-mode derivatives and batching of the operators.

Each gradient is one of the operators again, so that they close under differentiation:

    y  = conv(x, weight)              linear in both
    gx = conv_input_grad(gy, weight)  linear in gy, antilinear in weight
    gw = conv_weight_grad(x, gy)      linear in gy, antilinear in x

The classes serve ``torch.func``; the same functions are registered for the operators themselves.
"""

from __future__ import annotations

from typing import Any

import torch
from faltung.torch import batching, ops
from faltung.torch.calls import spec_of_text
from torch import Tensor

__all__ = ["Conv", "ConvInputGrad", "ConvWeightGrad", "Fold", "Gradients", "Unfold", "bias_grad"]

Gradients = tuple[Tensor | None, ...]


class Conv(torch.autograd.Function):
    """``faltung::conv``: x, weight, bias or None, text of the spec."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None, spec: str) -> Tensor:
        return ops.conv(x, weight, bias, spec)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, bias, ctx.spec = inputs
        _save(ctx, x, weight)
        ctx.has_bias = bias is not None

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Gradients:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias, _ = ctx.needs_input_grad
        return (
            ConvInputGrad.apply(grad, weight, _size(ctx.spec, x), ctx.spec) if of_x else None,
            ConvWeightGrad.apply(x, grad, ctx.spec) if of_weight else None,
            bias_grad(grad, spec_of_text(ctx.spec).ndim) if of_bias else None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, dx: Tensor | None, dweight: Tensor | None, dbias: Tensor | None, _: None) -> Tensor:
        x, weight = ctx.saved_for_forward
        parts = []
        if dx is not None:
            parts.append(Conv.apply(dx, weight, None, ctx.spec))
        if dweight is not None:
            parts.append(Conv.apply(x, dweight, None, ctx.spec))
        if dbias is not None:
            zeros = torch.zeros_like(x)
            parts.append(Conv.apply(zeros, torch.zeros_like(weight), dbias, ctx.spec))
        return _sum(parts)

    vmap = staticmethod(batching.conv)


class ConvInputGrad(torch.autograd.Function):
    """``faltung::conv_input_grad``: gradient, weight, size of the input, text of the spec."""

    @staticmethod
    def forward(grad: Tensor, weight: Tensor, input_size: list[int], spec: str) -> Tensor:
        return ops.conv_input_grad(grad, weight, input_size, spec)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        grad, weight, ctx.input_size, ctx.spec = inputs
        _save(ctx, grad, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Gradients:
        of_output, weight = ctx.saved_tensors
        return (
            Conv.apply(grad, weight, None, ctx.spec) if ctx.needs_input_grad[0] else None,
            ConvWeightGrad.apply(grad, of_output, ctx.spec) if ctx.needs_input_grad[1] else None,
            None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, dgrad: Tensor | None, dweight: Tensor | None, *_: None) -> Tensor:
        grad, weight = ctx.saved_for_forward
        parts = [] if dgrad is None else [ConvInputGrad.apply(dgrad, weight, ctx.input_size, ctx.spec)]
        return _sum(parts if dweight is None else [*parts, ConvInputGrad.apply(grad, dweight, ctx.input_size, ctx.spec)])

    vmap = staticmethod(batching.conv_input_grad)


class ConvWeightGrad(torch.autograd.Function):
    """``faltung::conv_weight_grad``: input, gradient, text of the spec."""

    @staticmethod
    def forward(x: Tensor, grad: Tensor, spec: str) -> Tensor:
        return ops.conv_weight_grad(x, grad, spec)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, grad, ctx.spec = inputs
        _save(ctx, x, grad)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Gradients:
        x, of_output = ctx.saved_tensors
        return (
            ConvInputGrad.apply(of_output, grad, _size(ctx.spec, x), ctx.spec) if ctx.needs_input_grad[0] else None,
            Conv.apply(x, grad, None, ctx.spec) if ctx.needs_input_grad[1] else None,
            None,
        )

    @staticmethod
    def jvp(ctx: Any, dx: Tensor | None, dgrad: Tensor | None, _: None) -> Tensor:
        x, grad = ctx.saved_for_forward
        parts = [] if dx is None else [ConvWeightGrad.apply(dx, grad, ctx.spec)]
        return _sum(parts if dgrad is None else [*parts, ConvWeightGrad.apply(x, dgrad, ctx.spec)])

    vmap = staticmethod(batching.conv_weight_grad)


class Unfold(torch.autograd.Function):
    """``faltung::unfold``: input, text of the window's spec."""

    @staticmethod
    def forward(x: Tensor, spec: str) -> Tensor:
        return ops.unfold(x, spec)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, ctx.spec = inputs
        ctx.size = _size(ctx.spec, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Gradients:
        return Fold.apply(grad, ctx.size, ctx.spec), None

    @staticmethod
    def jvp(ctx: Any, dx: Tensor, _: None) -> Tensor:
        derivative: Tensor = Unfold.apply(dx, ctx.spec)
        return derivative

    vmap = staticmethod(batching.unfold)


class Fold(torch.autograd.Function):
    """``faltung::fold``: columns, size of the result, text of the window's spec."""

    @staticmethod
    def forward(columns: Tensor, output_size: list[int], spec: str) -> Tensor:
        return ops.fold(columns, output_size, spec)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.size, ctx.spec = inputs

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Gradients:
        return Unfold.apply(grad, ctx.spec), None, None

    @staticmethod
    def jvp(ctx: Any, dcolumns: Tensor, *_: None) -> Tensor:
        derivative: Tensor = Fold.apply(dcolumns, ctx.size, ctx.spec)
        return derivative

    vmap = staticmethod(batching.fold)


def bias_grad(grad: Tensor, ndim: int) -> Tensor:
    """The gradient of an output summed over all axes but that of the channels."""
    channels = grad.dim() - ndim - 1
    return grad.sum([axis for axis in range(grad.dim()) if axis != channels])


def _save(ctx: Any, *tensors: Tensor) -> None:
    ctx.save_for_backward(*tensors)
    if hasattr(ctx, "save_for_forward"):  # an operator's context has no forward mode
        ctx.save_for_forward(*tensors)


def _size(spec: str, tensor: Tensor) -> list[int]:
    return list(tensor.shape[-spec_of_text(spec).ndim :])


def _sum(parts: list[Tensor]) -> Tensor:
    first, *others = parts
    for part in others:
        first = first + part
    return first


_CLASSES: dict[str, Any] = {
    "conv": Conv,
    "conv_input_grad": ConvInputGrad,
    "conv_weight_grad": ConvWeightGrad,
    "unfold": Unfold,
    "fold": Fold,
}
for _name, _function in _CLASSES.items():
    torch.library.register_autograd(f"faltung::{_name}", _function.backward, setup_context=_function.setup_context, lib=ops.library)
    torch.library.register_vmap(f"faltung::{_name}", _function.vmap, lib=ops.library)
