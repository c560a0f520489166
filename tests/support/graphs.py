"""Graphs made by hand, for what is said of models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from faltung.model.graph import Graph, Node, Value, Weight
from faltung.model.operations import Convolve, Operation
from faltung.spec import ConvSpec


def weight(name: str, shape: tuple[int, ...], numbers: np.ndarray | None = None, *, is_learned: bool = True) -> Weight:
    return Weight(name, shape, "float32", is_learned, None if numbers is None else lambda: numbers)


class Making:
    """Nodes one after the other; each method gives the value of what it adds."""

    def __init__(self, *shape: int, dtype: str = "float32") -> None:
        self.x = Value("x", shape, dtype)
        self.nodes: list[Node] = []

    def add(
        self,
        operation: Operation,
        shape: tuple[int, ...] | None,
        *inputs: Value,
        name: str = "",
        module: str = "",
        source: str = "",
        weights: Sequence[Weight] = (),
    ) -> Value:
        name = name or f"n{len(self.nodes)}"
        made = Value(name, shape, inputs[0].dtype)
        self.nodes.append(Node(name, module, operation, source or type(operation).__name__, inputs, (made,), tuple(weights)))
        return made

    def conv(
        self,
        text: str | ConvSpec,
        x: Value,
        *,
        name: str = "",
        module: str = "",
        numbers: np.ndarray | None = None,
        weights: Sequence[Weight] = (),
    ) -> Value:
        """A convolution with weights of its own, or with those given."""
        spec = text if isinstance(text, ConvSpec) else ConvSpec.parse(text)
        name = name or f"n{len(self.nodes)}"
        own = [weight(f"{name}.weight", spec.weight_shape, numbers)] + ([weight(f"{name}.bias", (spec.out_channels,))] if spec.bias else [])
        assert x.shape is not None
        return self.add(Convolve(spec), spec.output_shape(x.shape), x, name=name, module=module, source="Conv2d", weights=weights or own)

    def graph(self, *outputs: Value, unused: Sequence[Weight] = (), notes: Sequence[str] = ()) -> Graph:
        return Graph("Made", tuple(self.nodes), (self.x,), outputs or self.nodes[-1].outputs, tuple(unused), tuple(notes))
