"""What the positions of every array of a model see of its input, through branches, reshaping and attention; where branches do not align.

Owns the walk over the graph. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from faltung.errors import ConvShapeError, ConvTypeError
from faltung.model.graph import Graph, Value
from faltung.model.operations import Convolve
from faltung.model.tracing import layout as lay
from faltung.model.tracing.following import Follower, Misalignment
from faltung.model.tracing.layout import Part
from faltung.model.tracing.sight import Seen, Sight
from faltung.reach import Reach

__all__ = ["Misalignment", "Positions", "positions"]


class Positions:
    """What the positions of every array see of one input of a model.

    Attributes
    ----------
    input : Value
    shape : tuple of int
        The input's. Its channels are those over which the first layer with weights sums; the dimensions beside them and samples are `axes`.
    misaligned : tuple of Misalignment
    """

    def __init__(self, given: Value, shape: tuple[int, ...]) -> None:
        self.input = given
        self.shape = shape
        self.misaligned: tuple[Misalignment, ...] = ()
        self._channels: int | None = None
        self._seen: dict[Value, Seen] = {}

    @property
    def axes(self) -> tuple[int, ...]:
        """The input's dimensions beside batch and channels."""
        channels = 1 if self._channels is None and len(self.shape) > 2 else self._channels
        return tuple(axis for axis in range(1, len(self.shape)) if axis != channels)

    @property
    def size(self) -> tuple[int, ...]:
        """Of the input along `axes`."""
        return tuple(self.shape[axis] for axis in self.axes)

    def of(self, value: Value) -> tuple[Sight, ...]:
        """What the positions of an array see, for each of `axes`."""
        seen = self._seen[value]
        return tuple(seen.sights[axis] for axis in self.axes)

    def positions_of(self, value: Value) -> tuple[int | None, ...]:
        """How many positions an array has along each of `axes`; None where it has none, or where they are not followed."""
        seen = self._seen[value]
        counts: list[int | None] = []
        for axis in self.axes:
            parts = lay.parts_of(axis, seen.layout)
            known = seen.sights[axis].reach is not None and parts and all(part.is_known for part in parts)
            counts.append(math.prod(part.size for part in parts) if known else None)
        return tuple(counts)

    def index_of(self, value: Value, position: Sequence[int]) -> tuple[int | slice, ...] | None:
        """Where an array holds the cells of one position along each of `axes`, all samples and channels; None where they lie scattered."""
        place = dict(zip(self.axes, position, strict=True))
        index: list[int | slice] = []
        for parts in self._seen[value].layout:
            carried = lay.carried([parts])
            if not carried.intersection(place):
                index.append(slice(None))
            elif any(part.axis not in place for part in parts):
                return None
            else:
                number = 0
                for part in parts:
                    number = number * part.size + place[part.axes[0]] // part.step % part.size
                index.append(number)
        return tuple(index)

    def misaligned_before(self, value: Value, graph: Graph) -> list[Misalignment]:
        """The branches that do not align, of those that an array is made from."""
        behind = _before(graph, [value])
        names = {node.name for node in graph.nodes if not behind.isdisjoint(node.outputs)}
        return [each for each in self.misaligned if each.node in names]


def positions(graph: Graph, input: str | None = None) -> Positions:  # noqa: A002 - what it is
    """Follow what positions see from an input of a graph to every array.

    Parameters
    ----------
    graph : Graph
    input : str, optional
        Name of an input; by default one that the first convolution sees, of floating numbers and with three dimensions or more if
        there is one.

    Raises
    ------
    ConvTypeError
        There is no such input.
    ConvShapeError
        Its shape is not known.

    Examples
    --------
    >>> from faltung.geometry import Axis
    >>> from faltung.model.graph import Node
    >>> from faltung.model.operations import Pool
    >>> image, small = Value("image", (1, 3, 32, 32), "float32"), Value("small", (1, 3, 16, 16), "float32")
    >>> pool = Node("pool", "", Pool((Axis(0, 2, 2), Axis(1, 2, 2)), "max"), "MaxPool2d", (image,), (small,))
    >>> where = positions(Graph("Small", (pool,), (image,), (small,)))
    >>> where.of(small)[0].reach
    Reach(period=1, advance=2, spans=((0, 1),))
    """
    given = _input(graph, input)
    if given.shape is None:
        raise ConvShapeError(f"the input {given.name!r} of {graph.name} has no known shape.", "Give input_shape.")
    found = Positions(given, given.shape)
    itself = Reach.itself()
    for value in graph.inputs:
        sights = tuple(Sight(cells) for cells in given.shape)
        found._seen[value] = Seen(lay.of_shape(value.shape or ()), sights)
    # Samples do not meet, so the first dimension is none to follow.
    dims = tuple((Part(size, (axis,)) if axis else Part(size),) for axis, size in enumerate(given.shape))
    sights = tuple(Sight(cells, itself, None, (1, 1)) if axis else Sight(cells) for axis, cells in enumerate(given.shape))
    found._seen[given] = Seen(dims, sights)
    follower = Follower(given.shape)
    for node in graph.nodes:
        follower.take(node, found._seen)
    found._channels = follower.channels
    found.misaligned = tuple(each for each in follower.misaligned if each.axis in found.axes)
    return found


def _input(graph: Graph, name: str | None) -> Value:
    if name is not None:
        for value in graph.inputs:
            if value.name == name:
                return value
        raise ConvTypeError(f"{graph.name} has no input {name!r}.", f"It has {', '.join(repr(value.name) for value in graph.inputs)}.")
    known = [value for value in graph.inputs if value.shape is not None and len(value.shape) >= 2]
    first = next((node for node in graph.nodes if isinstance(node.operation, Convolve)), None)
    convolved = _before(graph, first.inputs if first else ())

    def rank(value: Value) -> tuple[bool, bool, bool]:
        return value in convolved, value.dtype.startswith(("float", "bfloat")), len(value.shape or ()) > 2

    if known:
        return max(known, key=rank)
    raise ConvTypeError(f"no input of {graph.name} has two dimensions or more.", "Name the input to follow.")


def _before(graph: Graph, values: Iterable[Value]) -> set[Value]:
    """The arrays that these are made from, themselves too."""
    makers, found, waiting = graph.makers(), set(), list(values)
    while waiting:
        value = waiting.pop()
        if value not in found:
            found.add(value)
            waiting.extend(makers[value].inputs if value in makers else ())
    return found
