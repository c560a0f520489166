"""Boxes beside and above each other: sizes first, places later.

Owns how things of known size are put together on a page. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Box", "at_least", "beside", "stacked"]


@dataclass(frozen=True, slots=True)
class Box:
    """Something of a size that can be put somewhere.

    Attributes
    ----------
    width, height : float
    place : callable
        Puts it where its upper left corner is.
    """

    width: float
    height: float
    place: Callable[[float, float], None]


def beside(boxes: Sequence[Box], gap: float = 0.0) -> Box:
    """From the left to the right, their middles at one height.

    >>> found = []
    >>> parts = [Box(10, 4, lambda x, y: found.append((x, y))), Box(20, 10, lambda x, y: found.append((x, y)))]
    >>> both = beside(parts, gap=5)
    >>> both.place(100, 0)
    >>> both.width, both.height, found
    (35, 10, [(100, 3.0), (115, 0.0)])
    """
    height = max((box.height for box in boxes), default=0.0)

    def place(x: float, y: float) -> None:
        for box in boxes:
            box.place(x, y + (height - box.height) / 2)
            x += box.width + gap

    return Box(sum(box.width for box in boxes) + gap * max(len(boxes) - 1, 0), height, place)


def stacked(boxes: Sequence[Box], gap: float = 0.0) -> Box:
    """From the top to the bottom, their middles in one line.

    >>> stacked([Box(10, 4, print), Box(20, 10, print)], gap=1).height
    15
    """
    width = max((box.width for box in boxes), default=0.0)

    def place(x: float, y: float) -> None:
        for box in boxes:
            box.place(x + (width - box.width) / 2, y)
            y += box.height + gap

    return Box(width, sum(box.height for box in boxes) + gap * max(len(boxes) - 1, 0), place)


def at_least(box: Box, width: float = 0.0, height: float = 0.0) -> Box:
    """The box in the middle of a larger one, where it is smaller.

    >>> at_least(Box(10, 4, lambda x, y: print(x, y)), width=20).place(0, 0)
    5.0 0.0
    """
    across, down = max(box.width, width), max(box.height, height)
    return Box(across, down, lambda x, y: box.place(x + (across - box.width) / 2, y + (down - box.height) / 2))
