"""What the functions of `faltung.signal` accept: modes, boundaries, shapes that fit together; and what is said of those that do not.

Messages begin as SciPy's do, so that whoever looks for these words finds them, and name the numbers and a remedy as all of Faltung's do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from faltung.engine.arrays import Array
from faltung.errors import ConvShapeError, ConvSpecError, ConvTypeError, shown

__all__ = ["checked_boundary", "checked_method", "checked_mode", "checked_ranks", "fill_cell", "is_swapped", "numbers"]

_MODES = ("full", "valid", "same")
_METHODS = ("auto", "direct", "fft")
_BOUNDARIES = {
    "fill": "zeros", "pad": "zeros", "wrap": "circular", "circular": "circular", "symm": "symmetric", "symmetric": "symmetric",
}  # fmt: skip


def _known(value: object, choices: Iterable[str], expected: str) -> str:
    if isinstance(value, str) and value in choices:
        return value
    remedy = f"Did you mean {value.lower()!r}?" if isinstance(value, str) and value.lower() in choices else "Give one of these."
    kind = ConvSpecError if isinstance(value, str) else ConvTypeError
    raise kind(f"{expected}, not {shown(value)}.", remedy)


def checked_mode(mode: object, *, capital: bool = True) -> str:
    """`mode` if it is one."""
    return _known(mode, _MODES, f"{'A' if capital else 'a'}cceptable mode flags are 'valid', 'same', or 'full'")


def checked_method(method: object) -> str:
    """`method` if it is one."""
    return _known(method, _METHODS, "Acceptable method flags are 'auto', 'direct', or 'fft'")


def checked_boundary(boundary: object) -> str:
    """The padding mode of the engine that a boundary of `convolve2d` means."""
    expected = "Acceptable boundary flags are 'fill', 'circular' (or 'wrap'), and 'symmetric' (or 'symm')"
    return _BOUNDARIES[_known(boundary, _BOUNDARIES, expected)]


def numbers(name: str, value: object) -> Array:
    """`value` as a plain array, as SciPy takes it: the mask of a masked array and the class of a matrix are lost."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConvTypeError(
            f"{name} of type {type(value).__name__} cannot be read as an array: {str(error) or type(error).__name__}",
            "Give numbers in an array, or in lists of equal lengths.",
        ) from None


def checked_ranks(first: Array, second: Array, names: tuple[str, str] = ("in1", "in2")) -> None:
    """Raise unless both have as many axes."""
    if first.ndim != second.ndim:
        raise ConvShapeError(
            f"{names[0]} and {names[1]} should have the same dimensionality: shapes {first.shape} and {second.shape} have "
            f"{first.ndim} and {second.ndim} axes.",
            "Add axes of size 1 to the smaller one: array[None].",
        )


def is_swapped(mode: str, first: tuple[int, ...], second: tuple[int, ...], axes: Iterable[int] | None = None) -> bool:
    """Whether the second is the larger one in mode "valid", where either may be; one has to be, along all axes."""
    if mode != "valid" or not first:
        return False
    axes = range(len(first)) if axes is None else list(axes)
    if all(first[axis] >= second[axis] for axis in axes):
        return False
    if all(second[axis] >= first[axis] for axis in axes):
        return True
    raise ConvShapeError(
        f"For 'valid' mode, one must be at least as large as the other in every dimension: neither is, of shapes {first} and {second}.",
        "Use mode='same' or 'full', or crop one of them.",
    )


def fill_cell(fillvalue: object, dtype: np.dtype[Any]) -> Array:
    """`fillvalue` as one number of the result's dtype."""
    value = np.asarray(fillvalue)
    if value.size != 1:
        raise ConvShapeError(
            f"`fillvalue` must be scalar or an array with one element, it has shape {value.shape}.", "Give one number, as fillvalue=0."
        )
    try:
        number = complex(value.reshape(()).item())
    except (TypeError, ValueError):
        raise _uncastable(fillvalue, dtype) from None
    if dtype.kind != "c":
        if number.imag != 0:
            raise _uncastable(fillvalue, dtype)
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            if not math.isfinite(number.real) or not limits.min <= int(number.real) <= limits.max:
                raise _uncastable(fillvalue, dtype)
            return np.array(int(number.real), dtype)
        return np.array(number.real).astype(dtype)
    return np.array(number).astype(dtype)


def _uncastable(fillvalue: object, dtype: np.dtype[Any]) -> ConvTypeError:
    return ConvTypeError(
        f"could not cast `fillvalue` directly to the output type (it was first converted to complex): {shown(fillvalue)} is no {dtype}.",
        "Give a number that the result's dtype can hold, or convert the arrays with astype first.",
    )
