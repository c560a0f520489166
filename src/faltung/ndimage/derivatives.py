"""Derivatives of arrays: `sobel`, `prewitt`, Laplacians, magnitudes of gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from faltung.engine.arrays import Array
from faltung.ndimage.arguments import as_input, checked_axes, checked_axis, checked_mode, for_each, output_for
from faltung.ndimage.correlation import correlate1d, filter_parts
from faltung.ndimage.passes import Pass, with_cval
from faltung.ndimage.smoothing import gaussian_filter

__all__ = [
    "gaussian_gradient_magnitude", "gaussian_laplace", "generic_gradient_magnitude", "generic_laplace", "laplace", "laplace_sigmas",
    "prewitt", "sobel",
]  # fmt: skip

Derivative = Callable[..., Any]

_CURVATURE = np.array([1.0, -2.0, 1.0])

_ROOTS = np.sqrt(np.arange(256, dtype=np.uint8)).astype(np.uint8)
"""Of bytes; NumPy takes each root in half precision, which is slow."""


def prewitt(input: object, axis: int = -1, output: object = None, mode: Any = "reflect", cval: complex = 0.0) -> Array:
    """Differences along one axis, ``[-1, 0, 1]``, summed over three cells along every other.

    Parameters
    ----------
    input, output, cval
        As of `correlate1d`.
    axis : int
        Of the differences.
    mode : str or sequence of str
        For all axes of `input`, or one for each.

    Returns
    -------
    array
        Of the shape of `input`; summed as `correlate1d` sums.

    Raises
    ------
    ConvError
        Of SciPy's class as well.

    Examples
    --------
    >>> from faltung import ndimage
    >>> ndimage.prewitt([[1, 2, 4], [1, 2, 4], [1, 2, 4]])
    array([[3, 9, 6],
           [3, 9, 6],
           [3, 9, 6]])
    """
    return _edges(input, axis, output, mode, cval, (1.0, 1.0, 1.0))


def sobel(input: object, axis: int = -1, output: object = None, mode: Any = "reflect", cval: complex = 0.0) -> Array:
    """Differences along one axis, ``[-1, 0, 1]``, smoothed by ``[1, 2, 1]`` along every other.

    Parameters, result and errors as of `prewitt`.

    Examples
    --------
    >>> from faltung import ndimage
    >>> ndimage.sobel([[1, 2, 4], [1, 2, 4], [1, 2, 4]])
    array([[ 4, 12,  8],
           [ 4, 12,  8],
           [ 4, 12,  8]])
    """
    return _edges(input, axis, output, mode, cval, (1.0, 2.0, 1.0))


def _edges(input: object, axis: int, output: object, mode: Any, cval: complex, across: tuple[float, ...]) -> Array:
    x = as_input(input)
    out = output_for(output, x, is_complex=x.dtype.kind == "c" and output is None)
    known = type(axis) is int and type(mode) is str
    passes = (_plain_edge_passes if known else _edge_passes)(x.ndim, axis, mode, across)
    return filter_parts(x, out, cval, lambda value: with_cval(passes, value), is_new=output is None)


def _edge_passes(ndim: int, axis: object, mode: Any, across: tuple[float, ...]) -> tuple[Pass, ...]:
    """Differences along `axis`, then `across` along every other; of which `cval` is still to be set."""
    first = checked_axis(axis, ndim)
    modes = [checked_mode(one) for one in for_each("mode", mode, ndim)]
    others = [number for number in range(ndim) if number != first]
    taps = [(first, np.array([-1.0, 0.0, 1.0])), *((number, np.array(across)) for number in others)]
    return tuple(Pass(number, 1, modes[number], 0.0, weights, 3) for number, weights in taps)


_plain_edge_passes = functools.lru_cache(maxsize=64)(_edge_passes)


def generic_laplace(
    input: object, derivative2: Derivative, output: object = None, mode: Any = "reflect", cval: complex = 0.0,
    extra_arguments: Sequence[Any] = (), extra_keywords: Mapping[str, Any] | None = None, *, axes: Any = None,
) -> Array:  # fmt: skip
    """The sum of second derivatives along the axes, by a function of one's own.

    Parameters
    ----------
    input, output, cval
        As of `correlate1d`.
    derivative2 : callable
        ``derivative2(input, axis, output, mode, cval, *extra_arguments, **extra_keywords)``; `output` is an array or a dtype.
    mode : str or sequence of str
        For all axes, or one for each of `axes`.
    extra_arguments, extra_keywords
        Handed on to `derivative2`.
    axes : int or sequence of int, optional
        By default all.

    Returns
    -------
    array
        Of the shape of `input`.

    Raises
    ------
    ConvError
        Of SciPy's class as well.

    Examples
    --------
    >>> from faltung import ndimage
    >>> def second(input, axis, output, mode, cval):
    ...     return ndimage.correlate1d(input, [1, -2, 1], axis, output, mode, cval)
    >>> ndimage.generic_laplace([0, 0, 1, 0, 0], second)
    array([ 0,  1, -2,  1,  0])
    """
    keywords = dict(extra_keywords or {})
    x = as_input(input)
    out = output_for(output, x, stacklevel=3)
    named = checked_axes(axes, x.ndim)
    if not named:
        out[...] = x
        return out
    modes = for_each("mode", mode, len(named))
    source = x.copy() if np.may_share_memory(x, out) else x
    derivative2(source, named[0], out, modes[0], cval, *extra_arguments, **keywords)
    for axis, its_mode in zip(named[1:], modes[1:], strict=True):
        out += derivative2(source, axis, out.dtype, its_mode, cval, *extra_arguments, **keywords)
    return out


def laplace(input: object, output: object = None, mode: Any = "reflect", cval: complex = 0.0, *, axes: Any = None) -> Array:
    """The Laplacian by second differences: the sum of ``[1, -2, 1]`` along the axes.

    Parameters, result and errors as of `generic_laplace`, without those of the derivative.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung import ndimage
    >>> ndimage.laplace(np.pad([[1]], 1))
    array([[ 0,  1,  0],
           [ 1, -4,  1],
           [ 0,  1,  0]])
    """

    def second(array: Array, axis: int, to: object, its_mode: str, value: complex) -> Array:
        return correlate1d(array, _CURVATURE, axis, to, its_mode, value, 0)

    return generic_laplace(input, second, output, mode, cval, axes=axes)


def gaussian_laplace(
    input: object, sigma: Any, output: object = None, mode: Any = "reflect", cval: complex = 0.0, *, axes: Any = None, **kwargs: Any
) -> Array:  # fmt: skip
    """The Laplacian of an array smoothed with a Gaussian: the sum of its second derivatives along the axes.

    Parameters
    ----------
    input, output, cval
        As of `correlate1d`.
    sigma : float or sequence of float
        As of `gaussian_filter`, for each of `axes`.
    mode : str or sequence of str
        For all axes, or one for each of `axes`.
    axes : int or sequence of int, optional
        By default all.
    **kwargs
        Handed on to `gaussian_filter`.

    Returns
    -------
    array
        Of the shape of `input`.

    Raises
    ------
    ConvError
        Of SciPy's class as well.

    Examples
    --------
    >>> from faltung import ndimage
    >>> ndimage.gaussian_laplace([0.0, 0.0, 1.0, 0.0, 0.0], 1).round(2)
    array([ 0.2,  0. , -0.4,  0. ,  0.2])
    """
    x = as_input(input)
    named = checked_axes(axes, x.ndim)
    return generic_laplace(x, _gaussian_derivative(2), output, mode, cval, (laplace_sigmas(x.ndim, sigma, named),), kwargs, axes=named)


def laplace_sigmas(ndim: int, sigma: Any, named: Sequence[int]) -> list[Any]:
    """The sigma of every axis, 0 along those that are not named. As in SciPy: in the order that is named, unless all axes are."""
    given = for_each("sigma", sigma, len(named))
    of_axis = dict(zip(named if len(named) < ndim else range(ndim), given, strict=True))
    return [of_axis.get(axis, 0) for axis in range(ndim)]


def generic_gradient_magnitude(
    input: object, derivative: Derivative, output: object = None, mode: Any = "reflect", cval: complex = 0.0,
    extra_arguments: Sequence[Any] = (), extra_keywords: Mapping[str, Any] | None = None, *, axes: Any = None,
) -> Array:  # fmt: skip
    """The length of the gradient, of derivatives by a function of one's own.

    Parameters
    ----------
    derivative : callable
        As `derivative2` of `generic_laplace`; all else as there.

    Returns
    -------
    array
        Of the shape of `input`: the square root of the sum of squares, each stored in the dtype of the result.

    Examples
    --------
    >>> from faltung import ndimage
    >>> ndimage.generic_gradient_magnitude([[0.0, 3.0], [4.0, 7.0]], ndimage.sobel)
    array([[20., 20.],
           [20., 20.]])
    """
    keywords = dict(extra_keywords or {})
    x = as_input(input)
    out = output_for(output, x, stacklevel=3)
    named = checked_axes(axes, x.ndim)
    if not named:
        out[...] = x
        return out
    modes = for_each("mode", mode, len(named))
    source = x.copy() if np.may_share_memory(x, out) else x
    derivative(source, named[0], out, modes[0], cval, *extra_arguments, **keywords)
    np.multiply(out, out, out=out)
    for axis, its_mode in zip(named[1:], modes[1:], strict=True):
        slope = derivative(source, axis, out.dtype, its_mode, cval, *extra_arguments, **keywords)
        np.multiply(slope, slope, out=slope)
        out += slope
    if out.dtype == np.uint8:
        np.take(_ROOTS, out, out=out)
    else:
        np.sqrt(out, out=out, casting="unsafe")
    return out


def gaussian_gradient_magnitude(
    input: object, sigma: Any, output: object = None, mode: Any = "reflect", cval: complex = 0.0, *, axes: Any = None, **kwargs: Any
) -> Array:  # fmt: skip
    """The length of the gradient of an array smoothed with a Gaussian.

    Parameters, result and errors as of `gaussian_laplace`.

    Examples
    --------
    >>> from faltung import ndimage
    >>> ndimage.gaussian_gradient_magnitude([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.5).round(3)
    array([0.428, 0.858, 0.86 , 0.86 , 0.86 , 0.858, 0.428])
    """
    x = as_input(input)
    return generic_gradient_magnitude(x, _gaussian_derivative(1), output, mode, cval, (sigma,), kwargs, axes=axes)


def _gaussian_derivative(order: int) -> Derivative:
    """Of this order along one axis, smoothing along the others."""

    def derive(array: Array, axis: int, to: object, mode: Any, cval: complex, sigma: Any, **kwargs: Any) -> Array:
        orders = [0] * array.ndim
        orders[axis] = order
        return gaussian_filter(array, sigma, orders, to, mode, cval, **kwargs)

    return derive
