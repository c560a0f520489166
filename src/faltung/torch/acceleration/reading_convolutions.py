"""Convolutions and linear layers read from a graph, with what is folded into their weights."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from faltung.errors import ConvError
from faltung.spec import ConvSpec
from faltung.torch.acceleration.operations import FIRST, FLAT, LAST, TOKENS, Conv, Value
from faltung.torch.acceleration.read import SERVED, Read, arguments, repeated, result_of
from faltung.torch.calls import spec_of_text
from faltung.torch.resolve import conv_text
from torch import fx

__all__ = ["batch_norm", "conv", "getitem", "linear", "multiplied"]

aten = torch.ops.aten
PADDING_MODES = {"constant": "zeros", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}


def conv(name: str) -> Callable[[Read, fx.Node], bool]:
    """The reader of one convolution function."""
    names = ("stride", "padding", "output_padding", "groups", "dilation") if "transpose" in name else (
        "stride", "padding", "dilation", "groups")  # fmt: skip
    defaults = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0}

    def reader(found: Read, node: fx.Node) -> bool:
        source, weight, bias, *given = arguments(node, None, None, None, *(defaults[name] for name in names))
        kernel, offset = found.constant(weight), found.constant(bias)
        if node.kwargs or kernel is None or (bias is not None and offset is None):
            return False
        ndim = kernel.dim() - 2
        fields = dict(zip(names, (each if isinstance(each, str) else repeated(each, ndim) for each in given), strict=True))
        fields["groups"] = given[names.index("groups")]
        shape = tuple(node.args[0].meta["val"].shape)
        text = conv_text(name, shape, tuple(kernel.shape), None if offset is None else tuple(offset.shape), "zeros", fields)
        if text is None or len(shape) != ndim + 2:
            return False
        spec, padded = spec_of_text(text), _padded(source, spec_of_text(text))
        is_padded = padded is not None and found.value(padded[0]) is not None
        if is_padded:
            assert padded is not None
            source, spec = padded
        x = found.value(source)
        if x is None or x.dtype is not kernel.dtype:
            return False
        return found.add(Conv([x], result_of(node), spec, weight, bias, is_padded=is_padded), node)

    return reader


def _padded(source: Any, spec: ConvSpec) -> tuple[fx.Node, ConvSpec] | None:
    """What was padded before a convolution, and the convolution that pads it itself."""
    if not isinstance(source, fx.Node) or source.target is not aten.pad.default or spec.transposed:
        return None
    x, pads, mode, value = arguments(source, None, None, "constant", None)
    if source.kwargs or value not in (None, 0) or len(pads) > 2 * spec.ndim or mode not in PADDING_MODES:
        return None
    own = spec.sides(source.meta["val"].shape[2:])
    if mode != "constant" and any(map(any, own)):
        return None
    before = [(pads[2 * axis], pads[2 * axis + 1]) if 2 * axis < len(pads) else (0, 0) for axis in reversed(range(spec.ndim))]
    # Cells that are cropped and padded again would have to be set to zero.
    if any(pad < 0 for pair in before for pad in pair) and any(map(any, own)):
        return None
    sides = tuple((low + more, high + also) for (low, high), (more, also) in zip(before, own, strict=True))
    try:
        changed = ConvSpec(**{**spec.to_dict(), "padding": sides, "padding_mode": PADDING_MODES[mode]})
        fits = changed.output_size(x.meta["val"].shape[2:]) == spec.output_size(source.meta["val"].shape[2:])
    except ConvError:
        return None
    return (x, changed) if fits else None


def batch_norm(found: Read, node: fx.Node) -> bool:
    """Folded into the convolution before it, or a convolution of its own."""
    source, weight, bias, mean, variance, _, epsilon = node.args
    named = [each for each in (weight, bias, mean, variance) if each is not None]
    if any(found.constant(each) is None for each in named) or any(user.target is not operator.getitem for user in node.users):
        return False
    if any(user.args[1] != 0 for user in node.users):
        return False
    fold = ("batch norm", weight, bias, mean, variance, epsilon)
    conv, seen = found.open_conv(source), found.viewed(source)
    if conv is not None and not conv.has_residual and seen is not None and seen[1] in (FIRST, FLAT):
        conv.folds.append(fold)
        found.norms[node] = seen
        return True
    x = found.value(source)
    if x is None or x.made_by is None or x.dtype not in SERVED:
        return False
    channels, ndim = x.shape[1], len(x.shape) - 2
    spec = ConvSpec(channels, channels, (1,) * ndim, groups=channels, bias=False)
    alone = Conv([x], Value(x.shape, x.dtype), spec, None, None, [fold])
    found.items.append(alone)
    found.norms[node] = alone.result, FIRST
    return True


def getitem(found: Read, node: fx.Node) -> bool:
    """The result of a batch norm, which has several."""
    if node.args[0] not in found.norms:
        return False
    return found.see(node, *found.norms[node.args[0]])


def linear(found: Read, node: fx.Node) -> bool:
    """A convolution of one tap along the channels that lie last."""
    source, weight, bias = arguments(node, None, None, None)
    seen, kernel = found.viewed(source) or _beside(found, node, source), found.constant(weight)
    if seen is None or seen[1] not in (LAST, TOKENS) or kernel is None or kernel.dim() != 2 or seen[0].dtype is not kernel.dtype:
        return False
    if bias is not None and found.constant(bias) is None:
        return False
    value, layout = seen
    size = value.shape[2:]
    spec = ConvSpec(kernel.shape[1], kernel.shape[0], (1,) * len(size), bias=bias is not None)
    result = Value((value.shape[0], kernel.shape[0], *size), value.dtype)
    return found.add(Conv([value], result, spec, weight, bias), node, layout)


def _beside(found: Read, node: fx.Node, source: Any) -> tuple[Value, str] | None:
    """What PyTorch made, if the linear layer's result is added to tokens that an operation made."""
    user = node
    while len(user.users) == 1:
        before, user = user, next(iter(user.users))
        if user.target is aten.add.Tensor:
            other = found.viewed(next((each for each in user.args if each is not before), None))
            tensor = source.meta["val"]
            if other is None or other[1] not in (LAST, TOKENS) or len(user.args) != 2 or tensor.dim() < 3:
                return None
            batch, _, *size = other[0].shape
            shape = (batch, *size, tensor.shape[-1]) if other[1] == LAST else (batch, math.prod(size), tensor.shape[-1])
            if tuple(tensor.shape) != shape:
                return None
            return found.outside(source, (batch, tensor.shape[-1], *size), other[1]), other[1]
        if user.target is not aten.clone.default:
            return None
    return None


def multiplied(found: Read, node: fx.Node) -> bool:
    """A number for each channel."""
    for source, factor in (node.args, node.args[::-1]):
        conv, scale, seen = found.open_conv(source), found.constant(factor), found.viewed(source)
        if conv is None or scale is None or seen is None or conv.has_residual or node.kwargs:
            continue
        value, layout = seen
        if scale.dtype != source.meta["val"].dtype:
            return False
        place = 1 if layout in (FIRST, FLAT) else source.meta["val"].dim() - 1
        shape = [1] * source.meta["val"].dim()
        shape[place] = value.shape[1]
        if math.prod(shape) == scale.numel() and tuple(shape[-scale.dim() :]) == tuple(scale.shape):
            conv.folds.append(("scale", factor))
            return found.see(node, value, layout)
    return False
