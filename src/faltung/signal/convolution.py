"""`convolve`, `correlate`, `choose_conv_method` and `correlation_lags`, as in `scipy.signal`."""

from __future__ import annotations

import contextlib
import functools
import math
import timeit
import warnings
from typing import Any

import numpy as np

from faltung.engine.algorithm import NOMINAL_HERTZ
from faltung.engine.arrays import Array, converted, is_finite, new_array
from faltung.errors import ConvShapeError, ConvSpecError, ConvTypeError, shown
from faltung.signal.arguments import checked_method, checked_mode, checked_ranks, is_swapped, numbers
from faltung.signal.kinds import by_scipy, is_served, result_type
from faltung.signal.placing import Part, parts_of, with_zeros_around
from faltung.signal.spectra import cycles_along, spectral_sums
from faltung.signal.sums import again, job_of, sums
from faltung.signal.whole_numbers import largest, whole_sums

__all__ = ["choose_conv_method", "convolve", "correlate", "correlation_lags"]

FEW_PRODUCTS = 4096
"""Up to so many products of two plain rows NumPy's own loop is done before the engine has been called."""

MANY_PRODUCTS = 2**20
"""Fewer are never worth a transform by SciPy."""

MANY_AXES = 4
"""Along more a plan looks at so many parts of the border, each with its taps, that it takes longer than the sums."""

_WHOLE_BITS = 2**52 - 1


def convolve(in1: object, in2: object, mode: str = "full", method: str = "auto") -> Any:
    """Convolve two N-dimensional arrays, as `scipy.signal.convolve`.

    Parameters
    ----------
    in1, in2 : array_like
        Of the same number of axes. In mode "valid" either may be the larger one, along all axes.
    mode : {"full", "valid", "same"}
        Every overlap; complete overlaps; the middle of "full", of the size of `in1`.
    method : {"auto", "direct", "fft"}
        "auto" takes the cheaper way; "direct" sums products one by one; "fft" takes whichever way is cheapest within the error
        of a Fourier transform, as `fftconvolve` does. Integers and booleans are exact by each of them, modulo the range of their type.

    Returns
    -------
    array
        In the common dtype of both: a sum of uint8 is uint8, one of booleans says whether any product is true.

    Raises
    ------
    ConvShapeError, ConvSpecError, ConvTypeError
        ValueErrors, the last one a TypeError too.

    Warns
    -----
    RuntimeWarning
        NaN or Inf meets ``method="fft"``.

    Notes
    -----
    NaN and Inf reach the outputs whose windows hold them and no others, with ``method="fft"`` possibly all.
    long double and objects are computed by SciPy itself.

    Examples
    --------
    >>> convolve([1, 2, 3], [0, 1, 10])
    array([ 0,  1, 12, 23, 30])
    >>> convolve([1.0, 2.0, 3.0], [1.0, 1.0], mode="same")
    array([1., 3., 5.])
    """
    volume, kernel = numbers("in1", in1), numbers("in2", in2)
    if _is_small(volume, kernel, mode, method):
        return np.convolve(volume, kernel, mode)  # type: ignore[call-overload]
    return _convolved("convolve", volume, kernel, mode, method, correlates=False)


def correlate(in1: object, in2: object, mode: str = "full", method: str = "auto") -> Any:
    """Cross-correlate two N-dimensional arrays, as `scipy.signal.correlate`: `in2` is conjugated.

    Output k of two rows, in mode "full", is the sum over l of ``in1[l] * conj(in2[l - k + len(in2) - 1])``.

    Parameters, result and errors as of `convolve`.

    Examples
    --------
    >>> correlate([1, 2, 3], [0, 1, 10])
    array([10, 21, 32,  3,  0])
    >>> correlate([1, 2], [1j, 0], mode="valid")
    array([0.-1.j])
    """
    first, second = numbers("in1", in1), numbers("in2", in2)
    if _is_small(first, second, mode, method):
        return np.correlate(first, second, mode)  # type: ignore[call-overload]
    return _convolved("correlate", first, second, mode, method, correlates=True)


def _is_small(x: Array, h: Array, mode: object, method: object) -> bool:
    """Whether NumPy's own function does exactly what is asked, and sooner."""
    if x.ndim != 1 or h.ndim != 1 or not 0 < x.size * h.size <= FEW_PRODUCTS or not (type(mode) is type(method) is str):
        return False
    is_like_numpy = mode == "full" or mode == "valid" or (mode == "same" and x.size >= h.size)
    return is_like_numpy and (method == "auto" or method == "direct") and is_served(x, h)


def _convolved(name: str, x: Array, h: Array, mode: str, method: str, *, correlates: bool) -> Any:
    if not is_served(x, h):
        return by_scipy(name, x, h, mode, method)
    if x.ndim == h.ndim == 0:
        return x * (h.conj() if correlates else h)
    checked_ranks(x, h)
    checked_mode(mode)
    checked_method(method)
    if x.size == 0 or h.size == 0:
        return _of_nothing(x, h, mode)
    if correlates:
        h = reversed_conjugate(h)
    call = (name, mode, method, x.shape, x.dtype, h.shape, h.dtype)
    if method != "fft" and (found := again(call, x, h)) is not None:
        return found
    dtype = result_type(x, h)
    refuse_unsummed(x, h, dtype, mode, method)
    if is_swapped(mode, x.shape, h.shape):
        x, h = h, x
    if method == "fft" and dtype.kind in "fc" and not (is_finite(x) and is_finite(h)):
        warnings.warn(
            "Use of fft convolution on input with NAN or inf results in NAN or inf output. Consider using method='direct' instead.",
            RuntimeWarning,
            stacklevel=3,
        )
    parts = parts_of(mode, x.shape, h.shape)
    is_plain = x.dtype == h.dtype == dtype and method != "fft" and mode != "valid"  # in which both may have changed places
    return products_summed(x, h, parts, dtype, "exact" if method == "direct" else "default", call if is_plain else None)


def reversed_conjugate(h: Array) -> Array:
    """What convolves as `h` correlates."""
    reverse = h[(slice(None, None, -1),) * h.ndim]
    return reverse.conj() if h.dtype.kind == "c" else np.ascontiguousarray(reverse)


def products_summed(
    x: Array, h: Array, parts: tuple[Part, ...], dtype: np.dtype[Any], accuracy: str = "default", call: Any = None
) -> Array:
    """`parts` of the full convolution in `dtype`, by the cheapest way within `accuracy`; arrays of any served dtypes.

    Of `call` as in `sums`; the arrays must be of `dtype` then.
    """
    if x.ndim > MANY_AXES:
        x, h, parts, call = *with_zeros_around(x, h, parts), None
    if dtype.kind in "biu":
        return whole_sums(x, h, parts, dtype, call=call)
    complexity = x.dtype.kind == "c", h.dtype.kind == "c"
    if accuracy == "default" and takes_spectra(x.shape, h.shape, parts, dtype, complexity):
        axes = transformed_axes(x.shape, h.shape, parts)
        return spectral_sums(x, h, axes, tuple(parts[axis] for axis in axes), dtype)
    if dtype.kind == "c":
        real = np.empty(0, dtype).real.dtype
        x, h = (converted(array, dtype if array.dtype.kind == "c" else real) for array in (x, h))
    else:
        x, h = converted(x, dtype), converted(h, dtype)
    return sums(x, h, parts, dtype, accuracy=accuracy, call=call)


@functools.lru_cache(maxsize=1024)
def takes_spectra(
    cells: tuple[int, ...], taps: tuple[int, ...], parts: tuple[Part, ...], dtype: np.dtype[Any], complexity: tuple[bool, bool]
) -> bool:
    """Whether whole transforms or their blocks are cheaper than what the engine would do."""
    along = transformed_axes(cells, taps, parts)
    if dtype.char == "e" or not along or math.prod(taps) * math.prod(cells) < MANY_PRODUCTS:
        return False
    job = job_of(cells, taps, parts, dtype, complexity, "zeros", "default")
    if job.compiled.algorithm == "fft":
        if dtype.kind == "c":  # of parts apart, and no better than of both together
            return True
        waiting = 1.3  # for memory, where blocks are as long as these
    else:
        waiting = 1.0
    return cycles_along(along, parts, cells, taps, dtype) / NOMINAL_HERTZ < waiting * job.seconds


def transformed_axes(cells: tuple[int, ...], taps: tuple[int, ...], parts: tuple[Part, ...]) -> tuple[int, ...]:
    """The axes along which there is more to do than to multiply all of one array by one number of the other."""
    return tuple(
        axis
        for axis, (each, count, part) in enumerate(zip(cells, taps, parts, strict=True))
        if min(each, count) > 1 or part != Part(0, max(each, count))
    )


def refuse_unsummed(x: Array, h: Array, dtype: np.dtype[Any], mode: str, method: str) -> None:
    """Raise where SciPy sums no such dtype: booleans along several axes, half precision there by ``method="direct"``."""
    is_row = x.ndim == 1 and (mode != "same" or x.size >= h.size)
    if not is_row and ((dtype.kind == "b" and method != "fft") or (dtype.char == "e" and method == "direct")):
        raise ConvTypeError(
            f"Unsupported type: arrays of {x.dtype} and {h.dtype}, of shapes {x.shape} and {h.shape}, have no direct sums.",
            "Convert them with astype: booleans to integers, float16 to float32.",
        )


def _of_nothing(x: Array, h: Array, mode: str) -> Array:
    """Sums of no products, of arrays with several axes, as SciPy gives them; rows must not be empty."""
    if x.ndim > 1:
        if is_swapped(mode, x.shape, h.shape):
            x, h = h, x
        size = tuple(part.size for part in parts_of(mode, x.shape, h.shape))
        if min(size) >= 0:
            return new_array("the result", size, result_type(x, h), zeros=True)
    raise ConvShapeError(
        f"in1 and in2 cannot be empty: their shapes are {x.shape} and {h.shape}.", "Leave the call out where there is nothing."
    )


def choose_conv_method(in1: object, in2: object, mode: str = "full", measure: bool = False) -> Any:
    """Say which method `convolve` takes with ``method="auto"``, as `scipy.signal.choose_conv_method`.

    Parameters
    ----------
    in1, in2 : array_like
    mode : {"full", "valid", "same"}
    measure : bool
        Time both methods instead of estimating.

    Returns
    -------
    method : {"direct", "fft"}
        "direct" for booleans, objects, long double and integers whose sums may pass 52 bits.
    times : dict
        Seconds of each method; where `measure` is true.

    Raises
    ------
    ConvShapeError, ConvSpecError, ConvTypeError

    Examples
    --------
    >>> import numpy as np
    >>> choose_conv_method(np.ones(1000), np.ones(5))
    'direct'
    >>> choose_conv_method(np.ones(100_000), np.ones(50_000))
    'fft'
    """
    x, h = numbers("in1", in1), numbers("in2", in2)
    if measure:
        times = {method: _seconds(x, h, mode, method) for method in ("fft", "direct")}
        return min(times, key=lambda method: times[method]), times
    checked_mode(mode)
    if not is_served(x, h) or x.ndim != h.ndim or x.ndim == 0:
        return "direct"
    if any(array.dtype.kind in "ui" for array in (x, h)):
        if x.size == 0 or h.size == 0:
            raise ConvShapeError(f"in1 and in2 cannot be empty: their shapes are {x.shape} and {h.shape}.", "Give integers to look at.")
        whole = [largest(array) if array.dtype.kind in "bui" else int(np.abs(array).max()) for array in (x, h)]
        if whole[0] * whole[1] * min(x.size, h.size) > _WHOLE_BITS:
            return "direct"
    dtype = result_type(x, h)
    if dtype.kind == "b" or x.size == 0 or h.size == 0:
        return "direct"
    try:
        if is_swapped(mode, x.shape, h.shape):
            x, h = h, x
    except ConvShapeError:  # `convolve` says so
        return "direct"
    floats = np.dtype(np.float64) if dtype.kind in "ui" else dtype
    parts = parts_of(mode, x.shape, h.shape)
    shapes = x.shape, h.shape, parts, floats, (x.dtype.kind == "c", h.dtype.kind == "c")
    return "fft" if takes_spectra(*shapes) or job_of(*shapes, "zeros", "default").is_transformed else "direct"


def _seconds(x: Array, h: Array, mode: str, method: str) -> float:
    """The shortest of a few runs."""
    timer = timeit.Timer(lambda: convolve(x, h, mode, method))
    once = timer.timeit(1)
    if once > 0.5:
        return once
    number = max(1, math.ceil(0.005 / max(once, 1e-7)))
    return min(timer.repeat(3, number)) / number


def correlation_lags(in1_len: int, in2_len: int, mode: str = "full") -> Array:
    """The lag of each output of `correlate` on rows of these lengths, as `scipy.signal.correlation_lags`.

    Parameters
    ----------
    in1_len, in2_len : int
    mode : {"full", "valid", "same"}

    Returns
    -------
    array of int
        How far `in2` is moved against `in1`.

    Raises
    ------
    ConvSpecError, ConvTypeError

    Examples
    --------
    >>> correlation_lags(4, 3)
    array([-2, -1,  0,  1,  2,  3])
    >>> correlation_lags(2, 5, mode="valid")
    array([-3, -2, -1,  0])
    """
    if mode == "valid":
        most = in1_len - in2_len
        return _counted(0, most + 1) if most >= 0 else _counted(most, 1)
    lags = _counted(1 - in2_len, in1_len)
    if mode == "full":
        return lags
    if mode != "same":
        raise ConvSpecError(f"Mode {shown(mode).strip(chr(39))} is invalid.", "Use 'full', 'valid' or 'same'.")
    begin = lags.size // 2 - in1_len // 2
    try:
        return lags[begin : begin + in1_len]
    except TypeError:
        raise ConvTypeError(
            f"in1_len={shown(in1_len)} and in2_len={shown(in2_len)} are no whole numbers.", "Use len(in1) and len(in2)."
        ) from None


def _counted(begin: int, end: int) -> Array:
    with contextlib.suppress(MemoryError, ValueError):
        found = np.arange(begin, end)
        if found.size >= end - begin:  # NumPy gives an empty one past 64 bits
            return found
    raise ConvShapeError(f"{end - begin} lags cannot be allocated.", "Use the lengths of rows that there are.")
