"""How much memory the arrays between the layers take at once, when each is freed after its last use.

Nodes run in the graph's order. Views (reshaped, permuted, cropped, renamed) lie in the memory of what they view; nothing is computed in
place, and what an operation takes for itself while it runs is not known. Weights are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from faltung.model.graph import Graph, Node, Value
from faltung.model.operations import Crop, Permute, Reshape, Same

__all__ = ["Peak", "is_view", "peak_memory"]


@dataclass(frozen=True, slots=True)
class Peak:
    """The moment at which most is alive.

    Attributes
    ----------
    bytes : int
        Of all arrays that are alive while the node runs: its inputs, its outputs, and those that others wait for.
    at : str
        The node.
    unknown : int
        Arrays whose size depends on the numbers, which are not in it.
    """

    bytes: int
    at: str
    unknown: int


def peak_memory(graph: Graph) -> Peak:
    """The peak over the order of nodes; of an empty graph that of its inputs."""
    owners = _owners(graph)
    last_use: dict[Value, int] = {}
    for number, node in enumerate(graph.nodes):
        for value in (*node.inputs, *node.outputs):
            last_use[owners.get(value, value)] = number
    for value in graph.outputs:
        last_use[owners.get(value, value)] = len(graph.nodes)
    freed: dict[int, list[Value]] = {}
    for value, number in last_use.items():
        freed.setdefault(number, []).append(value)
    alive = dict.fromkeys(owners.get(value, value) for value in graph.inputs)
    live = sum(value.bytes or 0 for value in alive)
    peak, at = live, ""
    for number, node in enumerate(graph.nodes):
        for value in node.outputs:
            owner = owners.get(value, value)
            if owner not in alive:
                alive[owner] = None
                live += owner.bytes or 0
        if live > peak or not at:
            peak, at = max(live, peak), node.name
        for value in freed.get(number, ()):
            if value in alive:
                del alive[value]
                live -= value.bytes or 0
    return Peak(peak, at, sum(value.bytes is None for value in last_use))


def _owners(graph: Graph) -> dict[Value, Value]:
    """Of each view the array in whose memory it lies."""
    owners: dict[Value, Value] = {}
    for node in graph.nodes:
        if is_view(node):
            owners[node.outputs[0]] = owners.get(node.inputs[0], node.inputs[0])
    return owners


def is_view(node: Node) -> bool:
    """Whether its result lies in the memory of its input."""
    if not isinstance(node.operation, Crop | Permute | Reshape | Same) or not node.inputs or len(node.outputs) != 1:
        return False
    given, made = node.inputs[0], node.outputs[0]
    return given.dtype == made.dtype and (made.bytes is None or given.bytes is None or made.bytes <= given.bytes)
