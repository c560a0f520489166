"""A convolution that autograd records and nobody else follows: tensors to the engine and back, without the operators' machinery.

Its derivatives are those of `derivatives`, which takes over wherever somebody follows the gradients too.
"""

from __future__ import annotations

from typing import Any

import torch
from faltung.engine.run import TRAINING_SAMPLES
from faltung.torch import derivatives
from faltung.torch.calls import call_conv, call_input_grad, call_weight_grad, spec_of_text
from faltung.torch.tensors import is_direct
from torch import Tensor

__all__ = ["FaltungConv"]


class FaltungConv(torch.autograd.Function):
    """``faltung::conv`` of plain tensors: x, weight, bias or None, text of the spec."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, text: str) -> Tensor:
        """The convolution."""
        ctx.save_for_backward(x, weight)
        ctx.spec, ctx.has_bias = text, bias is not None
        return call_conv(spec_of_text(text), x, weight, bias, samples=TRAINING_SAMPLES)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> derivatives.Gradients:
        """Those of the three tensors that want one."""
        x, weight = ctx.saved_tensors
        if not is_direct(grad, x, weight):
            return derivatives.Conv.backward(ctx, grad)
        spec = spec_of_text(ctx.spec)
        of_x, of_weight, of_bias, _ = ctx.needs_input_grad
        return (
            call_input_grad(spec, grad, weight, tuple(x.shape[-spec.ndim :])) if of_x else None,
            call_weight_grad(spec, x, grad) if of_weight else None,
            derivatives.bias_grad(grad, spec.ndim) if of_bias else None,
            None,
        )
