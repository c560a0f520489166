"""`fftconvolve` and `oaconvolve`, as in `scipy.signal`: along some axes, the others broadcast."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from faltung.engine.arrays import Array
from faltung.errors import ConvShapeError, ConvSpecError, ConvTypeError, shown
from faltung.signal.arguments import checked_mode, checked_ranks, is_swapped, numbers
from faltung.signal.convolution import FEW_PRODUCTS, products_summed
from faltung.signal.kinds import by_scipy, is_served, spectral_type
from faltung.signal.placing import Part, Shape, parts_of
from faltung.signal.spectra import spectral_sums

__all__ = ["fftconvolve", "oaconvolve"]


def fftconvolve(in1: object, in2: object, mode: str = "full", axes: int | Sequence[int] | None = None) -> Any:
    """Convolve along some axes within the error of a Fourier transform, as `scipy.signal.fftconvolve`.

    Parameters
    ----------
    in1, in2 : array_like
        Of the same number of axes, broadcast along those that are not in `axes`.
    mode : {"full", "valid", "same"}
        As in `convolve`.
    axes : int or sequence of int, optional
        Along which to convolve; all.

    Returns
    -------
    array
        Of real or complex floats: integers count as float64, float16 as float32. An empty array where one of both is empty.

    Raises
    ------
    ConvShapeError, ConvSpecError, ConvTypeError

    Notes
    -----
    Short kernels are summed directly where that is faster, others by transforms of blocks that overlap, whichever of both functions is
    called. NaN and Inf may spread over the whole result, as in SciPy, or reach only what they are summed in. long double and
    objects are computed by SciPy itself.

    Examples
    --------
    >>> fftconvolve([1, 2, 3], [0, 1, 10]).round(10)
    array([ 0.,  1., 12., 23., 30.])
    >>> import numpy as np
    >>> fftconvolve(np.ones((2, 3)), np.ones((1, 2)), mode="valid", axes=1).round(10)
    array([[2., 2.],
           [2., 2.]])
    """
    return _convolved("fftconvolve", in1, in2, mode, axes)


def oaconvolve(in1: object, in2: object, mode: str = "full", axes: int | Sequence[int] | None = None) -> Any:
    """Convolve arrays of very different sizes, as `scipy.signal.oaconvolve`; computed as `fftconvolve` is, in blocks where that is faster.

    Parameters, result and errors as of `fftconvolve`.

    Examples
    --------
    >>> import numpy as np
    >>> oaconvolve(np.arange(6.0), np.ones(2), mode="valid").round(10)
    array([1., 3., 5., 7., 9.])
    """
    return _convolved("oaconvolve", in1, in2, mode, axes)


def _convolved(name: str, in1: object, in2: object, mode: str, axes: int | Sequence[int] | None) -> Any:
    x, h = numbers("in1", in1), numbers("in2", in2)
    if not is_served(x, h):
        return by_scipy(name, x, h, mode, axes)
    if x.ndim == h.ndim == 0:
        return x * h
    if x.ndim == h.ndim == 1 and axes is None and _is_small(x, h, mode):
        dtype = spectral_type(x.dtype, h.dtype)
        return np.convolve(x.astype(dtype, copy=False), h.astype(dtype, copy=False), mode)  # type: ignore[call-overload]
    checked_ranks(x, h)
    if x.size == 0 or h.size == 0:
        return np.asarray([])
    along = _axes(axes, x.ndim)
    checked_mode(mode, capital=False)
    along = tuple(axis for axis in along if x.shape[axis] != 1 and h.shape[axis] != 1)
    others = [axis for axis in range(x.ndim) if axis not in along]
    if not all(x.shape[axis] == h.shape[axis] or 1 in (x.shape[axis], h.shape[axis]) for axis in others):
        raise ConvShapeError(
            f"incompatible shapes for in1 and in2: {x.shape} and {h.shape} differ along {others}, which are not among the axes.",
            "Name these axes too, or make them 1 in one of both.",
        )
    if is_swapped(mode, x.shape, h.shape, along):
        x, h = h, x
    cells = tuple(x.shape[axis] for axis in along)
    result = x * h if not along else _along(x, h, along, mode)
    if mode != "same":
        return result
    if result.shape == x.shape:
        return result
    # Of an axis along which the first array is broadcast, its own size is kept: the middle.
    kept = [slice((have - want) // 2, (have - want) // 2 + want) for have, want in zip(result.shape, x.shape, strict=True)]
    for axis, size in zip(along, cells, strict=True):
        kept[axis] = slice(0, size)
    return result[tuple(kept)].copy()


def _along(x: Array, h: Array, along: Shape, mode: str) -> Array:
    dtype = spectral_type(x.dtype, h.dtype)
    parts = parts_of(mode, tuple(x.shape[axis] for axis in along), tuple(h.shape[axis] for axis in along))
    others = [axis for axis in range(x.ndim) if axis not in along]
    for many, one in ((x, h), (h, x)):
        if all(one.shape[axis] == 1 for axis in others):  # one array for all of a batch: a tap along its axes
            every = [Part(0, size) for size in many.shape]
            for axis, part in zip(along, parts, strict=True):
                every[axis] = part
            return products_summed(many, one, tuple(every), dtype)
    return spectral_sums(x, h, along, parts, dtype)


def _is_small(x: Array, h: Array, mode: object) -> bool:
    is_like_numpy = type(mode) is str and (mode in ("full", "valid") or (mode == "same" and x.size >= h.size))
    return is_like_numpy and x.size > 1 and h.size > 1 and x.size * h.size <= FEW_PRODUCTS


def _axes(axes: object, ndim: int) -> tuple[int, ...]:
    """`axes` ascending, counted from the first."""
    if axes is None:
        return tuple(range(ndim))
    try:
        given = [operator.index(axis) for axis in (axes if isinstance(axes, Iterable) else [axes])]  # type: ignore[arg-type]
    except TypeError:
        raise ConvTypeError(
            f"axes must be a scalar or iterable of integers, not {shown(axes)}.", f"Give some of 0 to {ndim - 1}."
        ) from None
    if not given:
        raise ConvSpecError("when provided, axes cannot be empty.", "Leave axes out to convolve along all of them.")
    if any(not -ndim <= axis < ndim for axis in given):
        raise ConvSpecError(
            f"axes exceeds dimensionality of input: {shown(given)} with {ndim} axes.", f"Give some of {-ndim} to {ndim - 1}."
        )
    found = [axis % ndim for axis in given]
    if len(set(found)) < len(found):
        raise ConvSpecError(f"all axes must be unique: {shown(given)} with {ndim} axes names one twice.", "Name each axis once.")
    return tuple(sorted(found))
