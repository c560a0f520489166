"""A model's forward as runs of Faltung's operations with PyTorch's operators between them."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

from torch.nn.modules import module as modules

import torch
from faltung.torch.acceleration.exported import tensor_of, tensors_of
from faltung.torch.acceleration.operations import FLAT, LAST, TOKENS, Operation, Value
from faltung.torch.acceleration.read import Read
from faltung.torch.acceleration.segments import Segment
from faltung.torch.acceleration.steps import step_of
from faltung.torch.tensors import is_direct
from torch import fx, nn

__all__ = ["Whole", "assembled", "segments_of"]

aten = torch.ops.aten


class Whole:
    """Forward of a model for inputs like the example; all others go to the forward of its class.

    Raises
    ------
    ConvTypeError
        The model has no graph.
    """

    def __init__(self, model: nn.Module, example: tuple[Any, ...], found: Read | None = None) -> None:
        self.model = model
        self._like = [(tuple(value.shape), value.dtype, value.stride()) for value in example]
        self._graph: fx.GraphModule | None = None
        if found is not None:
            self._take(found)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As the model's forward."""
        model = self.model
        if kwargs or torch.compiler.is_compiling() or not self._serves(args):
            return type(model).forward(model, *args, **kwargs)
        assert self._graph is not None
        return self._graph(*args)

    @property
    def segments(self) -> list[Segment]:
        """The runs of Faltung's operations."""
        return self._segments

    def __getstate__(self) -> dict[str, Any]:
        """Without the graph: a copy's model goes the way of its class, layer by layer."""
        return {"model": self.model, "_like": self._like, "_graph": None}

    def _take(self, found: Read) -> None:
        self._read = found
        self._graph = assembled(found)
        self._segments = list(segments_of(self._graph))
        own = list(self.model.modules())
        # Training changes running statistics without counting it; the batches it counts.
        every = [*tensors_of(found.graph), *self.model.parameters(), *self.model.buffers()]
        self._tensors = list({id(tensor): tensor for tensor in every}.values())
        self._modules = own
        self._hooks = [hooks for each in own[1:] for hooks in (each._forward_hooks, each._forward_pre_hooks)]
        self._hooked = list(map(tuple, self._hooks))
        places = [(table, name) for each in own for table in (each._modules, each._parameters, each._buffers) for name in table]
        self._names = places
        self._objects = [table[name] for table, name in places]
        self._state: list[Any] = []
        self._bind()

    def _serves(self, args: tuple[Any, ...]) -> bool:
        """Whether nobody has to hear of what happens inside, and everything is as it was when the graph was made."""
        if self._graph is None or len(args) != len(self._like) or not is_direct(*args):
            return False
        for value, (shape, dtype, strides) in zip(args, self._like, strict=True):
            if value.shape != shape or value.dtype is not dtype or value.stride() != strides or value.requires_grad:
                return False
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in self._tensors):
            return False
        if list(map(tuple, self._hooks)) != self._hooked or modules._global_forward_hooks or modules._global_forward_pre_hooks:
            return False
        if any(module.training for module in self._modules):
            return False
        now = [table.get(name) for table, name in self._names]
        if len(now) != len(self._objects) or not all(map(operator.is_, now, self._objects)):
            return False
        if [(tensor._version, tensor.data_ptr()) for tensor in self._tensors] != self._state:
            self._bind()
        return True

    def _bind(self) -> None:
        """Pack the weights as they are now."""
        graph = self._read.graph
        for segment in self._segments:
            segment.bind(lambda operation, slot: step_of(operation, slot, lambda node: tensor_of(graph, node)))
        self._state = [(tensor._version, tensor.data_ptr()) for tensor in self._tensors]


def segments_of(graph: fx.GraphModule) -> Iterator[Segment]:
    """The segments that a graph calls."""
    for node in graph.graph.nodes:
        if isinstance(node.target, Segment):
            yield node.target


def assembled(found: Read) -> fx.GraphModule:
    """The graph with segments in the place of what they compute."""
    old = found.graph.graph
    new = fx.Graph()
    new.set_codegen(old._codegen)
    nodes: dict[fx.Node, fx.Node] = {}  # of the old graph, in the new one
    values: dict[Value, fx.Node] = {}
    seen: dict[tuple[Value, str], fx.Node] = {}

    def tensor(value: Value) -> fx.Node:
        return values[value] if value.made_by is not None else _channels_first(new, node_of(value.node), value)

    def node_of(node: Any) -> fx.Node:
        """What stands for a node of the old graph in the new one."""
        if node in found.views:
            value, layout = found.views[node]
            if (value, layout) not in seen:
                seen[value, layout] = _as_seen(new, values[value], value, layout)
            return seen[value, layout]
        if node not in nodes:  # named by nobody else yet
            assert node.op == "get_attr"
            nodes[node] = new.node_copy(node)
        return nodes[node]

    for node in old.nodes:
        if node.op == "placeholder":
            nodes[node] = new.node_copy(node)
    wanted = _wanted_outside(found)
    for group in _scheduled(found):
        if isinstance(group, fx.Node):
            nodes[group] = new.node_copy(group, node_of)
            if group.target is aten.view.default:  # what it views may lie in another order now
                nodes[group].target = aten.reshape.default
            continue
        others = {value for item in found.items if isinstance(item, Operation) and item not in group for value in item.takes}
        segment = Segment(group, [operation.result for operation in group if operation.result in wanted or operation.result in others])
        call = new.call_function(segment, tuple(tensor(value) for value in segment.inputs))
        if len(segment.outputs) == 1:
            values[segment.outputs[0]] = call
        else:
            values.update({value: new.call_function(operator.getitem, (call, i)) for i, value in enumerate(segment.outputs)})
    output = next(node for node in old.nodes if node.op == "output")
    new.node_copy(output, node_of)
    return fx.GraphModule(found.graph, new)


def _as_seen(graph: fx.Graph, node: fx.Node, value: Value, layout: str) -> fx.Node:
    """A tensor (N, C, *size) as a node of the old graph saw it, in memory as its shape says, which PyTorch's operators read best."""
    rank = len(value.shape)
    if layout == LAST:
        node = graph.call_function(aten.permute.default, (node, [0, *range(2, rank), 1]))
    if layout in (FLAT, TOKENS):
        node = graph.call_function(aten.flatten.using_ints, (node, 2))
    if layout == TOKENS:
        node = graph.call_function(aten.transpose.int, (node, 1, 2))
    return graph.call_function(aten.contiguous.default, (node,)) if layout in (LAST, TOKENS) else node


def _channels_first(graph: fx.Graph, node: fx.Node, value: Value) -> fx.Node:
    """A tensor of PyTorch as (N, C, *size), without a copy."""
    rank = len(value.shape)
    if value.layout == LAST:
        return graph.call_function(aten.permute.default, (node, [0, rank - 1, *range(1, rank - 1)]))
    if value.layout == TOKENS:
        node = graph.call_function(aten.transpose.int, (node, 1, 2))
        return graph.call_function(aten.view.default, (node, list(value.shape)))
    return node


def _wanted_outside(found: Read) -> set[Value]:
    """The values of operations that PyTorch's operators or the caller take."""
    output = next(node for node in found.graph.graph.nodes if node.op == "output")
    takers = [item for item in found.items if isinstance(item, fx.Node)]
    return {found.views[node][0] for taker in [*takers, output] for node in taker.all_input_nodes if node in found.views}


def _scheduled(found: Read) -> Iterator[list[Operation] | fx.Node]:
    """Everything in an order in which it can be computed: as long runs of operations as there are."""
    remaining = list(found.items)
    ready: set[Any] = {node for node in found.graph.graph.nodes if node.op in ("placeholder", "get_attr")}

    def is_ready(item: Operation | fx.Node) -> bool:
        if isinstance(item, fx.Node):
            return all((found.views[node][0] if node in found.views else node) in ready for node in item.all_input_nodes)
        return all((value if value.made_by is not None else value.node) in ready for value in item.takes)

    while remaining:
        run: list[Operation] = []
        rest: list[Operation | fx.Node] = []
        for item in remaining:
            if isinstance(item, Operation) and is_ready(item):
                run.append(item)
                ready.add(item.result)
            else:
                rest.append(item)
        if run:
            yield run
        remaining = []
        for item in rest:
            if isinstance(item, fx.Node) and is_ready(item):
                ready.add(item)
                yield item
            else:
                remaining.append(item)
        assert run or len(remaining) < len(rest), "a graph without order"
