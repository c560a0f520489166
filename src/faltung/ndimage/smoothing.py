"""`gaussian_filter`, `uniform_filter` and their forms along one axis."""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.engine.arrays import Array
from faltung.errors import ConvSpecError, ConvTypeError, shown
from faltung.ndimage.arguments import as_input, checked_axes, checked_axis, checked_mode, for_each, output_for, whole
from faltung.ndimage.correlation import correlate1d, filter_parts
from faltung.ndimage.errors import FilterError, FilterZeroError
from faltung.ndimage.passes import Pass, refuse_taps, with_cval

__all__ = [
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_passes",
    "gaussian_weights",
    "uniform_filter",
    "uniform_filter1d",
    "uniform_pass",
    "uniform_passes",
]


def gaussian_filter1d(
    input: object, sigma: float, axis: int = -1, order: int = 0, output: object = None, mode: str = "reflect", cval: complex = 0.0,
    truncate: float = 4.0, *, radius: int | None = None,
) -> Array:  # fmt: skip
    """Smooth every line along one axis with a Gaussian, or with one of its derivatives.

    Parameters
    ----------
    input, axis, output, mode, cval
        As of `correlate1d`.
    sigma : float
        Standard deviation, in cells.
    order : int
        0: the Gaussian; n: its n-th derivative.
    truncate : float
        The kernel has ``2 * int(truncate * sigma + 0.5) + 1`` taps.
    radius : int, optional
        It has ``2 * radius + 1`` instead.

    Returns
    -------
    array
        Summed as `correlate1d` sums.

    Raises
    ------
    ConvError
        Of SciPy's class as well.

    Examples
    --------
    >>> from faltung import ndimage
    >>> ndimage.gaussian_filter1d([1.0, 2.0, 3.0, 4.0, 5.0], 1).round(3)
    array([1.427, 2.068, 3.   , 3.932, 4.573])
    """
    return correlate1d(input, gaussian_weights(sigma, order, truncate, radius), axis, output, mode, cval, 0)


def gaussian_filter(
    input: object, sigma: Any, order: Any = 0, output: object = None, mode: Any = "reflect", cval: complex = 0.0, truncate: float = 4.0,
    *, radius: Any = None, axes: Any = None,
) -> Array:  # fmt: skip
    """Smooth an array with a Gaussian, or differentiate it smoothly: one axis after the other, in the order of `axes`.

    Parameters
    ----------
    input, output, cval
        As of `correlate1d`.
    sigma, order, mode, radius
        As of `gaussian_filter1d`; one for all axes or one for each. An axis of sigma 0 is left alone.
    truncate : float
    axes : int or sequence of int, optional
        By default all.

    Returns
    -------
    array
        Each axis summed as `correlate1d` sums; between two axes in the dtype of the result.

    Raises
    ------
    ConvError
        Of SciPy's class as well.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung import ndimage
    >>> ndimage.gaussian_filter(np.arange(0, 50, 2).reshape(5, 5), sigma=1)
    array([[ 4,  6,  8,  9, 11],
           [10, 12, 14, 15, 17],
           [20, 22, 24, 25, 27],
           [29, 31, 33, 34, 36],
           [35, 37, 39, 40, 42]])
    """
    x = as_input(input)
    out = output_for(output, x, is_complex=x.dtype.kind == "c" and output is None, stacklevel=3)
    return _smoothed(x, out, cval, gaussian_passes(x.ndim, sigma, order, mode, truncate, radius, axes), is_new=output is None)


def uniform_filter1d(
    input: object, size: int, axis: int = -1, output: object = None, mode: str = "reflect", cval: complex = 0.0, origin: int = 0
) -> Array:  # fmt: skip
    """The mean of `size` cells along one axis.

    Parameters
    ----------
    input, axis, output, mode, cval
        As of `correlate1d`.
    size : int
    origin : int
        Moves the window: ``y[i] = mean of x[i - size // 2 - origin + k]``, ``0 <= k < size``.

    Returns
    -------
    array
        Sums of integers are exact below ``2**53``, so the result is SciPy's, cut off towards zero. Floats are summed pair by pair,
        two, four, eight cells at a time, and not along the line: an error of at most ``(2 * log2(size) + 1) * eps`` times the mean of
        ``abs(x)``, ``eps = 2**-53`` (``2**-24`` for float32 and integers of up to 16 bits as float32).

    Raises
    ------
    ConvError
        Of SciPy's class as well.

    Examples
    --------
    >>> from faltung import ndimage
    >>> ndimage.uniform_filter1d([2, 8, 0, 4, 1, 9, 9, 0], size=3)
    array([4, 3, 4, 1, 4, 6, 6, 3])
    """
    x = as_input(input)
    number = checked_axis(axis, x.ndim)
    cells = whole("size", size)
    if cells < 1:
        raise FilterError(f"size={cells}: incorrect filter size.", "Use 1 or more.")
    out = output_for(output, x, is_complex=x.dtype.kind == "c", stacklevel=3)
    return filter_parts(x, out, cval, lambda value: [uniform_pass(number, cells, mode, value, origin)], is_new=output is None)


def uniform_filter(
    input: object, size: Any = 3, output: object = None, mode: Any = "reflect", cval: complex = 0.0, origin: Any = 0, *, axes: Any = None
) -> Array:  # fmt: skip
    """The mean of a box of cells: one axis after the other, in the order of `axes`.

    Parameters
    ----------
    input, output, cval
        As of `correlate1d`.
    size, mode, origin
        As of `uniform_filter1d`; one for all axes or one for each. An axis of size 1 is left alone.
    axes : int or sequence of int, optional
        By default all.

    Returns
    -------
    array
        Each axis summed as `uniform_filter1d` sums; between two axes in the dtype of the result.

    Raises
    ------
    ConvError
        Of SciPy's class as well.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung import ndimage
    >>> ndimage.uniform_filter(np.eye(4), 3)[1]
    array([0.33333333, 0.33333333, 0.22222222, 0.11111111])
    """
    x = as_input(input)
    out = output_for(output, x, is_complex=x.dtype.kind == "c", stacklevel=3)
    return _smoothed(x, out, cval, uniform_passes(x.ndim, size, mode, origin, axes), is_new=output is None)


def _smoothed(x: Array, out: Array, cval: Any, passes: Sequence[Pass], *, is_new: bool) -> Array:
    """`out` after `passes`, with `cval` beyond the border; without any a copy of `x`, of whatever dtypes, as SciPy makes it."""
    if not passes:
        out[...] = x
        return out
    return filter_parts(x, out, cval, lambda value: with_cval(passes, value), is_new=is_new)


def uniform_pass(axis: int, size: int, mode: str, cval: float, origin: object) -> Pass:
    """The mean of `size` cells along `axis`."""
    moved = whole("origin", origin)
    if not 0 <= size // 2 + moved < size:
        raise ConvSpecError(
            f"invalid origin: size // 2 + origin = {size // 2 + moved} is not from 0 to {size - 1}.",
            f"Use {-(size // 2)} to {size - 1 - size // 2}.",
        )
    refuse_taps(size)
    return Pass(axis, size // 2 + moved, checked_mode(mode), cval, None, size)


def uniform_passes(ndim: int, size: Any, mode: Any, origin: Any, axes: Any) -> tuple[Pass, ...]:
    """The passes of `uniform_filter`, of which `cval` is still to be set."""
    if axes is None and (type(size), type(mode), type(origin)) == (int, str, int):
        return _cubic_passes(ndim, size, mode, origin)
    return _uniform_passes(ndim, size, mode, origin, axes)


@functools.lru_cache(maxsize=64)
def _cubic_passes(ndim: int, size: int, mode: str, origin: int) -> tuple[Pass, ...]:
    return _uniform_passes(ndim, size, mode, origin, None)


def _uniform_passes(ndim: int, size: Any, mode: Any, origin: Any, axes: Any) -> tuple[Pass, ...]:
    named = checked_axes(axes, ndim)
    each = (for_each(name, value, len(named)) for name, value in (("size", size), ("origin", origin), ("mode", mode)))
    return tuple(
        uniform_pass(axis, int(cells), its_mode, 0.0, moved)
        for axis, cells, moved, its_mode in zip(named, *each, strict=True)
        if _real("size", cells) > 1
    )


def gaussian_passes(
    ndim: int, sigma: Any, order: Any, mode: Any, truncate: float, radius: Any, axes: Any
) -> list[Pass]:  # fmt: skip
    """The passes of `gaussian_filter`, of which `cval` is still to be set."""
    named = checked_axes(axes, ndim)
    count = len(named)
    orders, sigmas = for_each("order", order, count), for_each("sigma", sigma, count)
    modes, radiuses = for_each("mode", mode, count), for_each("radius", radius, count)
    passes = []
    for axis, its_sigma, its_order, its_mode, its_radius in zip(named, sigmas, orders, modes, radiuses, strict=True):
        if _real("sigma", its_sigma) > 1e-15:
            weights = gaussian_weights(its_sigma, its_order, truncate, its_radius)
            passes.append(Pass(axis, len(weights) // 2, checked_mode(its_mode), 0.0, weights, len(weights)))
    return passes


def gaussian_weights(sigma: float, order: int, truncate: float, radius: int | None) -> NDArray[np.float64]:
    """The taps of `gaussian_filter1d`, in the order in which they meet the cells."""
    deviation, cut, order = _real("sigma", sigma), _real("truncate", truncate), whole("order", order)
    if not math.isfinite(cut * deviation):
        raise ConvSpecError(f"sigma={deviation} cut off at {cut} sigmas leaves no number of taps.", "Use finite numbers.")
    reach: Any = int(cut * deviation + 0.5) if radius is None else radius
    if not isinstance(reach, numbers.Integral) or reach < 0:
        raise ConvSpecError(f"radius={shown(reach)}: Radius must be a nonnegative integer.", "Use 0 or more, or leave it to truncate.")
    if order < 0:
        raise ConvSpecError(f"order={order}: order must be non-negative.", "0 smooths, 1 is the first derivative.")
    if deviation == 0:
        raise FilterZeroError("sigma=0 leaves no Gaussian to sample.", "Leave the axis out, or use gaussian_filter, which does.")
    refuse_taps(2 * int(reach) + 1)
    return _gaussian(deviation, order, int(reach))


def _real(name: str, value: object) -> float:
    """`value`, if it is a number."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ConvTypeError(f"{name}={shown(value)} is no number.", "Use one, 1.5 for instance.") from None


@functools.lru_cache(maxsize=64)
def _gaussian(sigma: float, order: int, radius: int) -> NDArray[np.float64]:
    variance = sigma * sigma
    offset = np.arange(-radius, radius + 1)
    bell = np.exp(-0.5 / variance * offset**2)
    bell = bell / bell.sum()
    if order > 0:
        # The n-th derivative is the bell times a polynomial: q_n = q_{n-1}' - q_{n-1} * x / variance.
        q = np.zeros(order + 1)
        q[0] = 1
        for _ in range(order):
            slope = np.append(q[1:] * np.arange(1, order + 1), 0)
            q = slope + np.append(0, q[:-1] * (1 / -variance))
        bell = np.vander(offset, order + 1, increasing=True).dot(q) * bell
    taps = np.ascontiguousarray(bell[::-1])  # a derivative is a convolution
    taps.setflags(write=False)
    return taps
