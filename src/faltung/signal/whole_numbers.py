"""Integers and booleans, exactly: by floating-point kernels wherever these cannot round, else modulo 2**64.

Every sum is at most max|x| * sum|h| in size. Whole numbers below 2**24 are exact in float32, those below 2**53 in float64, and so are
all partial sums; a transform whose error bound is below a quarter gives them by rounding to the nearest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from faltung.engine.arrays import Array
from faltung.signal.placing import Part
from faltung.signal.sums import job_of, sums

__all__ = ["largest", "whole_sums"]

_FLOATS = ((np.dtype(np.float32), 2.0**24), (np.dtype(np.float64), 2.0**53))
_SURE = 0.25

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
        if bound >= exact:
            continue
        for asked in ("default", "exact"):
            job = job_of(x.shape, h.shape, parts, floats, (False, False), border, asked)
            error = job.relative_error * bound
            if error < _SURE:
                found = sums(x.astype(floats), h.astype(floats), parts, floats, border, asked)
                return _stored(np.rint(found, out=found) if error else found, dtype, bound)
    return _wide_sums(x, h, parts, dtype, wide, border, call)


def _wide_sums(x: Array, h: Array, parts: tuple[Part, ...], dtype: np.dtype[Any], wide: np.dtype[Any], border: str, call: Any) -> Array:
    """By integers of 64 bits."""
    known = call if x.dtype == h.dtype == dtype == wide else None
    found = sums(x.astype(wide, copy=False), h.astype(wide, copy=False), parts, wide, border, "exact", known)
    return np.not_equal(found, 0) if dtype.kind == "b" else found.astype(dtype, copy=False)


def _stored(found: Array, dtype: np.dtype[Any], bound: float) -> Array:
    """Whole numbers of at most `bound` in size, modulo the dtype's range."""
    if dtype.kind == "b":
        return np.not_equal(found, 0)
    if bound <= np.iinfo(dtype).max:  # a result without a sign has none in its sums
        return found.astype(dtype)
    return found.astype(np.int32 if bound < 2**31 else np.int64).astype(dtype)
