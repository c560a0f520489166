"""The operators over one more batch axis, for ``torch.vmap``: joined with the batch, or with the groups where weights differ.

B convolutions with weights of their own are one with B times the groups.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from faltung.spec import ConvSpec
from faltung.torch.calls import spec_of_text

__all__ = ["conv", "conv_input_grad", "conv_weight_grad", "fold", "unfold"]

Batched = tuple[torch.Tensor, int]


def conv(
    info: Any, in_dims: tuple[int | None, ...], x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, text: str
) -> Batched:
    """``faltung::conv`` over an axis of any of its tensors."""
    spec, size = spec_of_text(text), info.batch_size
    x_axis, weight_axis, bias_axis, _ = in_dims
    plain = _without_bias(spec)
    if weight_axis is None:
        y = _over_samples(lambda joined: torch.ops.faltung.conv(joined, weight, None, str(plain)), _front(x, x_axis, size), plain)
    else:
        grouped = _grouped(plain, size)
        joined, many = _channels_joined(_front(x, x_axis, size), plain), _front(weight, weight_axis, size).flatten(0, 1)
        y = _channels_parted(torch.ops.faltung.conv(joined, many, None, str(grouped)), plain, size)
    if bias is not None:
        offsets = _front(bias, bias_axis, size)
        y = y + offsets.reshape(size, *(1,) * (y.dim() - spec.ndim - 2), spec.out_channels, *(1,) * spec.ndim)
    return y, 0


def conv_input_grad(
    info: Any, in_dims: tuple[int | None, ...], grad: torch.Tensor, weight: torch.Tensor, input_size: list[int], text: str
) -> Batched:
    """``faltung::conv_input_grad`` over an axis of its gradient, its weight or both."""
    spec, size = _without_bias(spec_of_text(text)), info.batch_size
    grad_axis, weight_axis = in_dims[:2]
    every = _front(grad, grad_axis, size)
    if weight_axis is None:
        return _over_samples(lambda joined: torch.ops.faltung.conv_input_grad(joined, weight, input_size, str(spec)), every, spec), 0
    many = _front(weight, weight_axis, size).flatten(0, 1)
    joined = torch.ops.faltung.conv_input_grad(_channels_joined(every, spec), many, input_size, str(_grouped(spec, size)))
    return _channels_parted(joined, spec, size), 0


def conv_weight_grad(info: Any, in_dims: tuple[int | None, ...], x: torch.Tensor, grad: torch.Tensor, text: str) -> Batched:
    """``faltung::conv_weight_grad`` over an axis of its input, its gradient or both."""
    spec, size = _without_bias(spec_of_text(text)), info.batch_size
    joined = [_channels_joined(_front(tensor, axis, size), spec) for tensor, axis in zip((x, grad), in_dims[:2], strict=True)]
    return torch.ops.faltung.conv_weight_grad(*joined, str(_grouped(spec, size))).unflatten(0, (size, -1)), 0


def unfold(info: Any, in_dims: tuple[int | None, ...], x: torch.Tensor, text: str) -> Batched:
    """``faltung::unfold`` over an axis of its input."""
    every, ndim = _front(x, in_dims[0], info.batch_size), spec_of_text(text).ndim
    return _over_leading(lambda joined: torch.ops.faltung.unfold(joined, text), every, ndim + 1), 0


def fold(info: Any, in_dims: tuple[int | None, ...], columns: torch.Tensor, output_size: list[int], text: str) -> Batched:
    """``faltung::fold`` over an axis of its columns."""
    every = _front(columns, in_dims[0], info.batch_size)
    return _over_leading(lambda joined: torch.ops.faltung.fold(joined, output_size, text), every, 2), 0


def _without_bias(spec: ConvSpec) -> ConvSpec:
    return ConvSpec(**{**spec.to_dict(), "bias": False})


def _grouped(spec: ConvSpec, size: int) -> ConvSpec:
    """`size` times the spec side by side."""
    wider = {name: getattr(spec, name) * size for name in ("in_channels", "out_channels", "groups")}
    return ConvSpec(**{**spec.to_dict(), **wider})


def _front(tensor: torch.Tensor, axis: int | None, size: int) -> torch.Tensor:
    """The batched axis in front; repeated, without a copy, where there is none."""
    return tensor.expand(size, *tensor.shape) if axis is None else tensor.movedim(axis, 0)


def _over_samples(call: Callable[[torch.Tensor], torch.Tensor], every: torch.Tensor, spec: ConvSpec) -> torch.Tensor:
    """One call on all samples: (B, N, C, …) or (B, C, …)."""
    return _over_leading(call, every, spec.ndim + 1)


def _over_leading(call: Callable[[torch.Tensor], torch.Tensor], every: torch.Tensor, sample_axes: int) -> torch.Tensor:
    leading = every.shape[: every.dim() - sample_axes]
    result = call(every.reshape(-1, *every.shape[len(leading) :]))
    return result.reshape(*leading, *result.shape[1:])


def _channels_joined(every: torch.Tensor, spec: ConvSpec) -> torch.Tensor:
    """(B, N, C, …) as (N, B*C, …), (B, C, …) as (B*C, …)."""
    channels = every.dim() - spec.ndim - 1
    return every.movedim(0, channels - 1).flatten(channels - 1, channels)


def _channels_parted(joined: torch.Tensor, spec: ConvSpec, size: int) -> torch.Tensor:
    """The inverse of `_channels_joined`."""
    channels = joined.dim() - spec.ndim - 1
    return joined.unflatten(channels, (size, -1)).movedim(channels, 0)
