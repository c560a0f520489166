"""What is drawn: arrays read and checked, and the numbers that a scale of colours starts and ends with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.engine.arrays import as_array, element_types_of
from faltung.errors import ConvShapeError, ConvTypeError, shown

__all__ = ["MAX_CELLS", "Reals", "check_cells", "cut_short", "finite", "limit_of", "real_array", "short", "upper_limit"]

Reals = NDArray[np.float64]

MAX_CELLS = 2**22
"""Cells in one picture: more than any screen has pixels for, and a second to draw."""


MAX_READ = 2**28
"""Cells of an array of which a part is drawn: two gigabytes in double precision."""


def real_array(name: str, value: object) -> Reals:
    """`value` as real numbers in double precision.

    Raises
    ------
    ConvTypeError
        It is no array of real numbers.
    ConvShapeError
        It has no cell.
    """
    array = as_array(name, value)
    if element_types_of(**{name: array}).is_complex:
        raise ConvTypeError(
            f"{name} has dtype {array.dtype}: a complex number has no single place on a scale.",
            f"Draw abs({name}), {name}.real or {name}.imag.",
        )
    if array.size == 0:
        raise ConvShapeError(f"{name} has shape {array.shape}: there is no cell to draw.", "Give at least one cell along each axis.")
    if array.size > MAX_READ:
        raise ConvShapeError(
            f"{name} has shape {array.shape}, {array.size} cells, more than {MAX_READ} = 2**28.", f"Give a part of it, such as {name}[:64]."
        )
    return array.astype(np.float64)


def finite(name: str, array: NDArray[Any], why: str) -> None:
    """Raise `ConvTypeError` if a number of `array` is infinite or NaN; `why` says what cannot be done with it."""
    bad = int(array.size - np.count_nonzero(np.isfinite(array)))
    if bad:
        raise ConvTypeError(f"{name} has {bad} of {array.size} entries NaN or infinite, {why}.", "Replace them, as with numpy.nan_to_num.")


def check_cells(what: str, shape: Sequence[int], remedy: str) -> None:
    """Raise `ConvShapeError` if a picture of this shape has more than `MAX_CELLS` cells."""
    cells = math.prod(shape)
    if cells > MAX_CELLS:
        arithmetic = " * ".join(map(str, shape))
        raise ConvShapeError(f"{what} would have {arithmetic} = {cells} cells, more than {MAX_CELLS} = 2**22.", remedy)


def limit_of(array: NDArray[Any]) -> float:
    """Where a scale that is centred on 0 ends: the largest finite |value|; 1 where all are 0.

    >>> limit_of(np.array([1.0, -3.0, np.inf])), limit_of(np.zeros(2))
    (3.0, 1.0)
    """
    largest = float(np.max(np.abs(array), initial=0.0, where=np.isfinite(array)))
    # Twice the limit, and its reciprocal, are to be finite as well.
    return min(max(largest, 1e-300), 1e300) if largest else 1.0


def upper_limit(vmax: object, array: NDArray[Any]) -> float:
    """`vmax` checked, or the limit of `array` where it is None.

    Raises
    ------
    ConvTypeError
        It is no positive finite number.
    """
    if vmax is None:
        return limit_of(array)
    if isinstance(vmax, bool) or not isinstance(vmax, int | float | np.integer | np.floating) or not 0 < vmax < math.inf:
        raise ConvTypeError(f"vmax={shown(vmax)} is no positive finite number.", "Give the |value| at which colours end, or leave it out.")
    return float(vmax)


def cut_short(shown_count: int, count: int, what: str) -> str:
    """What a title says of channels that are left out; nothing where none is.

    >>> cut_short(16, 64, "output channels"), cut_short(3, 3, "input channels")
    ('first 16 of 64 output channels', '')
    """
    return f"first {shown_count} of {count} {what}" if shown_count < count else ""


def short(value: float, digits: int = 3) -> str:
    """A number in few signs, its minus as wide as a plus.

    >>> short(-0.12345), short(2.0)
    ('−0.123', '2')
    """
    return f"{value:.{digits}g}".replace("-", "−")
