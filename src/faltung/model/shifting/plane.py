"""Pictures moved over a plane of shifts, and how far a moved picture's result is from the moved result. NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ConvShapeError, ConvTypeError, shown

__all__ = ["Difference", "Plane", "difference", "nearest", "plane_of", "stride_by_size"]

Array = NDArray[Any]
Shift = tuple[int, ...]

MOST_SHIFTS = 4096
FINE = 8
"""Strides up to this have every shift of two periods in the plane; longer ones a quarter of a period from one to the next."""


@dataclass(frozen=True, slots=True)
class Plane:
    """Shifts along one or two axes, each with each.

    Attributes
    ----------
    along : tuple of tuple of int
        The shifts along each axis, in cells of the input.
    """

    along: tuple[tuple[int, ...], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """How many along each axis."""
        return tuple(map(len, self.along))

    def __iter__(self) -> Any:
        """Each place in the plane, and its shift."""
        for place in np.ndindex(*self.shape):
            yield place, tuple(shifts[index] for shifts, index in zip(self.along, place, strict=True))


def plane_of(shifts: object, strides: Sequence[Fraction], sizes: Sequence[int]) -> Plane:
    """What was asked for, or two periods of the strides.

    Raises
    ------
    ConvTypeError, ConvShapeError
        It is no number, no list of shifts and no pair of lists; or larger than the input.

    >>> plane_of(None, (Fraction(2), Fraction(32)), (64, 64)).along
    ((0, 1, 2, 3, 4), (0, 8, 16, 24, 32, 40, 48, 56))
    >>> plane_of(2, (Fraction(1), Fraction(1)), (9, 9)).along
    ((0, 1, 2), (0, 1, 2))
    """
    if shifts is None:
        along = [_periods(stride, size) for stride, size in zip(strides, sizes, strict=True)]
    elif isinstance(shifts, int | np.integer) and not isinstance(shifts, bool):
        along = [tuple(range(int(shifts) + 1))] * len(sizes)
    else:
        along = _lists(shifts, len(sizes))
    for axis, (places, size) in enumerate(zip(along, sizes, strict=True)):
        if not places:
            raise ConvShapeError(f"shifts has none along axis {axis}.", "Give at least 0.")
        if max(map(abs, places)) >= size:
            raise ConvShapeError(
                f"shifts go to {max(places, key=abs)} along axis {axis}, the input has {size} cells.", f"Stay below {size}."
            )
    count = int(np.prod([len(places) for places in along]))
    if count > MOST_SHIFTS:
        raise ConvShapeError(f"shifts are {count} in all, more than {MOST_SHIFTS}.", "Give fewer, such as shifts=range(0, 64, 8).")
    return Plane(tuple(along))


def _periods(stride: Fraction, size: int) -> tuple[int, ...]:
    period = max(int(stride), 1)
    step = 1 if period <= FINE else period // 4
    return tuple(range(0, min(2 * period, size - 1) + 1, step))


def _lists(shifts: object, axes: int) -> list[tuple[int, ...]]:
    if not isinstance(shifts, Sequence | range | np.ndarray) or isinstance(shifts, str):
        raise ConvTypeError(f"shifts={shown(shifts)} are none.", "Give a largest shift, a list of shifts, or a list for each axis.")
    given = list(shifts)
    nested = [isinstance(one, Sequence | range | np.ndarray) and not isinstance(one, str) for one in given]
    lists = given if given and all(nested) else [given] * axes
    if len(lists) != axes or any(isinstance(one, bool) or not isinstance(one, int | np.integer) for places in lists for one in places):
        raise ConvTypeError(
            f"shifts={shown(shifts)} is no list of whole numbers for {axes} axes.",
            "Give range(9), or (range(9), range(5)) for rows and columns.",
        )
    return [tuple(int(one) for one in places) for places in lists]


def stride_by_size(cells: int, positions: int) -> Fraction:
    """Input cells to a position, as the sizes suggest: exact where one divides the other, else rounded down.

    >>> stride_by_size(224, 7), stride_by_size(32, 30), stride_by_size(8, 16)
    (Fraction(32, 1), Fraction(1, 1), Fraction(1, 2))
    """
    if positions > cells:
        return Fraction(1, max(round(positions / cells), 1))
    return Fraction(max(cells // max(positions, 1), 1))


def nearest(shift: int, stride: Fraction) -> int:
    """The whole shift of the output that is nearest to an input's, half a position up.

    >>> [nearest(shift, Fraction(4)) for shift in range(7)]
    [0, 0, 1, 1, 1, 1, 2]
    """
    return int((shift / stride + Fraction(1, 2)) // 1)


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two results: the largest, and its root mean square over that of the first."""

    largest: float
    relative: float


def difference(base: Array, moved: Array, targets: Sequence[int], wraps: Sequence[bool], axes: Sequence[int]) -> Difference:
    """How far `moved` is from `base` moved by `targets` along `axes`, around where it `wraps`, else where both have cells.

    >>> difference(np.array([1, 2, 3]), np.array([0, 1, 2]), (1,), (False,), (0,))
    Difference(largest=0.0, relative=0.0)
    >>> difference(np.array([3, 0, 0]), np.array([0, 0, 3]), (1,), (True,), (0,)).largest
    3.0
    """
    for target, wrap, axis in zip(targets, wraps, axes, strict=True):
        if wrap:
            base = np.roll(base, target, axis)
            continue
        cells = base.shape[axis]
        if abs(target) >= cells:
            return Difference(float("nan"), float("nan"))
        base = _cut(base, axis, max(-target, 0), cells - max(target, 0))
        moved = _cut(moved, axis, max(target, 0), cells - max(-target, 0))
    if base.dtype.kind in "bui":  # exact, and far apart without wrapping around
        base, moved = base.astype(object), moved.astype(object)
    apart = np.abs(moved - base)
    largest = float(apart.max(initial=0))
    if largest == 0:
        return Difference(0.0, 0.0)
    off, scale = (float(np.linalg.norm(_floats(one).ravel())) for one in (apart, base))
    return Difference(largest, off / scale if scale else float("inf"))


def _floats(array: Array) -> Array:
    """Numbers that may be squared and summed: in double precision, where they are not in single."""
    return array if array.dtype.kind in "fc" and array.dtype.itemsize >= 4 else array.astype(np.float64)


def _cut(array: Array, axis: int, start: int, stop: int) -> Array:
    index = [slice(None)] * array.ndim
    index[axis] = slice(start, stop)
    return array[tuple(index)]
