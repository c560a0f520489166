"""What changes from frame to frame: boxes of pixels, so that the rest of a picture need not be drawn again.

Owns when the shapes of a drawing come and go, and how boxes are put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from faltung.viz.pictures.drawing import Shape

__all__ = ["Box", "Patch", "Timetable", "joined"]

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
    boxes : sequence of Box
        Of each shape one that it does not leave.
    frames : int
        Of the whole drawing.
    """

    def __init__(self, shapes: Sequence[Shape], boxes: Sequence[Box], frames: int) -> None:
        seen = [(0, frames) if shape.frames is None else shape.frames for shape in shapes]
        self._first, self._end = np.array(seen, np.int64).reshape(-1, 2).clip(0, frames).T
        self._boxes = np.array(boxes, np.int64).reshape(-1, 4)

    def seen(self, frame: int, within: Sequence[Box]) -> list[int]:
        """The shapes of a frame that reach into one of these boxes, from back to front."""
        left, top, right, bottom = self._boxes.T
        met = np.zeros(len(self._boxes), bool)
        for box in within:
            met |= (left < box[2]) & (box[0] < right) & (top < box[3]) & (box[1] < bottom)
        return np.flatnonzero(met & (self._first <= frame) & (frame < self._end)).tolist()

    def changed(self, frame: int) -> list[Box]:
        """Boxes that do not overlap, outside of which a frame is like the one before it."""
        changed = ((self._first == frame) | (self._end == frame)) & (self._first < self._end)
        return joined(tuple(box) for box in self._boxes[changed].tolist())


def joined(boxes: Iterable[Box]) -> list[Box]:
    """The same boxes, those that overlap put together until none do; without those that hold nothing.

    >>> joined([(0, 0, 4, 4), (8, 0, 9, 9), (3, 2, 6, 6), (7, 7, 7, 9)])
    [(0, 0, 6, 6), (8, 0, 9, 9)]
    """
    found: list[Box] = []
    for box in sorted(set(boxes)):
        if box[0] >= box[2] or box[1] >= box[3]:
            continue
        # What is put together may reach further boxes.
        while other := next((one for one in found if _overlap(one, box)), None):
            found.remove(other)
            box = (min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3]))
        found.append(box)
    return sorted(found)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
