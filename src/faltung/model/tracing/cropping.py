"""How far from an edge positions may be missing, or cropped, though all that they see lies inside: what tiles leave out beyond the field.

A layer that pads has positions as long as they see some cell inside, and what it does not have looks out over the edge. Layers that crop,
and transposed ones whose stamps leave gaps, take positions away that see nothing outside; layers behind them meet padding there.
Standard library only.
"""

from __future__ import annotations

import math
from fractions import Fraction

from faltung.model import operations as op
from faltung.model.graph import Graph, Node
from faltung.model.tracing.positions import Positions

__all__ = ["cropped_cells"]


def cropped_cells(graph: Graph, where: Positions) -> tuple[int, ...]:
    """At most so many cells of the input from an edge, along each axis: all that the layers of a model crop, added up."""
    return tuple(math.ceil(sum(_of(node, where, axis) for node in graph.nodes)) for axis in range(len(where.axes)))


def _of(node: Node, where: Positions, axis: int) -> Fraction:
    """Of one node, in cells of the input."""
    if not node.outputs or not node.inputs:
        return Fraction(0)
    dim, what = where.axes[axis], node.operation
    if isinstance(what, op.Convolve):
        number = dim - (max(where.axes) + 1 - what.spec.ndim)
        if not 0 <= number < what.spec.ndim:
            return Fraction(0)
        along, shape = what.spec.axes[number], node.inputs[0].shape
        before, after = along.sides(shape[dim]) if shape is not None and dim < len(shape) else (0, 0)
        if not along.transposed:
            return max(-before, -after, 0) * _stride(node, where, axis, of_output=False)
        gaps = max(along.stride - along.extent, 0)
        most = max(before, after, 0)
        return (most + gaps + along.stride if most or gaps else 0) * _stride(node, where, axis, of_output=True)
    if isinstance(what, op.Pad):
        sides = what.sides[dim] if dim < len(what.sides) else (0, 0)
        return max(-sides[0], -sides[1], 0) * _stride(node, where, axis, of_output=False)
    if isinstance(what, op.Crop) and what.dim == dim:
        sizes, left = node.inputs[0].shape, node.outputs[0].shape
        if sizes is None or left is None:
            return Fraction(0)
        behind = sizes[dim] - what.start - (left[dim] - 1) * what.step - 1 if not what.drops else 0
        return max(what.start, behind, 0) * _stride(node, where, axis, of_output=False)
    return Fraction(0)


def _stride(node: Node, where: Positions, axis: int, *, of_output: bool) -> Fraction:
    """Cells of the input from one position to the next; 1 where they are not followed."""
    try:
        reach = where.of(node.outputs[0] if of_output else node.inputs[0])[axis].reach
    except KeyError:
        return Fraction(1)
    return reach.stride if reach else Fraction(1)
