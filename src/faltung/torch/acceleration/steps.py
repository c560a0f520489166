"""Operations as functions of arrays: weights folded and packed, kernels chosen."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch.nn.functional as F

import torch
from faltung.engine.native import chosen_isa, finish, get_num_threads, max_pool, normalise_channels
from faltung.engine.plan import PreparedConv, plan
from faltung.spec import ConvSpec
from faltung.torch.acceleration.operations import Conv, MaxPool, Normalise, Operation, Sum, Value
from faltung.torch.acceleration.segments import Step
from faltung.torch.tensors import as_array, as_tensor
from torch import Tensor, fx

__all__ = ["Constants", "folded", "prepared_conv", "step_of"]

Constants = Callable[[fx.Node], Tensor]
Slots = Callable[[Value], int]

BY_PYTORCH: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu_, "relu6": lambda y: F.hardtanh_(y, 0.0, 6.0), "silu": lambda y: F.silu(y, inplace=True), "sigmoid": torch.sigmoid_,
    "hardsigmoid": lambda y: F.hardsigmoid(y, inplace=True), "hardswish": lambda y: F.hardswish(y, inplace=True), "gelu": F.gelu,
}  # fmt: skip


def step_of(operation: Operation, slot: Slots, constants: Constants) -> Step:
    """What computes an operation."""
    out = slot(operation.result)
    sources = [slot(value) for value in operation.takes]
    match operation:
        case Conv():
            return (
                _conv_by_pytorch(operation, sources, out, constants) if operation.by_pytorch else _conv(operation, sources, out, constants)
            )
        case Sum():
            return _sum(operation, sources, out)
        case MaxPool():
            return _max_pool(operation, sources[0], out)
        case Normalise():
            return _normalise(operation, sources[0], out, constants)
    raise TypeError(type(operation).__name__)


def folded(conv: Conv, constants: Constants) -> tuple[ConvSpec, Tensor, Tensor | None]:
    """Spec, weight and bias with all in them that was folded."""
    spec = conv.spec
    shape = spec.weight_shape
    weight = None if conv.weight is None else constants(conv.weight).detach().reshape(shape)
    bias = None if conv.bias is None else constants(conv.bias).detach()
    if not conv.folds and weight is not None:
        return spec, weight, bias
    dtype = conv.result.dtype
    kernel = torch.ones(shape, dtype=torch.float64) if weight is None else weight.double()
    offset = torch.zeros(spec.out_channels, dtype=torch.float64) if bias is None else bias.double()
    ones, groups = (1,) * spec.ndim, spec.groups
    for fold in conv.folds:
        scale, shift = _affine(fold, constants)
        # Written channels come first; of a transposed layer second, within groups.
        factors = scale.reshape((groups, 1, -1, *ones) if spec.transposed else (groups, -1, 1, *ones))
        kernel = (kernel.reshape(groups, -1, *shape[1:]) * factors).reshape(shape)
        offset = offset * scale + shift
    return ConvSpec(**{**spec.to_dict(), "bias": True}), kernel.to(dtype), offset.to(dtype)


def _affine(fold: tuple[Any, ...], constants: Constants) -> tuple[Tensor, Tensor]:
    """Factor and addend of each channel, in float64."""
    if fold[0] == "scale":
        scale = constants(fold[1]).detach().double().reshape(-1)
        return scale, torch.zeros_like(scale)
    _, weight, bias, mean, variance, epsilon = fold
    scale = 1 / torch.sqrt(constants(variance).double() + epsilon)
    if weight is not None:
        scale = scale * constants(weight).detach().double()
    shift = -constants(mean).double() * scale
    return scale, shift if bias is None else shift + constants(bias).detach().double()


def prepared_conv(conv: Conv, constants: Constants) -> PreparedConv:
    """The convolution with its weights packed."""
    spec, weight, bias = folded(conv, constants)
    kernel = as_array(weight)
    made = plan(spec, (1, *conv.takes[0].shape[1:]), kernel.dtype)
    return made.prepare(kernel, None if bias is None else as_array(bias), conv.activation)


def _conv(conv: Conv, sources: list[int], out: int, constants: Constants) -> Step:
    prepared, source = prepared_conv(conv, constants), sources[0]
    if not conv.has_residual:
        return lambda arrays: prepared(arrays[source], arrays[out])
    residual = sources[1]
    return lambda arrays: prepared(arrays[source], arrays[out], arrays[residual])


def _conv_by_pytorch(conv: Conv, sources: list[int], out: int, constants: Constants) -> Step:
    spec, weight, bias = folded(conv, constants)
    name = f"conv{'_transpose' if spec.transposed else ''}{spec.ndim}d"
    function, source = getattr(F, name), sources[0]
    sides = spec.sides(conv.takes[0].shape[2:])
    settings: dict[str, Any] = {"stride": spec.stride, "dilation": spec.dilation, "groups": spec.groups}
    if spec.transposed:
        settings["output_padding"] = spec.output_padding
    is_even = spec.padding_mode == "zeros" and all(before == after >= 0 for before, after in sides)
    settings["padding"] = tuple(before for before, _ in sides) if is_even else 0
    mode = "constant" if spec.padding_mode == "zeros" else spec.padding_mode
    pads = [side for pair in reversed(sides) for side in pair]
    activation = None if conv.activation is None else BY_PYTORCH[conv.activation]

    def step(arrays: list[Any]) -> None:
        x = as_tensor(arrays[source])
        y = function(x if is_even else F.pad(x, pads, mode), weight, bias, **settings)
        if conv.has_residual:
            y += as_tensor(arrays[sources[1]])
        as_tensor(arrays[out]).copy_(y if activation is None else activation(y))

    return step


def _sum(operation: Sum, sources: list[int], out: int) -> Step:
    activation, first = operation.activation or "none", sources[0]
    second = sources[1] if len(sources) == 2 else None
    isa = chosen_isa()

    def step(arrays: list[Any]) -> None:
        y = arrays[out]
        as_tensor(y).copy_(as_tensor(arrays[first]))
        finish(y, isa, get_num_threads(), activation, None if second is None else arrays[second])

    return step


def _max_pool(operation: MaxPool, source: int, out: int) -> Step:
    isa = chosen_isa()
    window = operation.kernel_size, operation.stride, operation.padding
    return lambda arrays: max_pool(arrays[source], arrays[out], isa, get_num_threads(), *window)


def _normalise(operation: Normalise, source: int, out: int, constants: Constants) -> Step:
    isa = chosen_isa()
    weight, bias = (
        None if each is None else np.ascontiguousarray(as_array(constants(each))) for each in (operation.weight, operation.bias)
    )
    batch, channels, *size = operation.result.shape
    shape = batch, channels, math.prod(size)

    def step(arrays: list[Any]) -> None:
        # Of strides that allow it: channels may be apart, positions follow one another.
        x, y = arrays[source].reshape(shape), arrays[out].reshape(shape)
        normalise_channels(x, y, isa, get_num_threads(), weight, bias, operation.epsilon)

    return step
