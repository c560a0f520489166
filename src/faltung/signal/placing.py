"""Where a result lies in the full convolution, and which parts of both arrays have a part in it.

Everything is stated of the full convolution of n cells and k taps, which has n + k - 1 cells: a result is ``size`` of them, from
``start`` on.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from faltung.engine.arrays import Array

__all__ = ["Part", "Shape", "narrowed_part", "part_of", "parts_of", "with_zeros_around"]

Shape = tuple[int, ...]


class Part(NamedTuple):
    """``size`` cells of the full convolution along one axis, from ``start`` on."""

    start: int
    size: int


def part_of(mode: str, cells: int, taps: int) -> Part:
    """What `mode` keeps along one axis; of "same" as many as cells, the smaller half of what is cut off before them.

    >>> part_of("same", 5, 4), part_of("valid", 5, 4)
    (Part(start=1, size=5), Part(start=3, size=2))
    """
    if mode == "full":
        return Part(0, cells + taps - 1)
    return Part((taps - 1) // 2, cells) if mode == "same" else Part(taps - 1, cells - taps + 1)


def parts_of(mode: str, cells: Shape, taps: Shape) -> tuple[Part, ...]:
    """`part_of` along every axis."""
    return tuple(part_of(mode, each, count) for each, count in zip(cells, taps, strict=True))


def narrowed_part(part: Part, cells: int, taps: int) -> tuple[slice, slice, Part]:
    """The cells and the taps whose products reach `part`, and where it lies in the convolution of these alone.

    >>> narrowed_part(Part(1, 2), 4, 100)
    (slice(0, 3, None), slice(0, 3, None), Part(start=1, size=2))
    """
    last = part.start + part.size - 1
    first_cell, end_cell = max(0, part.start - taps + 1), min(cells, last + 1)
    first_tap, end_tap = max(0, part.start - cells + 1), min(taps, last + 1)
    return slice(first_cell, end_cell), slice(first_tap, end_tap), Part(part.start - first_cell - first_tap, part.size)


def with_zeros_around(x: Array, h: Array, parts: tuple[Part, ...]) -> tuple[Array, Array, tuple[Part, ...]]:
    """What has a part in the result, the larger array with all the zeros that are read in place, and where the result lies then.

    >>> with_zeros_around(np.ones(3), np.ones(2), (Part(0, 4),))
    (array([0., 1., 1., 1., 0.]), array([1., 1.]), (Part(start=1, size=4),))
    """
    cells, taps, inner = zip(*(narrowed_part(*each) for each in zip(parts, x.shape, h.shape, strict=True)), strict=True)
    x, h = x[cells], h[taps]
    if h.size > x.size:
        x, h = h, x
    sides = [(count - 1 - part.start, part.start + part.size - each) for part, each, count in zip(inner, x.shape, h.shape, strict=True)]
    return np.pad(x, sides), h, tuple(Part(count - 1, part.size) for part, count in zip(inner, h.shape, strict=True))
