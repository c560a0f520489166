"""A graph of PyTorch's operators read as Faltung's operations where they serve; everything else stays as it is."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from faltung.torch.acceleration.operations import Operation, Value
from faltung.torch.acceleration.read import Read
from faltung.torch.acceleration.reading_convolutions import batch_norm, conv, getitem, linear, multiplied
from faltung.torch.acceleration.reading_results import activation, added, copied, joined, layer_norm, max_pool, permuted, view
from torch import fx

__all__ = ["read"]


aten = torch.ops.aten


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


READERS: dict[Any, Callable[[Read, fx.Node], bool]] = {
    **{getattr(aten, f"conv{ndim}d").default: conv(f"conv{ndim}d") for ndim in (1, 2, 3)},
    **{getattr(aten, f"conv{ndim}d").padding: conv(f"conv{ndim}d") for ndim in (1, 2, 3)},
    aten.conv_transpose1d.default: conv("conv_transpose1d"),
    aten.conv_transpose2d.input: conv("conv_transpose2d"),
    aten.conv_transpose3d.input: conv("conv_transpose3d"),
    aten._native_batch_norm_legit_no_training.default: batch_norm,
    operator.getitem: getitem,
    aten.linear.default: linear,
    aten.mul.Tensor: multiplied,
    aten.relu.default: activation("relu"),
    aten.silu.default: activation("silu"),
    aten.sigmoid.default: activation("sigmoid"),
    aten.hardsigmoid.default: activation("hardsigmoid"),
    aten.hardswish.default: activation("hardswish"),
    aten.gelu.default: activation("gelu", allowed=lambda approximate="none": approximate == "none"),
    aten.relu6.default: activation("relu6"),
    aten.clamp.default: activation("relu6", allowed=lambda low=None, high=None: (low, high) == (0, 6)),
    aten.hardtanh.default: activation("relu6", allowed=lambda low=-1, high=1: (low, high) == (0, 6)),
    aten.add.Tensor: added,
    aten.cat.default: joined,
    aten.max_pool2d.default: max_pool,
    aten.layer_norm.default: layer_norm,
    aten.view.default: view,
    aten.permute.default: permuted,
    aten.transpose.int: permuted,
    aten.clone.default: copied,
}  # fmt: skip
