"""`convolve2d` and `correlate2d`, as in `scipy.signal`: images summed directly, with what stands around them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from faltung.engine.arrays import Array
from faltung.errors import ConvShapeError, ConvTypeError
from faltung.signal.arguments import checked_boundary, checked_mode, fill_cell, is_swapped, numbers
from faltung.signal.convolution import reversed_conjugate
from faltung.signal.kinds import by_scipy, is_served, product_type
from faltung.signal.placing import Part, part_of
from faltung.signal.sums import again, sums
from faltung.signal.whole_numbers import STRIP_CELLS, whole_sums

__all__ = ["convolve2d", "correlate2d"]


def convolve2d(in1: object, in2: object, mode: str = "full", boundary: str = "fill", fillvalue: object = 0) -> Array:
    """Convolve two images, as `scipy.signal.convolve2d`.

    Parameters
    ----------
    in1, in2 : array_like (h, w)
        In mode "valid" either may be the larger one, along both axes.
    mode : {"full", "valid", "same"}
        Every overlap; complete overlaps; as many outputs as `in1` has cells, the middle of "full".
    boundary : {"fill", "wrap", "symm"}
        What stands around `in1`: `fillvalue`; the image again and again; its mirror images, edge cells twice. A kernel larger than the
        image meets several of its copies.
    fillvalue : number
        Converted to the result's dtype.

    Returns
    -------
    array
        In the common dtype of both; integers modulo its range.

    Raises
    ------
    ConvShapeError, ConvSpecError, ConvTypeError

    Notes
    -----
    Every output is summed directly, row by row of the array that has fewer cells, whatever the sizes: the error of each is relative to
    its own products, and NaN and Inf reach only the outputs whose windows hold them. long double is computed by SciPy itself.

    Examples
    --------
    >>> convolve2d([[1, 2], [3, 4]], [[1, 1]], mode="same", boundary="wrap")
    array([[3, 3],
           [7, 7]])
    """
    return _convolved("convolve2d", in1, in2, mode, boundary, fillvalue, correlates=False)


def correlate2d(in1: object, in2: object, mode: str = "full", boundary: str = "fill", fillvalue: object = 0) -> Array:
    """Cross-correlate two images, as `scipy.signal.correlate2d`: `in2` is conjugated.

    Parameters, result and errors as of `convolve2d`. With an even number of taps, "same" begins one cell later than `correlate` does,
    as in SciPy.

    Examples
    --------
    >>> correlate2d([[1, 2], [3, 4]], [[1, 10]], mode="valid")
    array([[21],
           [43]])
    """
    return _convolved("correlate2d", in1, in2, mode, boundary, fillvalue, correlates=True)


def _convolved(name: str, in1: object, in2: object, mode: str, boundary: str, fillvalue: object, *, correlates: bool) -> Array:
    x, h = numbers("in1", in1), numbers("in2", in2)
    if not is_served(x, h):
        array: Array = by_scipy(name, x, h, mode, boundary, fillvalue)
        return array
    call = None
    if type(mode) is type(boundary) is str and type(fillvalue) is int and fillvalue == 0:
        call = (name, mode, boundary, x.shape, x.dtype, h.shape, h.dtype)
        if (found := again(call, x, reversed_conjugate(h) if correlates else h)) is not None:
            return found
    if not x.ndim == h.ndim == 2:
        raise ConvShapeError(
            f"{name} inputs must both be 2-D arrays, they have {x.ndim} and {h.ndim} axes.", "Add axes with array[None], or use convolve."
        )
    border = checked_boundary(boundary)
    dtype, is_swapped, parts = _placed(name, checked_mode(mode), x.shape, x.dtype, h.shape, h.dtype)
    fill = fill_cell(fillvalue, dtype) if border == "zeros" and call is None else None
    if is_swapped:
        x, h = h, x
    if correlates:
        h = reversed_conjugate(h)
    if is_swapped or not x.dtype == h.dtype == dtype:
        call = None
    result = _summed(x, h, parts, dtype, border, fill, call)
    return result[::-1, ::-1] if is_swapped and correlates else result


@functools.lru_cache(maxsize=1024)
def _placed(
    name: str, mode: str, cells: tuple[int, ...], first: np.dtype[Any], taps: tuple[int, ...], second: np.dtype[Any]
) -> tuple[np.dtype[Any], bool, tuple[Part, ...]]:
    """The result's dtype, whether the second array is the larger one in mode "valid", and where the result lies."""
    dtype = product_type(first, second)
    if dtype.kind == "b" or dtype.char == "e":
        raise ConvTypeError(
            f"{name} not available for this type: {first} and {second}.", "Convert with astype: booleans to integers, float16 to float32."
        )
    swaps = is_swapped(mode, cells, taps)
    if swaps:
        cells, taps = taps, cells
    return dtype, swaps, tuple(_part(mode, *each, name == "correlate2d") for each in zip(cells, taps, strict=True))


def _part(mode: str, cells: int, taps: int, correlates: bool) -> Part:
    """The middle is taken of what slides: flipped, a kernel with an even number of taps lies one cell further on."""
    return Part(taps // 2, cells) if correlates and mode == "same" else part_of(mode, cells, taps)


def _summed(x: Array, h: Array, parts: tuple[Part, ...], dtype: np.dtype[Any], border: str, fill: Array | None, call: Any) -> Array:
    is_filled = fill is not None and fill != 0
    if 0 in h.shape or (0 in x.shape and not is_filled) or any(part.size <= 0 for part in parts):
        return np.zeros(tuple(max(0, part.size) for part in parts), dtype)
    if all(part.start >= taps - 1 and part.start + part.size <= cells for part, cells, taps in zip(parts, x.shape, h.shape, strict=True)):
        border = "zeros"  # nothing beyond the ends is read
    elif is_filled or (dtype.kind in "iu" and border != "zeros" and x.size > STRIP_CELLS):  # strips need their border in place
        x, parts = _framed(x, h, parts, border, fill)
        border = "zeros"
    if dtype.kind in "iu":
        return whole_sums(x, h, parts, dtype, border, call)
    real = np.empty(0, dtype).real.dtype
    x, h = (array.astype(dtype if array.dtype.kind == "c" else real, copy=False) for array in (x, h))
    return sums(x, h, parts, dtype, border, "exact", call)


def _framed(x: Array, h: Array, parts: tuple[Part, ...], border: str, fill: Array | None) -> tuple[Array, tuple[Part, ...]]:
    """The image with all the cells around it that are read, and where the result lies then."""
    sides = [(taps - 1 - part.start, part.start + part.size - cells) for taps, part, cells in zip(h.shape, parts, x.shape, strict=True)]
    if fill is None:
        wide = np.pad(x, sides, mode="wrap" if border == "circular" else "symmetric")
    else:
        wide = np.full(tuple(sum(side) + cells for side, cells in zip(sides, x.shape, strict=True)), fill)
        wide[tuple(slice(before, before + cells) for (before, _), cells in zip(sides, x.shape, strict=True))] = x
    return wide, tuple(Part(taps - 1, part.size) for taps, part in zip(h.shape, parts, strict=True))
