"""One piece of advice, and the model as those see it who give it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from faltung.model.auditing.places import Places
from faltung.model.auditing.rows import Layer, Totals
from faltung.model.graph import Graph, Node, Value
from faltung.model.operations import Convolve

__all__ = ["Advice", "Subject", "listed"]


@dataclass(frozen=True, slots=True)
class Advice:
    """What could be otherwise, with its arithmetic.

    Attributes
    ----------
    kind : str
        ``"depthwise separable"``, ``"checkerboard"`` …
    layers : tuple of str
        Names of those that it is about.
    sentence : str
        The advice, with its numbers put in.
    numbers : dict
        They, by name.
    source : str
        Where the reasoning comes from.
    saves_macs, saves_parameters, saves_bytes : int
        Of one run of the whole model; 0 where it is not about them.
    """

    kind: str
    layers: tuple[str, ...]
    sentence: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    saves_macs: int = 0
    saves_parameters: int = 0
    saves_bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As data, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Subject:
    """A model that advice is given on."""

    graph: Graph
    layers: tuple[Layer, ...]
    totals: Totals
    places: Places = field(default_factory=Places)

    @cached_property
    def rows(self) -> dict[Node, Layer]:
        """The row of each node."""
        return dict(zip(self.graph.nodes, self.layers, strict=True))

    @cached_property
    def makers(self) -> dict[Value, Node]:
        """The node that makes each value."""
        return self.graph.makers()

    @cached_property
    def users(self) -> dict[Value, list[Node]]:
        """The nodes that take each value."""
        found: dict[Value, list[Node]] = {}
        for node in self.graph.nodes:
            for value in dict.fromkeys(node.inputs):
                found.setdefault(value, []).append(node)
        return found

    @cached_property
    def convolutions(self) -> list[tuple[Node, Layer]]:
        """Those whose input's size is known and not zero."""
        return [
            (node, layer)
            for node, layer in self.rows.items()
            if isinstance(node.operation, Convolve) and layer.macs and layer.output_shapes[0] is not None
        ]

    def only_user(self, node: Node) -> Node | None:
        """The node that alone takes what this one makes; None if there are several or it leaves the model."""
        if len(node.outputs) != 1 or node.outputs[0] in self.graph.outputs:
            return None
        users = self.users.get(node.outputs[0], [])
        return users[0] if len(users) == 1 else None

    def share(self, macs: int) -> float:
        """Of the model's MACs."""
        return macs / self.totals.macs if self.totals.macs else 0.0


def listed(names: list[str] | tuple[str, ...], most: int = 4) -> str:
    """Names in a sentence, the first few of many.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"
