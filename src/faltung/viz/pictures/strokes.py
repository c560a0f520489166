"""What lines are made of: arrow heads, dashes, the outline of a rounded rectangle.

Owns the geometry that every writer draws alike. Standard library only.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from faltung.viz.pictures.drawing import Point, Polygon

__all__ = ["capital_middle", "cut", "dashes", "outline", "rectangle", "with_head"]

CAPITAL_HEIGHT = 0.72
"""Of capitals and digits, as a share of the font's size: DejaVu Sans 0.729, Arial 0.716, Segoe UI 0.7."""

_ARC_STEPS = 6
"""Straight pieces of a rounded corner."""


def capital_middle(size: float) -> float:
    """How far the baseline is below the middle of digits and capitals, of a font of that `size`."""
    return size * CAPITAL_HEIGHT / 2


def rectangle(polygon: Polygon) -> tuple[float, float, float, float] | None:
    """(x, y, width, height) of an axis-parallel rectangle; None of any other polygon.

    >>> rectangle(Polygon(((1, 1), (5, 1), (5, 3), (1, 3)), "input"))
    (1, 1, 4, 2)
    >>> rectangle(Polygon(((1, 1), (5, 2), (5, 3), (1, 3)), "input"))
    """
    if len(polygon.points) != 4:
        return None
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = polygon.points
    across = x0 == x3 and x1 == x2 and y0 == y1 and y2 == y3
    down = x0 == x1 and x2 == x3 and y0 == y3 and y1 == y2
    if not (across or down):
        return None
    return min(x0, x2), min(y0, y2), abs(x2 - x0), abs(y2 - y0)


def outline(x: float, y: float, width: float, height: float, radius: float) -> tuple[Point, ...]:
    """The closed outline of a rectangle with rounded corners, clockwise from the left end of its upper edge.

    >>> outline(0, 0, 4, 2, 0)
    ((0, 0), (4, 0), (4, 2), (0, 2), (0, 0))
    """
    radius = min(radius, width / 2, height / 2)
    if radius <= 0:
        return (x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)
    corners = (
        (x + width - radius, y + radius),
        (x + width - radius, y + height - radius),
        (x + radius, y + height - radius),
        (x + radius, y + radius),
    )
    points = [(x + radius, y)]
    for quarter, (middle_x, middle_y) in enumerate(corners):
        for step in range(_ARC_STEPS + 1):
            angle = (quarter - 1 + step / _ARC_STEPS) * math.pi / 2
            points.append((middle_x + radius * math.cos(angle), middle_y + radius * math.sin(angle)))
    return tuple(points)


def with_head(points: Sequence[Point], width: float) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """A path that ends in an arrow, as the path up to its head, and the head (empty where the path has no length).

    >>> with_head(((0, 0), (20, 0)), 2)
    (((0, 0), (11.0, 0.0)), ((20, 0), (10.0, 4.5), (10.0, -4.5)))
    """
    tip = points[-1]
    length, half = 4 + 3 * width, 1.5 + 1.5 * width
    before = next((point for point in reversed(points) if point != tip), tip)
    reach = math.dist(before, tip)
    if reach == 0:
        return tuple(points), ()
    scale = min(1.0, 0.75 * math.dist(points[0], tip) / length) if len(points) == 2 else 1.0
    length, half = length * scale, half * scale
    along_x, along_y = (tip[0] - before[0]) / reach, (tip[1] - before[1]) / reach
    base_x, base_y = tip[0] - length * along_x, tip[1] - length * along_y
    head = (tip, (base_x - half * along_y, base_y + half * along_x), (base_x + half * along_y, base_y - half * along_x))
    # The path ends just inside its head, so that no gap shows and its square end stays hidden.
    end = (tip[0] - 0.9 * length * along_x, tip[1] - 0.9 * length * along_y)
    return (*points[: len(points) - points[::-1].index(before)], end), head


def cut(start: Point, end: Point, longest: float) -> list[Point]:
    """Points from one to the other in equal steps of at most `longest`.

    >>> cut((0, 0), (4, 3), 2.5)
    [(0.0, 0.0), (2.0, 1.5), (4.0, 3.0)]
    """
    steps = max(1, math.ceil(math.dist(start, end) / longest))
    shares = [step / steps for step in range(steps + 1)]
    return [(start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])) for share in shares]


def dashes(points: Sequence[Point], dash: float) -> list[tuple[Point, ...]]:
    """The pieces of a path that dashes and gaps of the same length leave, as SVG's ``stroke-dasharray`` places them.

    >>> dashes(((0, 0), (5, 0)), 2)
    [((0, 0), (2.0, 0.0)), ((4.0, 0.0), (5, 0))]
    """
    pieces: list[tuple[Point, ...]] = []
    piece: list[Point] = [points[0]]
    is_drawn, left = True, dash
    for start, end in itertools.pairwise(points):
        length = math.dist(start, end)
        done = 0.0
        while length - done > left:
            done += left
            share = done / length
            at = (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
            if is_drawn:
                pieces.append((*piece, at))
            piece, is_drawn, left = [at], not is_drawn, dash
        left -= length - done
        piece.append(end)
    if is_drawn and len(piece) > 1:
        pieces.append(tuple(piece))
    return pieces
