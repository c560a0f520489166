"""A graph of PyTorch's operators and what was read of it: operations, and which nodes stand for their results."""

from __future__ import annotations

from typing import Any

import torch
from faltung.torch.acceleration.exported import tensor_of
from faltung.torch.acceleration.operations import FIRST, Conv, Operation, Value
from torch import Tensor, fx

__all__ = ["SERVED", "Read", "arguments", "repeated", "result_of"]

SERVED = (torch.float32, torch.float64)


class Read:
    """A graph and what was read of it.

    Attributes
    ----------
    items : list of Operation and Node
        In an order in which they can be computed; nodes are PyTorch's.
    views : dict
        For nodes that stand for an operation's result, the value and how the node sees it.
    norms : dict
        The same for batch norms, whose results are tuples.
    """

    def __init__(self, graph: fx.GraphModule) -> None:
        self.graph = graph
        self.items: list[Operation | fx.Node] = []
        self.views: dict[fx.Node, tuple[Value, str]] = {}
        self._outside: dict[tuple[fx.Node, str], Value] = {}
        self.norms: dict[fx.Node, tuple[Value, str]] = {}
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


def arguments(node: fx.Node, *defaults: Any) -> list[Any]:
    """Positional arguments, and after them the defaults of those that are not given."""
    return [*node.args, *defaults[len(node.args) :]]


def repeated(value: Any, ndim: int) -> tuple[int, ...]:
    """One for each axis."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * ndim if len(values) == 1 else values


def result_of(node: fx.Node, shape: tuple[int, ...] | None = None) -> Value:
    """What a node makes."""
    tensor = node.meta["val"]
    return Value(tuple(tensor.shape) if shape is None else shape, tensor.dtype)
