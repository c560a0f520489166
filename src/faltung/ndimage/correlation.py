"""`correlate`, `convolve`, `correlate1d`, `convolve1d`, and how complex arrays are filtered by their parts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from faltung.engine.arrays import Array
from faltung.errors import ConvSpecError, ConvTypeError, shown
from faltung.ndimage.arguments import (
    as_input,
    checked_axes,
    checked_axis,
    checked_mode,
    checked_origin,
    for_each,
    output_for,
    refuse_dtype,
    whole,
)
from faltung.ndimage.errors import FilterDtypeError, FilterError
from faltung.ndimage.footprints import Footprint, correlate_nd
from faltung.ndimage.passes import Pass, refuse_taps, run_passes

__all__ = ["convolve", "convolve1d", "correlate", "correlate1d", "correlate_array", "filter_parts", "footprint_windows", "real_value"]


def correlate1d(
    input: object, weights: object, axis: int = -1, output: object = None, mode: str = "reflect", cval: complex = 0.0, origin: int = 0
) -> Array:  # fmt: skip
    """Correlate every line along one axis with the same weights.

    Parameters
    ----------
    input : array
        Bool, integers, float32, float64, complex64 or complex128; any number of axes.
    weights : array
        One-dimensional, of n taps; complex ones are conjugated.
    axis : int
    output : array or dtype, optional
        Where the result is stored, or its dtype; by default that of `input`. It may be `input` itself.
    mode : str
        What stands beyond the border: "reflect" or "grid-mirror" (``c b a | a b c | c b a``), "mirror" (``c b | a b c | b a``),
        "nearest", "wrap" or "grid-wrap", "constant" or "grid-constant" (`cval`).
    cval : number
        Beyond the border in mode "constant".
    origin : int
        Moves the window: ``y[i] = sum over k of weights[k] * x[i - n // 2 - origin + k]``.

    Returns
    -------
    array
        Of the shape of `input`. Summed in float64 in SciPy's order, so it is SciPy's result bit for bit, and cut off towards zero
        for integers; but float32 from float32 and from integers of up to 16 bits is summed in float32, with an error of at most
        ``(n + 2) * eps * sum(abs(weights * x))`` for each output, ``eps = 2**-24``.

    Raises
    ------
    ConvError
        Of SciPy's class as well: RuntimeError, ValueError or TypeError.

    Examples
    --------
    >>> from faltung import ndimage
    >>> ndimage.correlate1d([2, 8, 0, 4, 1, 9, 9, 0], weights=[1, 3])
    array([ 8, 26,  8, 12,  7, 28, 36,  9])
    """
    x, taps = as_input(input), as_input(weights, "weights")
    is_complex = x.dtype.kind == "c" or taps.dtype.kind == "c"
    out = output_for(output, x, is_complex=is_complex, stacklevel=3)
    if taps.ndim != 1 or taps.shape[0] < 1:
        raise FilterError(f"weights has shape {taps.shape}: no filter weights given.", "Give a sequence of at least one number.")
    if is_complex:
        taps = taps.conj().astype(np.complex128, copy=False) if taps.dtype.kind == "c" else taps

        def one(part: Array, w: Array, to: object, value: object) -> Array:
            return correlate1d(part, w, axis, to, mode, value, origin)  # type: ignore[arg-type]

        return _by_parts(one, x, taps, out, cval)
    refuse_dtype("input", x.dtype)
    number = checked_axis(axis, x.ndim)
    refuse_taps(taps.size)
    real = real_weights(taps)
    moved = checked_origin(origin, len(real))
    before, known = len(real) // 2 + moved, checked_mode(mode)
    return filter_parts(x, out, cval, lambda value: [Pass(number, before, known, value, real, len(real))], is_new=output is None)


def convolve1d(
    input: object, weights: object, axis: int = -1, output: object = None, mode: str = "reflect", cval: complex = 0.0, origin: int = 0
) -> Array:  # fmt: skip
    """Convolve every line along one axis: `correlate1d` with the weights reversed, never conjugated.

    Parameters, result and errors as of `correlate1d`; `origin` moves the window the other way.

    Examples
    --------
    >>> from faltung import ndimage
    >>> ndimage.convolve1d([2, 8, 0, 4, 1, 9, 9, 0], weights=[1, 3])
    array([14, 24,  4, 13, 12, 36, 27,  0])
    """
    taps = as_input(weights, "weights")
    if taps.ndim != 1 or taps.shape[0] < 1:
        raise FilterError(f"weights has shape {taps.shape}: no filter weights given.", "Give a sequence of at least one number.")
    moved = -whole("origin", origin) - (1 - taps.shape[0] % 2)
    taps = taps[::-1].conj() if taps.dtype.kind == "c" else taps[::-1]
    return correlate1d(input, taps, axis, output, mode, cval, moved)


def correlate(
    input: object, weights: object, output: object = None, mode: str = "reflect", cval: complex = 0.0, origin: int | Iterable[int] = 0,
    *, axes: int | Iterable[int] | None = None,
) -> Array:  # fmt: skip
    """Correlate an array with a kernel of as many axes, or of as many as `axes` names.

    Parameters
    ----------
    input : array
        Bool, integers, float32, float64, complex64 or complex128.
    weights : array
        Complex ones are conjugated.
    output, mode, cval
        As of `correlate1d`; one mode for all axes.
    origin : int or sequence of int
        Moves the window, along each axis.
    axes : int or sequence of int, optional
        The axes that those of `weights` lie along; by default all.

    Returns
    -------
    array
        Of the shape of `input`. Integers are SciPy's bit for bit: summed in float64, tap by tap, and cut off towards zero. float32 and
        float64 are summed in their own type by whatever the engine's plan chooses, direct sums, outer products or Fourier transforms,
        within its bound, ``fl.plan(...).error_bound``; an infinity or NaN below a weight of zero is left out, as in SciPy.

    Raises
    ------
    ConvError
        Of SciPy's class as well: RuntimeError, ValueError or TypeError.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung import ndimage
    >>> ndimage.correlate(np.arange(9).reshape(3, 3), [[0, 1, 0], [1, 1, 1], [0, 1, 0]], mode="constant")
    array([[ 4,  7,  8],
           [13, 20, 19],
           [16, 25, 20]])
    """
    return correlate_array(input, weights, output, mode, cval, origin, axes, flips=False)


def convolve(
    input: object, weights: object, output: object = None, mode: str = "reflect", cval: complex = 0.0, origin: int | Iterable[int] = 0,
    *, axes: int | Iterable[int] | None = None,
) -> Array:  # fmt: skip
    """Convolve an array with a kernel: `correlate` with the kernel reversed along every axis, never conjugated.

    Parameters, result and errors as of `correlate`; `origin` moves the window the other way.

    Examples
    --------
    >>> from faltung import ndimage
    >>> ndimage.convolve([1, 0, 0, 0, 2], [1, 2, 3], mode="constant")
    array([2, 3, 0, 2, 4])
    """
    return correlate_array(input, weights, output, mode, cval, origin, axes, flips=True)


def correlate_array(
    input: object, weights: object, output: object, mode: str, cval: complex, origin: Any, axes: Any, *, flips: bool,
    accuracy: str = "default",
) -> Array:  # fmt: skip
    """`correlate`, or `convolve` if it `flips`; with `accuracy` "exact" the bits of a part are those of the whole, of floats as well."""
    x, taps = as_input(input), as_input(weights, "weights")
    is_complex = x.dtype.kind == "c" or taps.dtype.kind == "c"
    if is_complex:
        out = output_for(output, x, is_complex=True)
        taps = taps.conj() if taps.dtype.kind == "c" and not flips else taps

        def one(part: Array, w: Array, to: object, value: object) -> Array:
            return correlate_array(part, w, to, mode, value, origin, axes, flips=flips, accuracy=accuracy)  # type: ignore[arg-type]

        return _by_parts(one, x, taps, out, cval)
    before, shape = footprint_windows(x.shape, taps.shape, axes, origin, flips=flips)
    kernel = real_weights(taps)
    if flips:
        kernel = kernel[(slice(None, None, -1),) * kernel.ndim]
    kernel = np.ascontiguousarray(kernel).reshape(shape)
    out = output_for(output, x)
    refuse_dtype("input", x.dtype)
    refuse_complex(out)
    if not isinstance(mode, str) and isinstance(mode, Iterable):
        raise FilterError(f"mode={shown(mode)}: A sequence of modes is not supported.", "Give one mode for all axes.")
    footprint = Footprint(kernel, before, checked_mode(mode), real_value(cval))
    correlate_nd(stored(x), footprint, stored(out), accuracy)
    return finished(out)


def footprint_windows(
    cells: tuple[int, ...], taps: tuple[int, ...], axes: Any, origin: Any, *, flips: bool
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of a kernel of shape `taps` on an array of shape `cells`: along every axis, cells before the output's own, and all of the window."""
    is_plain = axes is None and type(origin) is int
    return _plain_windows(cells, taps, origin, flips) if is_plain else _windows(cells, taps, axes, origin, flips)


def _windows(cells: tuple[int, ...], taps: tuple[int, ...], axes: Any, origin: Any, flips: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    named = checked_axes(axes, len(cells))
    origins = for_each("origin", origin, len(named))
    if len(taps) != len(named) or 0 in taps:
        raise FilterError(
            f"weights.ndim ({len(taps)}) must match len(axes) ({len(named)}): weights has shape {taps}, input {cells}.",
            "Give a kernel with one axis for each that is filtered, and at least one tap along each.",
        )
    # As in SciPy: the kernel's axes lie along the named ones in ascending order, origins in the order that is named, unless all are.
    ascending = sorted(named)
    moves = dict(zip(named if len(named) < len(cells) else ascending, origins, strict=True))
    before, window = [0] * len(cells), [1] * len(cells)
    for axis, size in zip(ascending, taps, strict=True):
        moved = whole("origin", moves[axis])
        before[axis] = size // 2 + checked_origin(-moved - (1 - size % 2) if flips else moved, size, "weights.shape[k]")
        window[axis] = size
    return tuple(before), tuple(window)


@functools.lru_cache(maxsize=256)
def _plain_windows(cells: tuple[int, ...], taps: tuple[int, ...], origin: int, flips: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return _windows(cells, taps, None, origin, flips)


def real_weights(taps: Array) -> Array:
    """Weights in float64."""
    try:
        return np.require(taps, np.float64, ["C", "A"])
    except (TypeError, ValueError):
        raise ConvTypeError(f"weights of dtype {taps.dtype} are no numbers.", "Give an array of numbers.") from None


def real_value(cval: object) -> float:
    """`cval` as a number."""
    try:
        return float(cval)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ConvTypeError(f"cval={shown(cval)} is no real number.", "Use a number, 0.0 for instance.") from None


def filter_parts(x: Array, out: Array, cval: Any, passes: Callable[[float], Sequence[Pass]], *, is_new: bool = False) -> Array:
    """`out`, written from `x` by real passes, which are made for a value beyond the border; of complex arrays each part."""
    refuse_dtype("input", x.dtype)
    if x.dtype.kind != "c":
        refuse_complex(out)
        run_passes(stored(x), stored(out), passes(real_value(cval)), is_new=is_new and out.dtype.isnative)
        return finished(out)
    if out.dtype.kind != "c":
        raise FilterError(f"output has dtype {out.dtype}: output must have complex dtype.", "Use complex64 or complex128.")
    if not is_new and np.may_share_memory(x, out):
        x = x.copy()
    filter_parts(x.real, out.real, np.real(cval), passes)
    filter_parts(x.imag, out.imag, np.imag(cval), passes)
    return out


def refuse_complex(out: Array) -> None:
    """Raise where a complex array would take a real result, as SciPy does."""
    if out.dtype.kind == "c":
        raise FilterDtypeError(f"array type {out.dtype!r} not supported as output of real arrays.", f"Use {out.real.dtype.name!r}.")


def stored(array: Array) -> Array:
    """Bool by its bytes."""
    return array.view(np.uint8) if array.dtype.kind == "b" else array


def finished(out: Array) -> Array:
    """`out` with every true bool stored as 1: a sum of bools is cut off to a byte, as SciPy does, which may be another."""
    if out.dtype.kind == "b":
        np.not_equal(out.view(np.uint8), 0, out=out)
    return out


def _by_parts(one: Callable[[Array, Array, object, object], Array], x: Array, taps: Array, out: Array, cval: Any) -> Array:
    """A complex `out` from its parts, each filtered by `one`, which takes (input, weights, output, cval)."""
    if np.may_share_memory(x, out):
        x = x.copy()
    if x.dtype.kind != "c":
        if np.iscomplexobj(cval):
            raise ConvSpecError(f"cval={cval}: Cannot provide a complex-valued cval when the input is real.", "Use a real cval.")
        one(x, taps.real, out.real, cval)
        one(x, taps.imag, out.imag, cval)
        return out
    one(x.real, taps.real, out.real, np.real(cval))
    if taps.dtype.kind != "c":
        one(x.imag, taps, out.imag, np.imag(cval))
        return out
    out.real -= one(x.imag, taps.imag, None, np.imag(cval))
    one(x.real, taps.imag, out.imag, np.real(cval))
    out.imag += one(x.imag, taps.real, None, np.imag(cval))
    return out
