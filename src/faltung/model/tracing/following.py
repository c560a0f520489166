"""What each operation does to the positions that its inputs see, and where branches meet that do not align.

Never guesses: an operation that is not followed is named by every array behind it. Standard library only.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from faltung.errors import ConvShapeError
from faltung.model import operations as op
from faltung.model.graph import Node, Value
from faltung.model.tracing import layout as lay
from faltung.model.tracing.along import cropped, padded, reduced, resized, rolled, shape_of, windows
from faltung.model.tracing.layout import Part
from faltung.model.tracing.sight import Seen, Sight

__all__ = ["Follower", "Misalignment"]

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Misalignment:
    """Branches that meet at a node though their positions lie over different places of the input.

    Attributes
    ----------
    node : str
    axis : int
        Dimension of the input.
    branches : (str, str)
        The arrays that meet.
    centres : (Fraction, Fraction)
        Input cell over whose middle position 0 of each branch lies, on average over a period.
    strides : (Fraction, Fraction)
        Input cells from one position to the next.
    """

    node: str
    axis: int
    branches: tuple[str, str]
    centres: tuple[Fraction, Fraction]
    strides: tuple[Fraction, Fraction]

    @property
    def offset(self) -> Fraction:
        """By how many input cells the second branch lies behind the first, at position 0."""
        return self.centres[1] - self.centres[0]

    def __str__(self) -> str:
        first, second = self.branches
        where = f"{self.node}: along dimension {self.axis} of the input, {second!r}"
        if self.strides[0] != self.strides[1]:
            return (
                f"{where} has {_cells(self.strides[1])} from position to position, {first!r} {_cells(self.strides[0])}: they drift apart."
            )
        way = "after" if self.offset > 0 else "before"
        return f"{where} lies {_cells(abs(self.offset))} {way} {first!r} (centres {self.centres[1]} and {self.centres[0]})."


class Follower:
    """Takes one node after another.

    Attributes
    ----------
    misaligned : list of Misalignment
    channels : int or None
        The input's dimension over which the first layer with weights sums.
    """

    def __init__(self, shape: Shape) -> None:
        self.misaligned: list[Misalignment] = []
        self.channels: int | None = None
        self._nothing = tuple(Sight(cells) for cells in shape)
        self._sampled: set[Value] = set()

    def take(self, node: Node, seen: dict[Value, Seen]) -> None:
        """Say of each output of a node what its cells see."""
        inputs = [seen[value] for value in node.inputs]
        for value in node.outputs:
            if not inputs:
                result = Seen(lay.of_shape(value.shape or ()), self._nothing)
            elif value.shape is None or any(given.shape is None for given in node.inputs):
                result = self._lost(node, inputs, value.shape, "a shape that depends on the numbers")
            elif not all(math.prod(given.shape or ()) for given in (value, *node.inputs)):
                result = self._lost(node, inputs, value.shape, "arrays without cells")
            else:
                result = self._result(node, inputs, value.shape)
                if tuple(math.prod(part.size for part in dim) for dim in result.layout) != value.shape:
                    result = self._lost(node, inputs, value.shape, f"a result of shape {value.shape} is not followed")
            seen[value] = result
            if isinstance(node.operation, op.Crop) and (node.operation.step > 1 or self._sampled.issuperset(node.inputs)):
                self._sampled.add(value)

    def _result(self, node: Node, inputs: list[Seen], shape: Shape) -> Seen:
        first, why = inputs[0], _why(node)
        try:
            match node.operation:
                case op.Convolve():
                    return self._convolve(node, first, shape)
                case op.Pool(axes):
                    return windows(first, axes, shape, why)
                case op.Multiply(_, is_linear):
                    return self._multiply(node, first, shape) if is_linear else self._attend(node, inputs, shape)
                case op.Attend():
                    return self._attend(node, inputs, shape)
                case op.Elementwise():
                    return _in_place(self._meet(node, inputs, shape), node)
                case op.Normalise(name, dims):
                    met = self._meet(node, [first.mixed(dims, why), *inputs[1:]], shape)
                    # Batch, instance and group norms have a factor for each channel, layer norms one for each last place.
                    return met if name.startswith(("batch", "instance", "group")) else _in_place(met, node)
                case op.Reduce(_, dims, keeps):
                    return reduced(first, dims, keeps, why)
                case op.Join(dim):
                    return self._join(node, inputs, dim % len(shape), shape)
                case op.Permute(order):
                    return replace(first, layout=tuple(first.layout[dim] for dim in order))
                case op.Reshape():
                    return first.reshaped(shape, f"{why}: positions are mixed by shape {shape_of(first)} → {shape}")
                case op.Crop() as crop:
                    return cropped(first, crop, shape, why)
                case op.Pad(sides, mode):
                    return padded(first, rolled(sides, shape) if mode == "circular" else sides, shape, why)
                case op.Resize() as resize:
                    return resized(first, resize, shape, why)
                case op.Lookup():
                    return self._look_up(node, inputs, shape)
                case op.Same():
                    return self._meet(node, inputs[:1], shape)
                case op.Unknown(reason):
                    return self._lost(node, inputs, shape, reason)
        except ConvShapeError as error:
            return self._lost(node, inputs, shape, error.problem)
        except (IndexError, ValueError):  # shapes that its reader got wrong
            pass
        return self._lost(node, inputs, shape, f"{type(node.operation).__name__} does not fit its input's {len(first.layout)} dimensions")

    def _lost(self, node: Node, inputs: list[Seen], shape: Shape | None, reason: str) -> Seen:
        lost = [seen.lose_all(shape, f"{_why(node)}: {reason}").sights for seen in inputs]
        sights = [functools.reduce(Sight.beside, branch) for branch in zip(*lost, strict=True)]
        return Seen(lay.of_shape(shape or ()), tuple(sights))

    # -- layers with weights -----------------------------------------------------------------------

    def _convolve(self, node: Node, seen: Seen, shape: Shape) -> Seen:
        assert isinstance(node.operation, op.Convolve)
        spec, why = node.operation.spec, _why(node)
        dim = len(shape) - spec.ndim - 1
        if dim < 0 or len(shape) != len(seen.layout):
            raise IndexError
        self._sums_over(seen, dim)
        is_depthwise = spec.groups == spec.in_channels == spec.out_channels
        if lay.carried([seen.layout[dim]]) and not is_depthwise:
            if spec.groups == 1:
                seen = seen.mixed([dim], why).taken(dim)
            else:
                seen = seen.lose(lay.carried([seen.layout[dim]]), f"{why}: groups of channels that hold positions")
        if not is_depthwise:
            seen = seen.with_dim(dim, [Part(shape[dim])])
        return windows(seen, spec.axes, shape, why)

    def _multiply(self, node: Node, seen: Seen, shape: Shape) -> Seen:
        last = len(shape) - 1
        if len(seen.layout) != len(shape) or shape_of(seen)[:-1] != shape[:-1]:
            return self._lost(node, [seen], shape, f"a product of shape {shape_of(seen)} → {shape} is not followed")
        self._sums_over(seen, last)
        return seen.mixed([last], _why(node)).taken(last).with_dim(last, [Part(shape[last])])

    def _sums_over(self, seen: Seen, dim: int) -> None:
        if self.channels is None and lay.is_aligned(seen.layout[dim], seen.layout):
            self.channels = seen.layout[dim][0].axis

    # -- where branches meet -----------------------------------------------------------------------

    def _meet(self, node: Node, inputs: Sequence[Seen], shape: Shape, *, compares: bool = True) -> Seen:
        """Branches broadcast against one another."""
        if len(inputs) == 1 and math.prod(shape) == 1 < len(inputs[0].layout) - len(shape):  # a number for all cells, such as a scale
            inputs = [reduced(inputs[0], range(len(inputs[0].layout) - len(shape)), keeps=False, why=_why(node))]
        branches = [_broadcast(seen, shape) for seen in inputs]
        layout = tuple(_shared([branch.layout[dim] for branch in branches], size) for dim, size in enumerate(shape))
        if compares:
            self._compare(node, branches)
        total = branches[0].sights
        for branch in branches[1:]:
            total = tuple(_beside(one, two, _why(node)) for one, two in zip(total, branch.sights, strict=True))
        torn = {
            axis
            for axis in range(len(total))
            for branch in branches
            if branch.sights[axis].reach
            and [lay.parts_of(axis, [dim]) for dim in branch.layout] != [lay.parts_of(axis, [dim]) for dim in layout]
        }
        return Seen(layout, total).lose(torn, f"{_why(node)}: branches meet whose dimensions run along other axes")

    def _compare(self, node: Node, branches: Sequence[Seen]) -> None:
        """Each branch with the first that has positions along the axis."""
        for axis in range(len(self._nothing)):
            present = [(value, seen.sights[axis]) for value, seen in zip(node.inputs, branches, strict=False) if seen.sights[axis].reach]
            for value, sight in present[1:]:
                first, other = present[0]
                # Every second cell and those between them, joined as channels, are meant to lie beside one another.
                if other.reach is None or sight.reach is None or self._sampled.issuperset((first, value)):
                    continue
                centres, strides = (other.centre, sight.centre), (other.reach.stride, sight.reach.stride)
                if centres[0] != centres[1] or strides[0] != strides[1]:
                    self.misaligned.append(Misalignment(node.name, axis, (first.name, value.name), centres, strides))

    def _join(self, node: Node, inputs: list[Seen], dim: int, shape: Shape) -> Seen:
        if len(inputs) == 1 and shape_of(inputs[0]) == shape:
            return inputs[0]
        axes = lay.carried(seen.layout[dim] for seen in inputs)
        why = f"{_why(node)}: positions are put behind one another"
        ends = [Part(shape[dim], tuple(sorted(axes)), is_known=False) if axes else Part(shape[dim])]
        return self._meet(node, [seen.with_dim(dim, ends).lose(axes, why) for seen in inputs], shape)

    def _attend(self, node: Node, inputs: list[Seen], shape: Shape) -> Seen:
        """Rows of the first input, each with all rows of the others."""
        why, last = _why(node), len(shape) - 1
        rows = inputs[0]
        if isinstance(node.operation, op.Multiply) and (node.weights or len(inputs) < 2):
            return self._lost(node, inputs, shape, "what a step of a recurrent layer sees depends on its direction")
        if len(rows.layout) != len(shape) or len(shape) < 2:
            return self._lost(node, inputs, shape, f"a product of {len(rows.layout)} dimensions → {len(shape)} is not followed")
        rows = rows.mixed([last], why).taken(last).with_dim(last, [Part(shape[last])])
        branches = [rows]
        for other in inputs if isinstance(node.operation, op.Attend) else inputs[1:]:
            if len(other.layout) < 2:
                return self._lost(node, inputs, shape, f"{len(other.layout)} dimensions are not followed")
            branches.append(_as_whole(other.mixed([-1, -2], why), rows, why))
        return self._meet(node, branches, shape, compares=False)

    def _look_up(self, node: Node, inputs: list[Seen], shape: Shape) -> Seen:
        first = inputs[0]
        is_table = len(inputs) == 1 and bool(node.weights) and len(shape) == len(first.layout) + 1
        if is_table and shape[:-1] == shape_of(first):
            return replace(first, layout=(*first.layout, (Part(shape[-1]),)))
        return self._lost(node, inputs, shape, "which rows are taken depends on the numbers")


# -- dimensions of several inputs ------------------------------------------------------------------


def _broadcast(seen: Seen, shape: Shape) -> Seen:
    """With as many dimensions as `shape`; what is repeated along one is not a position there."""
    missing = len(shape) - len(seen.layout)
    if missing < 0:
        raise IndexError
    wide = replace(seen, layout=((Part(1),),) * missing + seen.layout)
    for dim, (size, old) in enumerate(zip(shape, shape_of(wide), strict=True)):
        if old == 1 and size != 1:
            wide = wide.taken(dim).with_dim(dim, [Part(size)])
    return wide


def _beside(one: Sight, two: Sight, why: str) -> Sight:
    try:
        return one.beside(two)
    except ConvShapeError as error:
        reason = f"{why}: {error.problem}"
        return one.unknown(reason).beside(two.unknown(reason))


def _shared(dims: Sequence[lay.Dim], size: int) -> lay.Dim:
    return next((dim for dim in dims if lay.carried([dim])), (Part(size),))


def _as_whole(other: Seen, rows: Seen, why: str) -> Seen:
    """Mixed over its last two dimensions, at the places of `rows`."""
    sights = list(other.sights)
    torn = set()
    for axis, sight in enumerate(sights):
        if sight.reach is None:
            continue
        batch = [lay.parts_of(axis, [dim]) for dim in other.layout[:-2]]
        if not any(batch):
            sights[axis] = replace(sight, reach=None, repeats=None)
            continue
        same = batch[::-1] == [lay.parts_of(axis, [dim]) for dim in rows.layout[:-2]][::-1]
        sizes = [math.prod(part.size for part in lay.parts_of(axis, seen.layout)) for seen in (other, rows)]
        if not same or sizes[0] != sizes[1]:
            torn.add(axis)
    return Seen(rows.layout, tuple(sights)).lose(torn, f"{why}: rows of other windows meet")


def _why(node: Node) -> str:
    return f"{node.name} ({node.source})"


def _cells(number: Fraction) -> str:
    return f"{number} cell" if number == 1 else f"{number} cells"


def _in_place(seen: Seen, node: Node) -> Seen:
    """Weights that differ from position to position do not move with the input."""
    fixed: set[int] = set()
    for weight in node.weights:
        for size, parts in zip(reversed(weight.shape), reversed(seen.layout), strict=False):
            fixed |= lay.carried([parts]) if size > 1 else frozenset()
    sights = tuple(replace(sight, repeats=None) if axis in fixed else sight for axis, sight in enumerate(seen.sights))
    return replace(seen, sights=sights)
