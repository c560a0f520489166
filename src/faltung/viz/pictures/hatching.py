"""Marks that tell the kinds of border cells apart without colour.

Owns the patterns; they leave the middle of a cell free for its number. Standard library only.
"""

from __future__ import annotations

from collections.abc import Sequence

from faltung.viz.pictures.drawing import Line, Point
from faltung.viz.pictures.timeline import Interval

__all__ = ["hatch"]

_Stroke = tuple[Point, Point]

# In a square from 0 to 1, x to the right, y downwards.
_PATTERNS: dict[str, tuple[_Stroke, ...]] = {
    "wrapped": (((0.0, 0.22), (0.22, 0.0)), ((0.0, 0.44), (0.44, 0.0)), ((0.56, 1.0), (1.0, 0.56)), ((0.78, 1.0), (1.0, 0.78))),
    "mirrored": (((0.78, 0.0), (1.0, 0.22)), ((0.56, 0.0), (1.0, 0.44)), ((0.0, 0.56), (0.44, 1.0)), ((0.0, 0.78), (0.22, 1.0))),
    "repeated": (((0.0, 0.14), (1.0, 0.14)), ((0.0, 0.86), (1.0, 0.86))),
    "cropped": (((0.0, 1.0), (1.0, 0.0)),),
}


def hatch(origin: str, outline: Sequence[Point], frames: Interval | None = None) -> tuple[Line, ...]:
    """The marks of a cell's origin, none for those that need none.

    Parameters
    ----------
    origin : str
        As of a `Cell` of the scene: wrapped, mirrored, repeated and cropped cells have marks.
    outline : four points
        Upper left, upper right, lower right, lower left: of a square or a parallelogram.
    frames : (int, int), optional

    Examples
    --------
    >>> [line.points for line in hatch("cropped", ((0, 0), (10, 0), (10, 10), (0, 10)))]
    [((0.0, 10.0), (10.0, 0.0))]
    """
    corner, right, _, below = outline

    def placed(point: Point) -> Point:
        across, down = point
        return (
            corner[0] + across * (right[0] - corner[0]) + down * (below[0] - corner[0]),
            corner[1] + across * (right[1] - corner[1]) + down * (below[1] - corner[1]),
        )

    return tuple(Line((placed(start), placed(end)), "hatch", frames) for start, end in _PATTERNS.get(origin, ()))
