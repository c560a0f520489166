"""What changes from frame to frame: boxes of pixels, so that the rest of a picture need not be drawn again.

Owns when the shapes of a drawing come and go, and of which boxes what changed is made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from faltung.viz.pictures.drawing import Shape

__all__ = ["Box", "Patch", "Timetable", "rectangles"]

TILE = 8
"""Pixels along each side of the squares of which each is drawn again or not."""

Box = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; the last two are no longer in it."""


class Patch(NamedTuple):
    """A part of a frame.

    Attributes
    ----------
    left, top : int
        Where it lies.
    pixels : uint8 array (height, width, 3)
    """

    left: int
    top: int
    pixels: NDArray[np.uint8]


class Timetable:
    """When shapes are seen, and where.

    Parameters
    ----------
    shapes : sequence of Shape
    reaches : sequence of lists of Box
        Of each shape boxes that together it does not leave; several small ones of a line across the picture.
    frames, width, height : int
        Of the whole drawing.
    """

    def __init__(self, shapes: Sequence[Shape], reaches: Sequence[Sequence[Box]], frames: int, width: int, height: int) -> None:
        seen = [(0, frames) if shape.frames is None else shape.frames for shape in shapes]
        self._first, self._end = np.array(seen, np.int64).reshape(-1, 2).clip(0, frames).T
        self._reaches = reaches
        whole = [np.concatenate([np.min(boxes, 0)[:2], np.max(boxes, 0)[2:]]) for boxes in reaches]
        self._boxes = np.array(whole, np.int64).reshape(-1, 4)
        self._width, self._height = width, height

    def seen(self, frame: int, within: Sequence[Box]) -> list[int]:
        """The shapes of a frame that reach into one of these boxes, from back to front."""
        now = np.flatnonzero((self._first <= frame) & (frame < self._end))
        left, top, right, bottom = self._boxes[now].T
        met = np.zeros(len(now), bool)
        for box in within:
            met |= (left < box[2]) & (box[0] < right) & (top < box[3]) & (box[1] < bottom)
        return [int(at) for at in now[met]]

    def changed(self, frame: int) -> list[Box]:
        """Boxes that do not overlap, outside of which a frame is like the one before it."""
        marked = np.zeros((-(-self._height // TILE), -(-self._width // TILE)), bool)
        for at in np.flatnonzero(((self._first == frame) | (self._end == frame)) & (self._first < self._end)).tolist():
            for left, top, right, bottom in self._reaches[at]:
                marked[max(top, 0) // TILE : -(-max(bottom, 0) // TILE), max(left, 0) // TILE : -(-max(right, 0) // TILE)] = True
        tiles = ((TILE * end for end in box) for box in rectangles(marked))
        return [(left, top, min(right, self._width), min(bottom, self._height)) for left, top, right, bottom in tiles]


def rectangles(marked: NDArray[np.bool_]) -> list[Box]:
    """The marked places of a grid as rectangles: runs along rows, and equal runs of rows below one another as one.

    >>> rectangles(np.array([[1, 1, 0, 1], [1, 1, 0, 0], [0, 1, 0, 0]], bool))
    [(0, 0, 2, 2), (1, 2, 2, 3), (3, 0, 4, 1)]
    """
    found: list[Box] = []
    begun: dict[tuple[int, int], int] = {}
    padded = np.zeros((len(marked) + 1, marked.shape[1] + 2), np.int8)
    padded[:-1, 1:-1] = marked
    for row, steps in enumerate(np.diff(padded, axis=1)):
        runs = set(zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True))
        found += [(left, begun.pop((left, right)), right, row) for left, right in sorted(begun.keys() - runs)]
        for run in runs:
            begun.setdefault(run, row)
    return sorted(found)
