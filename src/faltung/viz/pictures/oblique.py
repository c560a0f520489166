"""A plane of cells seen at a slant from above: where its cells lie in the picture.

Owns the projection. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from faltung.viz.pictures.drawing import Point

__all__ = ["Box", "Plane", "convex_hull"]

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, counted in columns and rows of a plane."""


@dataclass(frozen=True, slots=True)
class Plane:
    """A plane whose rows lie one in front of the other; with no slant it is seen from the front.

    Attributes
    ----------
    x, y : float
        In pixels, of the corner of column 0 and row 0.
    across : float
        Pixels from a column to the next.
    down : float
        Pixels that a row is lower than the one behind it.
    slant : float
        Pixels that a row is further left than the one behind it.

    Examples
    --------
    >>> plane = Plane(10, 20, across=30, down=15, slant=12)
    >>> plane.point(1, 2)
    (16, 50)
    >>> plane.corners((0, 0, 1, 1))
    ((10, 20), (40, 20), (28, 35), (-2, 35))
    """

    x: float
    y: float
    across: float
    down: float
    slant: float = 0.0

    def point(self, column: float, row: float) -> Point:
        """Where a place of the plane lies, in pixels."""
        return self.x + column * self.across - row * self.slant, self.y + row * self.down

    def corners(self, box: Box) -> tuple[Point, Point, Point, Point]:
        """Those of a box: behind on the left, behind on the right, in front on the right, in front on the left."""
        left, top, right, bottom = box
        return self.point(left, top), self.point(right, top), self.point(right, bottom), self.point(left, bottom)


def convex_hull(points: Iterable[Point]) -> tuple[Point, ...]:
    """The outline around points (Andrew, "Another efficient algorithm for convex hulls in two dimensions", 1979).

    >>> convex_hull([(0, 0), (4, 0), (2, 1), (4, 4), (0, 4)])
    ((0, 0), (4, 0), (4, 4), (0, 4))
    """
    ordered = sorted(set(points))
    if len(ordered) < 3:
        return tuple(ordered)
    return (*_chain(ordered)[:-1], *_chain(ordered[::-1])[:-1])


def _chain(ordered: list[Point]) -> list[Point]:
    """The outline from the first point to the last, on one side."""
    chain: list[Point] = []
    for point in ordered:
        while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
            chain.pop()
        chain.append(point)
    return chain


def _turn(start: Point, middle: Point, end: Point) -> float:
    return (middle[0] - start[0]) * (end[1] - start[1]) - (middle[1] - start[1]) * (end[0] - start[0])
