"""Arguments as SciPy's filters take them: arrays, outputs, axes, modes, origins, one value for all axes or one each."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from faltung.engine.arrays import Array, as_array
from faltung.errors import ConvSpecError, ConvTypeError, shown
from faltung.ndimage.errors import FilterAxisError, FilterDtypeError, FilterError, FilterShapeError
from faltung.ndimage.memory import new_result

__all__ = [
    "MODES", "as_input", "checked_axes", "checked_axis", "checked_mode", "checked_origin", "for_each", "output_for", "refuse_dtype",
    "whole",
]  # fmt: skip

MODES = {
    "reflect": "symmetric", "grid-mirror": "symmetric", "mirror": "reflect", "nearest": "replicate", "wrap": "circular",
    "grid-wrap": "circular", "constant": "zeros", "grid-constant": "zeros",
}  # fmt: skip
"""What stands beyond the border, SciPy's names and the package's (`faltung.borders`): the first cell repeated once more
(``d c b a | a b c d | d c b a``), not repeated (``d c b | a b c d | c b a``), the last cell for ever, the other side, and one value."""


def as_input(value: object, name: str = "input") -> Array:
    """`value` as an array of numbers."""
    return as_array(name, value)


def refuse_dtype(name: str, dtype: np.dtype[Any]) -> None:
    """Raise where arrays of `dtype` are not filtered: SciPy has no half precision, and nothing beyond 64 bits."""
    if dtype.kind in "bui" or (dtype.kind == "f" and dtype.itemsize in (4, 8)) or (dtype.kind == "c" and dtype.itemsize in (8, 16)):
        return
    raise FilterDtypeError(
        f"{name}: array type {dtype!r} not supported.",
        "Served: bool, integers, float32, float64, complex64, complex128; convert with astype.",
    )


def output_for(output: object, x: Array, *, is_complex: bool = False, stacklevel: int = 4) -> Array:
    """The array to write, of the shape of `x`: `output` itself, or a new one of the dtype that it names, else of that of `x`."""
    if output is None:
        refuse_dtype("input", x.dtype)
        dtype = np.promote_types(x.dtype, np.complex64) if is_complex else x.dtype if x.dtype.isnative else x.dtype.newbyteorder("=")
        return new_result(x.shape, dtype)
    if isinstance(output, type | np.dtype):
        dtype = np.dtype(output)
        if is_complex and dtype.kind != "c":
            warnings.warn("promoting specified output dtype to complex", stacklevel=stacklevel)
            dtype = np.promote_types(dtype, np.complex64)
    elif isinstance(output, str):
        try:
            dtype = np.dtype(output)
        except TypeError:
            raise ConvTypeError(f"output={output!r} names no dtype.", "Give a dtype, its name, or an array.") from None
        if is_complex and dtype.kind != "c":
            raise FilterDtypeError(f"output={output!r}: output must have complex dtype.", "Use 'complex64' or 'complex128'.")
        if not issubclass(dtype.type, np.number):
            raise FilterDtypeError(f"output={output!r}: output must have numeric dtype.", "Use 'float64', for instance.")
    else:
        return _given(output, x, is_complex=is_complex)
    refuse_dtype("output", dtype)
    return new_result(x.shape, dtype)


def _given(output: object, x: Array, *, is_complex: bool) -> Array:
    array = np.asarray(output)
    if array.shape != x.shape:
        raise FilterShapeError(
            f"output shape not correct: {array.shape}, input has {x.shape}.", f"Use np.empty({x.shape}, {x.dtype.name!r})."
        )
    if is_complex and array.dtype.kind != "c":
        raise FilterDtypeError(f"output has dtype {array.dtype}: output must have complex dtype.", "Use complex64 or complex128.")
    refuse_dtype("output", array.dtype)
    if not array.flags.writeable:
        raise ConvTypeError("output is read-only.", "Give a writable array.")
    return array


def whole(name: str, value: object) -> int:
    """`value`, if it is a whole number."""
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        kind = type(value).__name__
        raise ConvTypeError(f"{name}={shown(value)}: {kind!r} object cannot be interpreted as an integer.", "Use a whole number.") from None


def checked_axis(axis: object, axes: int) -> int:
    """`axis` counted from the front."""
    number = whole("axis", axis)
    if not -axes <= number < axes:
        raise FilterAxisError(f"axis={number} is out of bounds for input of {axes} axes.", _known_axes(axes))
    return number % axes


def _known_axes(ndim: int) -> str:
    return f"Use {-ndim} to {ndim - 1}." if ndim else "A single number has no axis: filter arrays."


def checked_axes(axes: object, ndim: int) -> tuple[int, ...]:
    """The axes to filter along, counted from the front; None: all of them."""
    if axes is None:
        return tuple(range(ndim))
    if not isinstance(axes, Iterable):
        if not np.isscalar(axes):
            raise ConvSpecError(f"axes={shown(axes)}: axes must be an integer, iterable of integers, or None.", "Use axes=(0, 1).")
        axes = (axes,)
    numbers = tuple(whole("axes", axis) for axis in axes)
    for axis in numbers:
        if not -ndim <= axis < ndim:
            raise FilterAxisError(f"specified axis: {axis} is out of range, input has {ndim} axes.", _known_axes(ndim))
    front = tuple(axis % ndim for axis in numbers)
    if len(set(front)) != len(front):
        raise ConvSpecError(f"axes={numbers}: axes must be unique.", "Name each axis once.")
    return front


def for_each(name: str, value: Any, count: int) -> list[Any]:
    """One value for each of `count` axes: those of a sequence, or the same for all."""
    if isinstance(value, str) or not np.iterable(value):
        return [value] * count
    values = list(value)
    if len(values) != count:
        raise FilterError(
            f"{name} has {len(values)} entries for {count} axes: sequence argument must have length equal to input rank.",
            f"Give {count}, or one value for all axes.",
        )
    return values


def checked_mode(mode: object) -> str:
    """The mode by the name that kernels know."""
    if isinstance(mode, str) and mode in MODES:
        return MODES[mode]
    raise FilterError(f"mode={shown(mode)}: boundary mode not supported.", f"Known: {', '.join(map(repr, MODES))}.")


def checked_origin(origin: object, size: int, name: str = "len(weights)") -> int:
    """`origin`, if a window of `size` cells moved by it still has its output's cell inside."""
    number = whole("origin", origin)
    if not -(size // 2) <= number <= (size - 1) // 2:
        raise ConvSpecError(
            f"Invalid origin; origin must satisfy -({name} // 2) <= origin <= ({name}-1) // 2: {number} with {name} = {size}.",
            f"Use {-(size // 2)} to {(size - 1) // 2}.",
        )
    return number
