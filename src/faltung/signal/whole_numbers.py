"""Integers and booleans, exactly: by floating-point kernels wherever these cannot round, else modulo 2**64.

Every sum is at most max|x| * sum|h| in size. Whole numbers below 2**24 are exact in float32, those below 2**53 in float64, and so are
all partial sums; a transform whose error bound is below a quarter gives them by rounding to the nearest.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from faltung.engine.arrays import Array, new_array
from faltung.signal.placing import Part, Shape, narrowed_part
from faltung.signal.sums import job_of, sums

__all__ = ["STRIP_CELLS", "largest", "whole_sums"]

_FLOATS = ((np.dtype(np.float32), 2.0**24), (np.dtype(np.float64), 2.0**53))
_SURE = 0.25

STRIP_CELLS = 2**18

FEW_PRODUCTS = 2**16
"""Fewer are summed sooner than the numbers have been looked at."""


def largest(array: Array) -> int:
    """The largest magnitude in an array of integers."""
    if array.dtype.kind == "b":
        return 1
    return max(abs(int(array.max())), abs(int(array.min())))


def _weight(array: Array) -> float:
    """The sum of all magnitudes, rounded up."""
    if array.dtype.kind == "b" or array.dtype.itemsize == 1:
        return float(np.abs(array.astype(np.int64)).sum())
    return float(np.abs(array.astype(np.float64)).sum()) * (1 + 1e-9)


def _most(array: Array) -> int:
    """What no magnitude of the dtype exceeds."""
    return 1 if array.dtype.kind == "b" else max(np.iinfo(array.dtype).max, -np.iinfo(array.dtype).min)


def whole_sums(x: Array, h: Array, parts: tuple[Part, ...], dtype: np.dtype[Any], border: str = "zeros", call: Any = None) -> Array:
    """Parts of the full convolution of two integer or boolean arrays in `dtype`, modulo its range; of booleans whether any product is true.

    Parameters are those of `sums`.
    """
    wide = np.dtype(np.uint64 if dtype.kind == "u" else np.int64)
    if x.size * h.size <= FEW_PRODUCTS:
        return _wide_sums(x, h, parts, dtype, wide, border, call)
    few, many = (x, h) if x.size < h.size else (h, x)
    total = _weight(few)
    bound = total * _most(many)
    if bound >= _FLOATS[0][1]:
        bound = total * largest(many)
    for floats, exact in _FLOATS:
        if bound < exact and _error(x.shape, h.shape, parts, floats, border, bound)[1] < _SURE:
            return _by_floats(x, h, parts, dtype, floats, border, bound)
    return _wide_sums(x, h, parts, dtype, wide, border, call)


def _wide_sums(x: Array, h: Array, parts: tuple[Part, ...], dtype: np.dtype[Any], wide: np.dtype[Any], border: str, call: Any) -> Array:
    """By integers of 64 bits."""
    known = call if x.dtype == h.dtype == dtype == wide else None
    found = sums(x.astype(wide, copy=False), h.astype(wide, copy=False), parts, wide, border, "exact", known)
    return np.not_equal(found, 0) if dtype.kind == "b" else found.astype(dtype, copy=False)


def _error(x: Shape, h: Shape, parts: tuple[Part, ...], floats: np.dtype[Any], border: str, bound: float) -> tuple[str, float]:
    """How sums of at most `bound` are taken in `floats`, and how far from whole numbers they may come out then."""
    for accuracy in ("default", "exact"):
        error = job_of(x, h, parts, floats, (False, False), border, accuracy).relative_error * bound
        if error < _SURE:
            break
    return accuracy, error


def _by_floats(
    x: Array, h: Array, parts: tuple[Part, ...], dtype: np.dtype[Any], floats: np.dtype[Any], border: str, bound: float
) -> Array:
    """Some rows at a time, whose floating-point numbers stay in the caches."""
    result = new_array("the result", tuple(part.size for part in parts), dtype)
    taps = h.astype(floats)
    first, *others = parts
    rows = max(16, STRIP_CELLS // math.prod(x.shape[1:]))
    if border != "zeros" or first.size <= rows or h.shape[0] > rows // 4 or h.size > x.size:
        _store(_floating(x.astype(floats), taps, parts, floats, border, bound), result, bound)
        return result
    for begin in range(0, first.size, rows):
        size = min(rows, first.size - begin)
        read, met, inner = narrowed_part(Part(first.start + begin, size), x.shape[0], h.shape[0])
        found = _floating(x[read].astype(floats), taps[met], (inner, *others), floats, border, bound)
        _store(found, result[begin : begin + size], bound)
    return result


def _floating(x: Array, h: Array, parts: tuple[Part, ...], floats: np.dtype[Any], border: str, bound: float) -> Array:
    """Whole numbers, as floats."""
    accuracy, error = _error(x.shape, h.shape, parts, floats, border, bound)
    found = sums(x, h, parts, floats, border, accuracy)
    return np.rint(found, out=found) if error else found


def _store(found: Array, result: Array, bound: float) -> None:
    """Whole numbers of at most `bound` in size, modulo the dtype's range."""
    if result.dtype.kind == "b":
        np.not_equal(found, 0, out=result)
        return
    if bound > np.iinfo(result.dtype).max:  # else, and where there is no sign, it fits
        found = found.astype(np.int32 if bound < 2**31 else np.int64)
    np.copyto(result, found, casting="unsafe")
