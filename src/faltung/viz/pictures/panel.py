"""Where the cells of a grid lie on a flat picture.

Owns the way from a cell's position to its square: one axis is a row, two are rows and columns, three are slices side by side.
Standard library only.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from faltung.viz.pictures.drawing import Point
from faltung.viz.pictures.timeline import runs
from faltung.viz.windows import Index

__all__ = ["Panel", "Square", "extent"]

Square = tuple[Point, Point, Point, Point]
"""Upper left, upper right, lower right, lower left."""


def extent(shown: Sequence[int], side: float) -> tuple[float, float]:
    """Width and height of a grid that shows so many cells along each axis, `side` wide each.

    >>> extent((5,), 10), extent((3, 5), 10), extent((2, 3, 5), 10)
    ((50.0, 10), (50.0, 30), (108.0, 30))
    """
    slices, rows, columns = _three(shown)
    return slices * columns * side + (slices - 1) * _gap(side), rows * side


@dataclass(frozen=True, slots=True)
class Panel:
    """One channel of a grid on the picture.

    Attributes
    ----------
    x, y : float
        Its upper left corner.
    side : float
        Of a cell.
    first : tuple of int
        The position of the cell at that corner.
    shown : tuple of int
        Cells along each axis.

    Examples
    --------
    >>> panel = Panel(10, 20, 5, (-1, -1), (4, 4))
    >>> panel.box((0, 0))
    ((15.0, 25), (20.0, 25), (20.0, 30), (15.0, 30))
    >>> panel.middle((0, 0))
    (17.5, 27.5)
    """

    x: float
    y: float
    side: float
    first: Index
    shown: Index

    @property
    def width(self) -> float:
        """Of the whole panel."""
        return extent(self.shown, self.side)[0]

    @property
    def height(self) -> float:
        """Of the whole panel."""
        return extent(self.shown, self.side)[1]

    @property
    def slices(self) -> Iterator[tuple[int, float, float]]:
        """Of three axes: each place along the first, with the middle and the width of its slice."""
        if len(self.shown) == 3:
            wide = self.shown[2] * self.side
            for number in range(self.shown[0]):
                yield self.first[0] + number, self.x + number * (wide + _gap(self.side)) + wide / 2, wide

    def corner(self, position: Index) -> Point:
        """The upper left corner of a cell."""
        slice_, row, column = _three([place - start for place, start in zip(position, self.first, strict=True)], 0)
        wide = _three(self.shown)[2] * self.side + _gap(self.side)
        return self.x + slice_ * wide + column * self.side, self.y + row * self.side

    def box(self, position: Index, last: Index | None = None) -> Square:
        """The square of a cell; with `last` the rectangle from one cell to the other, of one slice."""
        x, y = self.corner(position)
        right, below = self.corner(position if last is None else last)
        return (x, y), (right + self.side, y), (right + self.side, below + self.side), (x, below + self.side)

    def middle(self, position: Index) -> Point:
        """The middle of a cell."""
        x, y = self.corner(position)
        return x + self.side / 2, y + self.side / 2

    def outlines(self, positions: Collection[Index]) -> list[Square]:
        """Rectangles around exactly these cells, as few as cells that touch each other allow.

        >>> [len(Panel(0, 0, 1, (0, 0), (5, 5)).outlines([(0, a), (0, b)])) for a, b in [(0, 1), (0, 2)]]
        [1, 2]
        """
        along = [sorted({place[axis] for place in positions}) for axis in range(len(self.shown))]
        if math.prod(map(len, along)) != len(set(positions)):
            return [self.box(place) for place in sorted(set(positions))]
        pieces = [
            runs(places) if axis or len(self.shown) < 3 else [(place, place + 1) for place in places] for axis, places in enumerate(along)
        ]
        return [self.box(tuple(start for start, _ in piece), tuple(end - 1 for _, end in piece)) for piece in itertools.product(*pieces)]


def _three(index: Sequence[int], filler: int = 1) -> tuple[int, int, int]:
    """Slice, row and column."""
    slice_, row, column = [filler] * (3 - len(index)) + list(index)
    return slice_, row, column


def _gap(side: float) -> float:
    """Between slices."""
    return max(0.6 * side, 8.0)
