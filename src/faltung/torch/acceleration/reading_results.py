"""What is done to the results of convolutions, read from a graph: sums, activations, pooling, other orders of the same numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from faltung.torch.acceleration.operations import FIRST, FLAT, LAST, TOKENS, Join, MaxPool, Normalise, Sum, Value
from faltung.torch.acceleration.read import SERVED, Read, arguments, repeated, result_of
from torch import fx

__all__ = ["activation", "added", "copied", "joined", "layer_norm", "max_pool", "permuted", "view"]

aten = torch.ops.aten


def activation(name: str, *, allowed: Callable[..., bool] = lambda *_: True) -> Callable[[Read, fx.Node], bool]:
    """The reader of one function of each number, after the convolution or sum before it."""

    def reader(found: Read, node: fx.Node) -> bool:
        source, *settings = node.args
        seen = found.viewed(source)
        if seen is None or not allowed(*settings, **node.kwargs) or seen[0].dtype not in SERVED:
            return False
        conv = found.open_conv(source)
        if conv is not None:
            conv.activation = name
            return found.see(node, *seen)
        value, layout = seen
        maker = value.made_by
        if isinstance(maker, Sum) and maker.activation is None and found.is_seen_once(value):
            maker.activation = name
            return found.see(node, *seen)
        return found.add(Sum([value], Value(value.shape, value.dtype), name), node, layout)

    return reader


def added(found: Read, node: fx.Node) -> bool:
    """A residual of a convolution, or a sum."""
    if node.kwargs or len(node.args) != 2 or not all(isinstance(source, fx.Node) for source in node.args):
        return False
    views = [found.viewed(source) for source in node.args]
    layout = next((seen[1] for seen in views if seen is not None), None)
    if layout is None:
        return False
    values = [
        found.value(source) if layout == FIRST else seen[0] if seen is not None and seen[1] == layout else None
        for source, seen in zip(node.args, views, strict=True)
    ]
    first, second = values
    if first is None or second is None or first.shape != second.shape or first.dtype is not second.dtype or first is second:
        return False
    convs = [(conv, other) for conv, other in ((found.open_conv(node.args[0]), second), (found.open_conv(node.args[1]), first)) if conv]
    convs = [(conv, other) for conv, other in convs if not conv.has_residual]
    if convs:
        conv, other = max(convs, key=lambda pair: found.items.index(pair[0]))
        conv.takes.append(other)
        found.items.remove(conv)
        return found.add(conv, node, layout)
    return first.dtype in SERVED and found.add(Sum([first, second], Value(first.shape, first.dtype)), node, layout)


def joined(found: Read, node: fx.Node) -> bool:
    """Channels one after the other."""
    sources, axis = arguments(node, None, 0)
    values = [found.value(source) for source in sources]
    if axis not in (1, 1 - node.meta["val"].dim()) or any(value is None for value in values):
        return False
    if not any(value is not None and value.made_by for value in values) or len({value.dtype for value in values if value}) != 1:
        return False
    return found.add(Join([value for value in values if value is not None], result_of(node)), node)


def max_pool(found: Read, node: fx.Node) -> bool:
    """Of windows in the plane."""
    source, kernel_size, stride, padding, dilation, _ = arguments(node, None, None, [], 0, 1, False)
    x = found.value(source)
    if x is None or x.dtype not in SERVED or node.kwargs or len(x.shape) != 4 or set(repeated(dilation, 2)) != {1}:
        return False
    kernel, steps, pads = repeated(kernel_size, 2), repeated(stride or kernel_size, 2), repeated(padding, 2)
    return found.add(MaxPool([x], result_of(node), kernel, steps, pads), node)  # type: ignore[arg-type]


def layer_norm(found: Read, node: fx.Node) -> bool:
    """Over the channels that lie last."""
    source, normalised, weight, bias, epsilon = arguments(node, None, None, None, None, 1e-5, True)[:5]
    seen = found.viewed(source)
    if seen is None or seen[1] not in (LAST, TOKENS) or seen[0].dtype not in SERVED or list(normalised) != [seen[0].shape[1]]:
        return False
    if any(each is not None and found.constant(each) is None for each in (weight, bias)):
        return False
    return found.add(Normalise([seen[0]], Value(seen[0].shape, seen[0].dtype), weight, bias, epsilon), node, seen[1])


def view(found: Read, node: fx.Node) -> bool:
    """Positions along several axes, or along one."""
    seen = found.viewed(node.args[0])
    if seen is None:
        return False
    value, layout = seen
    shape = tuple(node.meta["val"].shape)
    (batch, channels, *size), positions = value.shape, math.prod(value.shape[2:])
    for other, expected in ((FIRST, value.shape), (FLAT, (batch, channels, positions))):
        if layout in (FIRST, FLAT) and shape == expected:
            return found.see(node, value, other)
    for other, expected in ((LAST, (batch, *size, channels)), (TOKENS, (batch, positions, channels))):
        if layout in (LAST, TOKENS) and shape == expected:
            return found.see(node, value, other)
    return False


def permuted(found: Read, node: fx.Node) -> bool:
    """Channels moved to the end, or back."""
    seen = found.viewed(node.args[0])
    rank = node.meta["val"].dim()
    if node.target is aten.transpose.int:
        order = list(range(rank))
        one, two = (axis % rank for axis in node.args[1:])
        order[one], order[two] = order[two], order[one]
    else:
        order = [axis % rank for axis in node.args[1]]
    if seen is None or rank < 3:
        return False
    value, layout = seen
    to_last, to_first = [0, *range(2, rank), 1], [0, rank - 1, *range(1, rank - 1)]
    swaps = {FIRST: (to_last, LAST), FLAT: (to_last, TOKENS), LAST: (to_first, FIRST), TOKENS: (to_first, FLAT)}
    expected, other = swaps[layout]
    if order != expected:
        return False
    return found.see(node, value, other)


def copied(found: Read, node: fx.Node) -> bool:
    """The same numbers."""
    seen = found.viewed(node.args[0])
    return seen is not None and found.see(node, *seen)
