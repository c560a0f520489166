"""A convolution and its gradients on CPU tensors without gradients: from tensors to the engine and back.

The only place where `faltung.torch` calls the functions of `fl`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import torch
from faltung.engine.arrays import Array
from faltung.engine.plan import PreparedConv
from faltung.engine.run import run_conv
from faltung.functional import conv_input_grad, conv_weight_grad, fold, unfold
from faltung.spec import ConvSpec
from faltung.torch.tensors import as_array, as_tensor, memory_format_of

__all__ = ["PreparedCall", "call_conv", "call_fold", "call_input_grad", "call_unfold", "call_weight_grad", "spec_of_text"]

_contiguous = torch.contiguous_format


@functools.lru_cache(maxsize=1024)
def spec_of_text(text: str) -> ConvSpec:
    """The spec that a text describes, read once."""
    return ConvSpec.parse(text)


@functools.lru_cache(maxsize=1024)
def output_shape(spec: ConvSpec, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """As `ConvSpec.output_shape`, remembered."""
    return spec.output_shape(input_shape)


def call_conv(
    spec: ConvSpec, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, kind: tuple[Any, ...] | None = None,
    samples: int = 1,
) -> torch.Tensor:  # fmt: skip
    """The convolution, planned for so many samples; in memory as PyTorch would have laid it.

    What it takes is remembered for calls of this `kind`.
    """
    offset = None if bias is None else as_array(bias)
    return written(lambda out: run_conv(spec, as_array(x), as_array(weight), offset, out=out, kind=kind, samples=samples), spec, x)


def written(call: Callable[[Array | None], Array], spec: ConvSpec, x: torch.Tensor) -> torch.Tensor:
    """What `call` gives: channels-last where `x` is, as PyTorch's own result would be."""
    memory_format = memory_format_of(x)
    if memory_format is torch.contiguous_format:
        return as_tensor(call(None))
    y = torch.empty(output_shape(spec, tuple(x.shape)), dtype=x.dtype, memory_format=memory_format)
    call(as_array(y))
    return y


class PreparedCall:
    """A prepared convolution of tensors; straight to their memory where that has no gaps."""

    __slots__ = ("_dtype", "_sample", "_samples_format", "_spec", "prepared")

    def __init__(self, prepared: PreparedConv, spec: ConvSpec, size: tuple[int, ...], dtype: torch.dtype) -> None:
        self.prepared, self._spec, self._dtype = prepared, spec, dtype
        self._sample = spec.output_shape((spec.in_channels, *size))
        self._samples_format = {4: torch.channels_last, 5: torch.channels_last_3d}.get(spec.ndim + 2)

    def __call__(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        """``activation(conv(x) + bias + residual)`` for an input of the size and dtype it was made for."""
        y = self._straight(x, residual)
        if y is not None:
            return y
        added = None if residual is None else as_array(residual)
        return written(lambda out: self.prepared(as_array(x), out, added), self._spec, x)

    def _straight(self, x: torch.Tensor, residual: torch.Tensor | None) -> torch.Tensor | None:
        is_batched = x.dim() > len(self._sample)
        shape, batch = ((x.shape[0], *self._sample), x.shape[0]) if is_batched else (self._sample, 1)
        memory_format = _contiguous
        if not x.is_contiguous():
            if not is_batched or self._samples_format is None or not x.is_contiguous(memory_format=self._samples_format):
                return None
            memory_format = self._samples_format
        added = 0
        if residual is not None:
            if residual.shape != shape or not residual.is_contiguous(memory_format=memory_format) or residual.is_neg():
                return None
            added = residual.data_ptr()
        if x.is_neg():
            return None
        y = torch.empty(shape, dtype=self._dtype, memory_format=memory_format)
        done = self.prepared.run_at(x.data_ptr(), y.data_ptr(), added, batch, memory_format is not _contiguous)
        return y if done else None


def call_input_grad(spec: ConvSpec, grad: torch.Tensor, weight: torch.Tensor, input_size: tuple[int, ...]) -> torch.Tensor:
    """The gradient with respect to the input."""
    return as_tensor(conv_input_grad(spec, as_array(grad), as_array(weight), input_size))


def call_weight_grad(spec: ConvSpec, x: torch.Tensor, grad: torch.Tensor) -> torch.Tensor:
    """The gradient with respect to the weight."""
    return as_tensor(conv_weight_grad(spec, as_array(x), as_array(grad)))


def call_unfold(spec: ConvSpec, x: torch.Tensor) -> torch.Tensor:
    """The windows of `spec` as columns."""
    return as_tensor(unfold(as_array(x), spec.kernel_size, spec.dilation, spec.sides(x.shape[-spec.ndim :]), spec.stride))


def call_fold(spec: ConvSpec, columns: torch.Tensor, output_size: tuple[int, ...]) -> torch.Tensor:
    """The columns added back where the windows of `spec` took them."""
    image = fold(as_array(columns), output_size, spec.kernel_size, spec.dilation, spec.sides(output_size), spec.stride)
    return as_tensor(np.ascontiguousarray(image))
