"""A graph of PyTorch's operators read as Faltung's operations where they serve; everything else stays as it is."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from faltung.errors import ConvError
from faltung.spec import ConvSpec
from faltung.torch.acceleration.exported import tensor_of
from faltung.torch.acceleration.operations import FIRST, FLAT, LAST, TOKENS, Conv, Join, MaxPool, Normalise, Operation, Sum, Value
from faltung.torch.calls import spec_of_text
from faltung.torch.resolve import conv_text
from torch import Tensor, fx

__all__ = ["Read", "read"]


aten = torch.ops.aten
PADDING_MODES = {"constant": "zeros", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}
SERVED = (torch.float32, torch.float64)


class Read:
    """A graph and what was read of it.

    Attributes
    ----------
    items : list of Operation and Node
        In an order in which they can be computed; nodes are PyTorch's.
    views : dict
        For nodes that stand for an operation's result, the value and how the node sees it.
    """

    def __init__(self, graph: fx.GraphModule) -> None:
        self.graph = graph
        self.items: list[Operation | fx.Node] = []
        self.views: dict[fx.Node, tuple[Value, str]] = {}
        self._outside: dict[tuple[fx.Node, str], Value] = {}
        self._norms: dict[fx.Node, tuple[Value, str]] = {}
        self._nodes: dict[Value, list[fx.Node]] = {}

    @property
    def convolutions(self) -> list[Conv]:
        """The convolutions among the operations."""
        return [item for item in self.items if isinstance(item, Conv)]

    def viewed(self, node: Any) -> tuple[Value, str] | None:
        """The operation's result that a node stands for, and how it sees it."""
        return self.views.get(node) if isinstance(node, fx.Node) else None

    def value(self, node: Any) -> Value | None:
        """What a node stands for as (N, C, *size), whoever made it."""
        if not isinstance(node, fx.Node):
            return None
        if node in self.views:
            value, layout = self.views[node]
            return value if layout == FIRST else None
        tensor = node.meta.get("val")
        if not isinstance(tensor, Tensor) or node.op == "get_attr" or tensor.dim() < 3 or not tensor.is_cpu:
            return None
        return self.outside(node, tuple(tensor.shape), FIRST)

    def outside(self, node: fx.Node, shape: tuple[int, ...], layout: str) -> Value:
        """What PyTorch made, as (N, C, *size)."""
        if (node, layout) not in self._outside:
            self._outside[node, layout] = Value(shape, node.meta["val"].dtype, node=node, layout=layout)
        return self._outside[node, layout]

    def constant(self, node: Any) -> Tensor | None:
        """A parameter or buffer."""
        return tensor_of(self.graph, node) if isinstance(node, fx.Node) and node.op == "get_attr" else None

    def add(self, operation: Operation, node: fx.Node, layout: str = FIRST) -> bool:
        """`node` is what `operation` makes."""
        self.items.append(operation)
        return self.see(node, operation.result, layout)

    def see(self, node: fx.Node, value: Value, layout: str) -> bool:
        """`node` stands for `value`."""
        self.views[node] = value, layout
        self._nodes.setdefault(value, []).append(node)
        return True

    def is_seen_once(self, value: Value) -> bool:
        """Whether all nodes that stand for a value follow one another, and one more will take it."""
        return all(len(node.users) == 1 for node in self._nodes[value])

    def open_conv(self, node: Any) -> Conv | None:
        """The convolution whose result nobody but the one user of `node` sees, and to which something may still be added."""
        seen = self.viewed(node)
        if seen is None or not isinstance(seen[0].made_by, Conv) or not self.is_seen_once(seen[0]):
            return None
        return seen[0].made_by if seen[0].made_by.activation is None else None


def read(graph: fx.GraphModule) -> Read:
    """Read a graph."""
    found = Read(graph)
    for node in graph.graph.nodes:
        if node.op != "call_function":
            continue
        reader = READERS.get(node.target)
        if reader is None or not reader(found, node):
            found.items.append(node)
    found.items = list(reversed(list(_needed(found))))
    return found


def _needed(found: Read) -> Iterator[Operation | fx.Node]:
    """The items that the graph's result depends on, the last first; paddings, for one, are part of convolutions now."""
    needed: set[Value | fx.Node] = set()

    def need(nodes: Iterable[fx.Node]) -> None:
        needed.update(found.views[node][0] if node in found.views else node for node in nodes)

    need(next(node for node in found.graph.graph.nodes if node.op == "output").all_input_nodes)
    for item in reversed(found.items):
        if isinstance(item, fx.Node):
            if item in needed:
                need(item.all_input_nodes)
                yield item
        elif item.result in needed:
            needed.update(value if value.made_by is not None else value.node for value in item.takes if value.made_by or value.node)
            yield item


def _arguments(node: fx.Node, *defaults: Any) -> list[Any]:
    """Positional arguments, and after them the defaults of those that are not given."""
    return [*node.args, *defaults[len(node.args) :]]


# -- convolutions and what is folded into them ----------------------------------------------------------


def _conv(name: str) -> Callable[[Read, fx.Node], bool]:
    """The reader of one convolution function."""
    names = ("stride", "padding", "output_padding", "groups", "dilation") if "transpose" in name else (
        "stride", "padding", "dilation", "groups")  # fmt: skip
    defaults = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0}

    def reader(found: Read, node: fx.Node) -> bool:
        source, weight, bias, *given = _arguments(node, None, None, None, *(defaults[name] for name in names))
        kernel, offset = found.constant(weight), found.constant(bias)
        if node.kwargs or kernel is None or (bias is not None and offset is None):
            return False
        ndim = kernel.dim() - 2
        fields = dict(zip(names, (each if isinstance(each, str) else _repeated(each, ndim) for each in given), strict=True))
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
        return found.add(Conv([x], _result(node), spec, weight, bias, is_padded=is_padded), node)

    return reader


def _repeated(value: Any, ndim: int) -> tuple[int, ...]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * ndim if len(values) == 1 else values


def _result(node: fx.Node, shape: tuple[int, ...] | None = None) -> Value:
    tensor = node.meta["val"]
    return Value(tuple(tensor.shape) if shape is None else shape, tensor.dtype)


def _padded(source: Any, spec: ConvSpec) -> tuple[fx.Node, ConvSpec] | None:
    """What was padded before a convolution, and the convolution that pads it itself."""
    if not isinstance(source, fx.Node) or source.target is not aten.pad.default or spec.transposed:
        return None
    x, pads, mode, value = _arguments(source, None, None, "constant", None)
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


def _batch_norm(found: Read, node: fx.Node) -> bool:
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
        found._norms[node] = seen
        return True
    x = found.value(source)
    if x is None or x.made_by is None or x.dtype not in SERVED:
        return False
    channels, ndim = x.shape[1], len(x.shape) - 2
    spec = ConvSpec(channels, channels, (1,) * ndim, groups=channels, bias=False)
    alone = Conv([x], Value(x.shape, x.dtype), spec, None, None, [fold])
    found.items.append(alone)
    found._norms[node] = alone.result, FIRST
    return True


def _getitem(found: Read, node: fx.Node) -> bool:
    if node.args[0] not in found._norms:
        return False
    return found.see(node, *found._norms[node.args[0]])


def _linear(found: Read, node: fx.Node) -> bool:
    source, weight, bias = _arguments(node, None, None, None)
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


def _multiplied(found: Read, node: fx.Node) -> bool:
    """A number for each channel."""
    for source, factor in (node.args, node.args[::-1]):
        conv, scale, seen = found.open_conv(source), found.constant(factor), found.viewed(source)
        if conv is None or scale is None or seen is None or conv.has_residual or node.kwargs:
            continue
        value, layout = seen
        place = 1 if layout in (FIRST, FLAT) else source.meta["val"].dim() - 1
        shape = [1] * source.meta["val"].dim()
        shape[place] = value.shape[1]
        if math.prod(shape) == scale.numel() and tuple(shape[-scale.dim() :]) == tuple(scale.shape):
            conv.folds.append(("scale", factor))
            return found.see(node, value, layout)
    return False


# -- what is done to their results ----------------------------------------------------------------------


def _activation(name: str, *, allowed: Callable[..., bool] = lambda *_: True) -> Callable[[Read, fx.Node], bool]:
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


def _added(found: Read, node: fx.Node) -> bool:
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


def _joined(found: Read, node: fx.Node) -> bool:
    sources, axis = _arguments(node, None, 0)
    values = [found.value(source) for source in sources]
    if axis not in (1, 1 - node.meta["val"].dim()) or any(value is None for value in values):
        return False
    if not any(value is not None and value.made_by for value in values) or len({value.dtype for value in values if value}) != 1:
        return False
    return found.add(Join([value for value in values if value is not None], _result(node)), node)


def _max_pool(found: Read, node: fx.Node) -> bool:
    source, kernel_size, stride, padding, dilation, _ = _arguments(node, None, None, [], 0, 1, False)
    x = found.value(source)
    if x is None or x.dtype not in SERVED or node.kwargs or len(x.shape) != 4 or set(_repeated(dilation, 2)) != {1}:
        return False
    kernel, steps, pads = _repeated(kernel_size, 2), _repeated(stride or kernel_size, 2), _repeated(padding, 2)
    return found.add(MaxPool([x], _result(node), kernel, steps, pads), node)  # type: ignore[arg-type]


def _layer_norm(found: Read, node: fx.Node) -> bool:
    source, normalised, weight, bias, epsilon = _arguments(node, None, None, None, None, 1e-5, True)[:5]
    seen = found.viewed(source)
    if seen is None or seen[1] not in (LAST, TOKENS) or seen[0].dtype not in SERVED or list(normalised) != [seen[0].shape[1]]:
        return False
    if any(each is not None and found.constant(each) is None for each in (weight, bias)):
        return False
    return found.add(Normalise([seen[0]], Value(seen[0].shape, seen[0].dtype), weight, bias, epsilon), node, seen[1])


# -- the same numbers seen in another order ---------------------------------------------------------------


def _view(found: Read, node: fx.Node) -> bool:
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


def _permuted(found: Read, node: fx.Node) -> bool:
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


def _copied(found: Read, node: fx.Node) -> bool:
    seen = found.viewed(node.args[0])
    return seen is not None and found.see(node, *seen)


READERS: dict[Any, Callable[[Read, fx.Node], bool]] = {
    **{getattr(aten, f"conv{ndim}d").default: _conv(f"conv{ndim}d") for ndim in (1, 2, 3)},
    **{getattr(aten, f"conv{ndim}d").padding: _conv(f"conv{ndim}d") for ndim in (1, 2, 3)},
    aten.conv_transpose1d.default: _conv("conv_transpose1d"),
    aten.conv_transpose2d.input: _conv("conv_transpose2d"),
    aten.conv_transpose3d.input: _conv("conv_transpose3d"),
    aten._native_batch_norm_legit_no_training.default: _batch_norm,
    operator.getitem: _getitem,
    aten.linear.default: _linear,
    aten.mul.Tensor: _multiplied,
    aten.relu.default: _activation("relu"),
    aten.silu.default: _activation("silu"),
    aten.sigmoid.default: _activation("sigmoid"),
    aten.hardsigmoid.default: _activation("hardsigmoid"),
    aten.hardswish.default: _activation("hardswish"),
    aten.gelu.default: _activation("gelu", allowed=lambda approximate="none": approximate == "none"),
    aten.relu6.default: _activation("relu6"),
    aten.clamp.default: _activation("relu6", allowed=lambda low=None, high=None: (low, high) == (0, 6)),
    aten.hardtanh.default: _activation("relu6", allowed=lambda low=-1, high=1: (low, high) == (0, 6)),
    aten.add.Tensor: _added,
    aten.cat.default: _joined,
    aten.max_pool2d.default: _max_pool,
    aten.layer_norm.default: _layer_norm,
    aten.view.default: _view,
    aten.permute.default: _permuted,
    aten.transpose.int: _permuted,
    aten.clone.default: _copied,
}  # fmt: skip
