"""What lies beyond the ends of an axis: the padding modes, and which cells each of them repeats there.

Exact arithmetic on Python integers, one axis at a time. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["PADDING_MODES", "Image", "images"]

PADDING_MODES = ("zeros", "circular", "reflect", "replicate", "symmetric")


@dataclass(frozen=True, slots=True)
class Image:
    """A run of cells outside an axis that repeat cells inside it.

    Cell ``start + j`` (j < length) repeats cell ``target + step*j``; step is 1, -1 or 0.
    """

    start: int
    length: int
    target: int
    step: int


def images(size: int, before: int, after: int, mode: str) -> Iterator[Image]:
    """The cells from ``-before`` to ``size + after - 1`` as runs of repeated cells, the axis itself first.

    >>> for image in images(3, 2, 1, "reflect"):
    ...     print(image.start, [image.target + image.step * j for j in range(image.length)])
    0 [0, 1, 2]
    3 [1]
    -2 [2, 1]
    """
    yield Image(0, size, 0, 1)
    if mode == "zeros" or size == 0:
        return
    if mode == "replicate" or (mode == "reflect" and size == 1):
        if after > 0:
            yield Image(size, after, size - 1, 0)
        if before > 0:
            yield Image(-before, before, 0, 0)
        return
    # Reflection without its edges repeats runs of size-1 cells, the others runs of size cells.
    run = size - 1 if mode == "reflect" else size
    begin, turn = size, 1
    while begin < size + after:
        length = min(run, size + after - begin)
        backwards = mode != "circular" and turn % 2 == 1
        if backwards:
            yield Image(begin, length, run - 1, -1)
        else:
            yield Image(begin, length, size - run, 1)
        begin, turn = begin + length, turn + 1
    end, turn = 0, 1
    while end > -before:
        length = min(run, end + before)
        backwards = mode != "circular" and turn % 2 == 1
        if backwards:  # the run's last cell lies beside cell 0 and repeats cell 1 (reflect) or 0
            yield Image(end - length, length, size - run + length - 1, -1)
        else:
            yield Image(end - length, length, run - length, 1)
        end, turn = end - length, turn + 1
