"""SciPy's image filters on dask arrays: `faltung.ndimage`, chunk by chunk, with the bits of one array.

``from faltung.dask import ndimage``. The functions have SciPy's arguments; `output` is a dtype, and `chunks` and `threads` are as of
`faltung.dask.conv`; an xarray ``DataArray`` gives a ``DataArray`` with its labels. Each chunk of the result is a task that reads its own
cells and those around them that its windows cover.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from faltung import ndimage
from faltung.dask.convolving import as_dask
from faltung.dask.filtering import Looks, filtered
from faltung.dask.labelled import SAME, is_labelled, labelled
from faltung.dask.windows import DEFAULT_TRUNCATE, along, around, as_told, of_footprint, of_passes, of_smoothing
from faltung.engine.arrays import Array, as_array
from faltung.engine.run import ACCURACIES
from faltung.errors import ConvPlanError, one_of
from faltung.ndimage.arguments import checked_axes, checked_axis
from faltung.ndimage.correlation import correlate_array
from faltung.ndimage.derivatives import laplace_sigmas
from faltung.ndimage.smoothing import gaussian_passes, gaussian_weights, uniform_pass, uniform_passes

__all__ = [
    "convolve", "convolve1d", "correlate", "correlate1d", "gaussian_filter", "gaussian_filter1d", "gaussian_gradient_magnitude",
    "gaussian_laplace", "generic_gradient_magnitude", "generic_laplace", "laplace", "prewitt", "sobel", "uniform_filter",
    "uniform_filter1d",
]  # fmt: skip

Function = TypeVar("Function", bound=Callable[..., Any])


def _labels(function: Function) -> Function:
    """`function`, which gives a ``DataArray`` with all labels where its input is one."""

    @functools.wraps(function)
    def of_either(input: Any, *arguments: Any, **keywords: Any) -> Any:
        if not is_labelled(input):
            return function(input, *arguments, **keywords)
        return labelled(input, function(input.data, *arguments, **keywords), [SAME] * input.ndim)

    return cast(Function, of_either)


@_labels
def correlate1d(
    input: Any, weights: Any, axis: int = -1, output: Any = None, mode: str = "reflect", cval: complex = 0.0, origin: int = 0, *,
    chunks: Any = None, threads: int | None = None,
) -> Any:  # fmt: skip
    """Correlate every line along one axis of a dask array; arguments, dtypes and errors as of `faltung.ndimage.correlate1d`.

    Examples
    --------
    >>> import dask.array as da
    >>> correlate1d(da.from_array([2, 8, 0, 4, 1, 9, 9, 0], chunks=3), [1, 3]).compute()
    array([ 8, 26,  8, 12,  7, 28, 36,  9])
    """
    taps = as_array("weights", weights)
    x = as_dask("input", input)
    return filtered(
        ndimage.correlate1d, x, lambda: along(x, axis, len(taps) // 2 + origin, len(taps), mode), chunks, threads,
        weights=taps, axis=axis, output=output, mode=mode, cval=cval, origin=origin,
    )  # fmt: skip


@_labels
def convolve1d(
    input: Any, weights: Any, axis: int = -1, output: Any = None, mode: str = "reflect", cval: complex = 0.0, origin: int = 0, *,
    chunks: Any = None, threads: int | None = None,
) -> Any:  # fmt: skip
    """Convolve every line along one axis of a dask array; arguments, dtypes and errors as of `faltung.ndimage.convolve1d`.

    Examples
    --------
    >>> import dask.array as da
    >>> convolve1d(da.from_array([2, 8, 0, 4, 1, 9, 9, 0], chunks=3), [1, 3]).compute()
    array([14, 24,  4, 13, 12, 36, 27,  0])
    """
    taps = as_array("weights", weights)
    x = as_dask("input", input)
    return filtered(
        ndimage.convolve1d, x, lambda: along(x, axis, (len(taps) - 1) // 2 - origin, len(taps), mode), chunks, threads,
        weights=taps, axis=axis, output=output, mode=mode, cval=cval, origin=origin,
    )  # fmt: skip


@_labels
def correlate(
    input: Any, weights: Any, output: Any = None, mode: str = "reflect", cval: complex = 0.0, origin: int | Iterable[int] = 0, *,
    axes: int | Iterable[int] | None = None, chunks: Any = None, accuracy: str = "exact", threads: int | None = None,
) -> Any:  # fmt: skip
    """Correlate a dask array with a kernel of several axes; arguments, dtypes and errors as of `faltung.ndimage.correlate`.

    Parameters
    ----------
    accuracy : {"exact", "default"}
        "default" may sum float32 and float64 in another order, or by Fourier transforms, as `faltung.ndimage.correlate` does: faster with
        large kernels, and the last bits may depend on the chunks.

    Examples
    --------
    >>> import dask.array as da
    >>> correlate(da.arange(9, chunks=2).reshape(3, 3), [[0, 1, 0], [1, 1, 1], [0, 1, 0]], mode="constant").compute()
    array([[ 4,  7,  8],
           [13, 20, 19],
           [16, 25, 20]])
    """
    return _of_several(False, input, weights, output, mode, cval, origin, axes, chunks, accuracy, threads)


@_labels
def convolve(
    input: Any, weights: Any, output: Any = None, mode: str = "reflect", cval: complex = 0.0, origin: int | Iterable[int] = 0, *,
    axes: int | Iterable[int] | None = None, chunks: Any = None, accuracy: str = "exact", threads: int | None = None,
) -> Any:  # fmt: skip
    """Convolve a dask array with a kernel of several axes; arguments, dtypes and errors as of `faltung.ndimage.convolve`.

    Examples
    --------
    >>> import dask.array as da
    >>> convolve(da.from_array([1, 0, 0, 0, 2], chunks=2), [1, 2, 3], mode="constant").compute()
    array([2, 3, 0, 2, 4])
    """
    return _of_several(True, input, weights, output, mode, cval, origin, axes, chunks, accuracy, threads)


@_labels
def gaussian_filter1d(
    input: Any, sigma: float, axis: int = -1, order: int = 0, output: Any = None, mode: str = "reflect", cval: complex = 0.0,
    truncate: float = DEFAULT_TRUNCATE, *, radius: int | None = None, chunks: Any = None, threads: int | None = None,
) -> Any:  # fmt: skip
    """Smooth every line along one axis of a dask array; arguments, dtypes and errors as of `faltung.ndimage.gaussian_filter1d`.

    Examples
    --------
    >>> import dask.array as da
    >>> gaussian_filter1d(da.from_array([1.0, 2.0, 3.0, 4.0, 5.0], chunks=2), 1).compute().round(3)
    array([1.427, 2.068, 3.   , 3.932, 4.573])
    """
    x = as_dask("input", input)

    def looks() -> Looks:
        size = len(gaussian_weights(sigma, order, truncate, radius))
        return along(x, axis, size // 2, size, mode)

    return filtered(
        ndimage.gaussian_filter1d, x, looks, chunks, threads,
        sigma=sigma, axis=axis, order=order, output=output, mode=mode, cval=cval, truncate=truncate, radius=radius,
    )  # fmt: skip


@_labels
def gaussian_filter(
    input: Any, sigma: Any, order: Any = 0, output: Any = None, mode: Any = "reflect", cval: complex = 0.0,
    truncate: float = DEFAULT_TRUNCATE, *, radius: Any = None, axes: Any = None, chunks: Any = None, threads: int | None = None,
) -> Any:  # fmt: skip
    """Smooth a dask array with a Gaussian, or differentiate it smoothly; arguments, dtypes and errors as of
    `faltung.ndimage.gaussian_filter`.

    Examples
    --------
    >>> import dask.array as da
    >>> gaussian_filter(da.arange(0, 50, 2, chunks=5).reshape(5, 5), sigma=1).compute()[0]
    array([ 4,  6,  8,  9, 11])
    """  # noqa: D205
    x = as_dask("input", input)
    return filtered(
        ndimage.gaussian_filter, x, lambda: of_passes(x, gaussian_passes(x.ndim, sigma, order, mode, truncate, radius, axes)),
        chunks, threads, sigma=sigma, order=order, output=output, mode=mode, cval=cval, truncate=truncate, radius=radius, axes=axes,
    )  # fmt: skip


@_labels
def uniform_filter1d(
    input: Any, size: int, axis: int = -1, output: Any = None, mode: str = "reflect", cval: complex = 0.0, origin: int = 0, *,
    chunks: Any = None, threads: int | None = None,
) -> Any:  # fmt: skip
    """The mean of `size` cells along one axis of a dask array; arguments, dtypes and errors as of `faltung.ndimage.uniform_filter1d`.

    Examples
    --------
    >>> import dask.array as da
    >>> uniform_filter1d(da.from_array([2, 8, 0, 4, 1, 9, 9, 0], chunks=3), size=3).compute()
    array([4, 3, 4, 1, 4, 6, 6, 3])
    """
    x = as_dask("input", input)
    return filtered(
        ndimage.uniform_filter1d, x, lambda: of_passes(x, [uniform_pass(checked_axis(axis, x.ndim), size, mode, 0.0, origin)]),
        chunks, threads, size=size, axis=axis, output=output, mode=mode, cval=cval, origin=origin,
    )  # fmt: skip


@_labels
def uniform_filter(
    input: Any, size: Any = 3, output: Any = None, mode: Any = "reflect", cval: complex = 0.0, origin: Any = 0, *, axes: Any = None,
    chunks: Any = None, threads: int | None = None,
) -> Any:  # fmt: skip
    """The mean of a box of cells of a dask array; arguments, dtypes and errors as of `faltung.ndimage.uniform_filter`.

    Examples
    --------
    >>> import dask.array as da
    >>> uniform_filter(da.eye(4, chunks=2), 3).compute()[1]
    array([0.33333333, 0.33333333, 0.22222222, 0.11111111])
    """
    x = as_dask("input", input)

    return filtered(
        ndimage.uniform_filter, x, lambda: of_passes(x, uniform_passes(x.ndim, size, mode, origin, axes)), chunks, threads,
        size=size, output=output, mode=mode, cval=cval, origin=origin, axes=axes,
    )  # fmt: skip


@_labels
def prewitt(
    input: Any, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: complex = 0.0, *, chunks: Any = None,
    threads: int | None = None,
) -> Any:  # fmt: skip
    """Differences along one axis of a dask array; arguments, dtypes and errors as of `faltung.ndimage.prewitt`.

    Examples
    --------
    >>> import dask.array as da
    >>> prewitt(da.from_array([[1, 2, 4], [1, 2, 4], [1, 2, 4]], chunks=2)).compute()[0]
    array([3, 9, 6])
    """
    x = as_dask("input", input)
    return filtered(ndimage.prewitt, x, lambda: around(x, mode), chunks, threads, axis=axis, output=output, mode=mode, cval=cval)


@_labels
def sobel(
    input: Any, axis: int = -1, output: Any = None, mode: Any = "reflect", cval: complex = 0.0, *, chunks: Any = None,
    threads: int | None = None,
) -> Any:  # fmt: skip
    """Smoothed differences along one axis of a dask array; arguments, dtypes and errors as of `faltung.ndimage.sobel`.

    Examples
    --------
    >>> import dask.array as da
    >>> sobel(da.from_array([[1, 2, 4], [1, 2, 4], [1, 2, 4]], chunks=2)).compute()[0]
    array([ 4, 12,  8])
    """
    x = as_dask("input", input)
    return filtered(ndimage.sobel, x, lambda: around(x, mode), chunks, threads, axis=axis, output=output, mode=mode, cval=cval)


@_labels
def laplace(
    input: Any, output: Any = None, mode: Any = "reflect", cval: complex = 0.0, *, axes: Any = None, chunks: Any = None,
    threads: int | None = None,
) -> Any:  # fmt: skip
    """The Laplacian of a dask array by second differences; arguments, dtypes and errors as of `faltung.ndimage.laplace`.

    Examples
    --------
    >>> import dask.array as da
    >>> laplace(da.from_array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], chunks=2)).compute()[1]
    array([ 1, -4,  1])
    """
    x = as_dask("input", input)
    return filtered(ndimage.laplace, x, lambda: around(x, mode, axes), chunks, threads, output=output, mode=mode, cval=cval, axes=axes)


@_labels
def gaussian_laplace(
    input: Any, sigma: Any, output: Any = None, mode: Any = "reflect", cval: complex = 0.0, *, axes: Any = None, chunks: Any = None,
    threads: int | None = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """The Laplacian of a dask array smoothed with a Gaussian; arguments, dtypes and errors as of `faltung.ndimage.gaussian_laplace`.

    Examples
    --------
    >>> import dask.array as da
    >>> gaussian_laplace(da.from_array([0.0, 0.0, 1.0, 0.0, 0.0], chunks=2), 1).compute().round(2)
    array([ 0.2,  0. , -0.4,  0. ,  0.2])
    """
    x = as_dask("input", input)

    def looks() -> Looks:
        sigmas = laplace_sigmas(x.ndim, sigma, checked_axes(axes, x.ndim))
        return of_smoothing(x, sigmas, mode, kwargs)

    return filtered(
        ndimage.gaussian_laplace, x, looks, chunks, threads, sigma=sigma, output=output, mode=mode, cval=cval, axes=axes, **kwargs
    )


@_labels
def gaussian_gradient_magnitude(
    input: Any, sigma: Any, output: Any = None, mode: Any = "reflect", cval: complex = 0.0, *, axes: Any = None, chunks: Any = None,
    threads: int | None = None, **kwargs: Any,
) -> Any:  # fmt: skip
    """The length of the gradient of a dask array smoothed with a Gaussian; arguments, dtypes and errors as of
    `faltung.ndimage.gaussian_gradient_magnitude`.

    Examples
    --------
    >>> import dask.array as da
    >>> gaussian_gradient_magnitude(da.arange(7.0, chunks=3), 0.5).compute().round(3)
    array([0.428, 0.858, 0.86 , 0.86 , 0.86 , 0.858, 0.428])
    """  # noqa: D205
    x = as_dask("input", input)
    return filtered(
        ndimage.gaussian_gradient_magnitude, x, lambda: of_smoothing(x, sigma, mode, kwargs), chunks, threads,
        sigma=sigma, output=output, mode=mode, cval=cval, axes=axes, **kwargs,
    )  # fmt: skip


@_labels
def generic_laplace(
    input: Any, derivative2: Callable[..., Any], output: Any = None, mode: Any = "reflect", cval: complex = 0.0,
    extra_arguments: Sequence[Any] = (), extra_keywords: Mapping[str, Any] | None = None, *, depth: Any, axes: Any = None,
    chunks: Any = None, threads: int | None = None,
) -> Any:  # fmt: skip
    """The sum of second derivatives of a dask array, by a function of one's own; as `faltung.ndimage.generic_laplace`.

    Parameters
    ----------
    depth : int, or sequence of int or of (int, int)
        So many cells around its own `derivative2` looks at; one for all axes or one, or (before, after), for each.

    Examples
    --------
    >>> import dask.array as da
    >>> def second(input, axis, output, mode, cval):
    ...     return ndimage.correlate1d(input, [1, -2, 1], axis, output, mode, cval)
    >>> generic_laplace(da.from_array([0, 0, 1, 0, 0], chunks=2), second, depth=1).compute()
    array([ 0,  1, -2,  1,  0])
    """
    x = as_dask("input", input)
    return filtered(
        ndimage.generic_laplace, x, lambda: as_told(x, depth, mode), chunks, threads, derivative2=derivative2, output=output, mode=mode,
        cval=cval, extra_arguments=extra_arguments, extra_keywords=extra_keywords, axes=axes,
    )  # fmt: skip


@_labels
def generic_gradient_magnitude(
    input: Any, derivative: Callable[..., Any], output: Any = None, mode: Any = "reflect", cval: complex = 0.0,
    extra_arguments: Sequence[Any] = (), extra_keywords: Mapping[str, Any] | None = None, *, depth: Any, axes: Any = None,
    chunks: Any = None, threads: int | None = None,
) -> Any:  # fmt: skip
    """The length of the gradient of a dask array, by a function of one's own; as `faltung.ndimage.generic_gradient_magnitude`.

    `depth` is as of `generic_laplace`.

    Examples
    --------
    >>> import dask.array as da
    >>> generic_gradient_magnitude(da.from_array([[0.0, 3.0], [4.0, 7.0]], chunks=1), ndimage.sobel, depth=1).compute()
    array([[20., 20.],
           [20., 20.]])
    """
    x = as_dask("input", input)
    return filtered(
        ndimage.generic_gradient_magnitude, x, lambda: as_told(x, depth, mode), chunks, threads, derivative=derivative, output=output,
        mode=mode, cval=cval, extra_arguments=extra_arguments, extra_keywords=extra_keywords, axes=axes,
    )  # fmt: skip


def _of_several(
    flips: bool, input: Any, weights: Any, output: Any, mode: str, cval: complex, origin: Any, axes: Any, chunks: Any, accuracy: str,
    threads: int | None,
) -> Any:  # fmt: skip
    one_of("accuracy", accuracy, ACCURACIES, ConvPlanError)
    taps = as_array("weights", weights)
    x = as_dask("input", input)
    return filtered(
        functools.partial(_correlated, flips=flips, accuracy=accuracy), x,
        lambda: of_footprint(x, taps.shape, mode, origin, axes, flips=flips), chunks, threads,
        name="convolve" if flips else "correlate", weights=taps, output=output, mode=mode, cval=cval, origin=origin, axes=axes,
    )  # fmt: skip


def _correlated(
    x: Array, weights: Array, output: Any, mode: str, cval: complex, origin: Any, axes: Any, *, flips: bool, accuracy: str
) -> Array:
    return correlate_array(x, weights, output, mode, cval, origin, axes, flips=flips, accuracy=accuracy)
