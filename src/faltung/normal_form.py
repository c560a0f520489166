"""One argument at a time into its normal form, or the error that says why not.

Every per-axis argument becomes a tuple of ints, padding a tuple of pairs or a rule. Owns what counts as an
int, a flag, a sequence; rules that connect arguments are `ConvSpec`'s.
"""

from __future__ import annotations

import operator
from typing import Any

from faltung.errors import ConvShapeError, ConvSpecError, one_of, shown
from faltung.geometry import MAX_EXTENT, PADDING_RULES

__all__ = ["Sides", "check_extent", "entries", "flag", "integer", "number_of_axes", "padding", "per_axis", "sizes"]

Sides = tuple[tuple[int, int], ...]

MAX_NDIM = 62
"""NumPy arrays have at most 64 axes, two of them are batch and channels."""


def entries(value: object) -> tuple[Any, ...] | None:
    """The entries of a list, tuple or array; None of a single number, a text or what has no order or no end."""
    if isinstance(value, str | bytes | dict | set | frozenset) or not hasattr(value, "__len__"):
        return None
    try:
        return tuple(value)  # type: ignore[arg-type]
    except TypeError:
        return None


def axes_count(count: int) -> str:
    """``1 axis``, ``2 axes`` and so on."""
    return "1 axis" if count == 1 else f"{count} axes"


def integer(name: str, value: object, *, least: int | None = None, error: type[ConvShapeError | ConvSpecError] = ConvSpecError) -> int:
    """`value` as an int of at most 64 bits, at least `least`."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise error(f"{name}={shown(value)} is of type {type(value).__name__}, an int is needed.", "Write a whole number.")
    try:
        number = operator.index(value)
    except TypeError:  # an array of several numbers, or of floats
        raise error(f"{name}={shown(value)} is no single whole number.", "Write a whole number.") from None
    if least is not None and number < least:
        raise error(f"{name}={shown(number)} is below {least}.", f"Use {least} or more.")
    if abs(number) >= 2**63:
        raise error(f"{name} has {number.bit_length()} bits, more than 64-bit arithmetic holds.", "Use a smaller number.")
    return number


def flag(name: str, value: object) -> bool:
    """`value` as a bool."""
    if (isinstance(value, int) or type(value).__name__ == "bool") and value in (0, 1):  # NumPy's bool too
        return bool(value)
    raise ConvSpecError(f"{name}={shown(value)} is of type {type(value).__name__}, True or False is needed.", "Write True or False.")


def number_of_axes(kernel_size: object, ndim: int | None) -> int:
    """How many spatial axes `kernel_size` and `ndim` together mean."""
    if ndim is not None:
        ndim = integer("ndim", ndim, least=1)
    given = entries(kernel_size)
    count = ndim or 0 if given is None else len(given)
    if count > MAX_NDIM:
        raise ConvSpecError(f"a kernel of {count} axes is more than {MAX_NDIM}.", "NumPy arrays have 64 axes, batch and channels included.")
    if given is not None:
        if not given:
            raise ConvSpecError("kernel_size=() has no axes.", "Give one entry per axis, at least one.")
        if ndim not in (None, len(given)):
            raise ConvSpecError(
                f"kernel_size={shown(given)} has {len(given)} entries, the convolution has {axes_count(ndim or 0)}.",
                f"Give {ndim} entries, or leave ndim out.",
            )
        return len(given)
    if ndim is None:
        raise ConvSpecError(
            f"kernel_size={shown(kernel_size)} does not tell the number of axes.",
            f"For two axes write kernel_size=({shown(kernel_size)}, {shown(kernel_size)}), or add ndim=2."
            if isinstance(kernel_size, int)
            else "Give one entry per axis, such as (3, 3), or an int and ndim=2.",
        )
    return ndim


def check_extent(axis: int, arithmetic: str, value: int) -> None:
    """Raise `ConvSpecError` if `value`, which `arithmetic` spells, is too large for 64-bit positions."""
    if value > MAX_EXTENT:
        raise ConvSpecError(
            f"extent along axis {axis} is too large: {arithmetic} = {value}, more than {MAX_EXTENT} = 2**62 - 1.",
            "Positions must fit in 64-bit integers: use a smaller kernel, dilation or padding.",
        )


def per_axis(name: str, value: object, ndim: int, *, least: int) -> tuple[int, ...]:
    """One int for each axis, from an int or a sequence."""
    given = entries(value)
    if given is None:
        return (integer(name, value, least=least),) * ndim
    if len(given) != ndim:
        raise ConvSpecError(
            f"{name}={shown(given)} has {len(given)} entries, the kernel has {axes_count(ndim)}.",
            f"Give one int, or {ndim} in a tuple.",
        )
    return tuple(integer(f"{name}[{axis}]", entry, least=least) for axis, entry in enumerate(given))


def padding(value: object, ndim: int) -> Sides | str:
    """A (before, after) pair for each axis, from an int, ints or pairs; or a padding rule."""
    if isinstance(value, str):
        return one_of("padding", value, PADDING_RULES, ConvSpecError)
    given = entries(value)
    if given is None:
        both = integer("padding", value)
        return ((both, both),) * ndim
    if len(given) != ndim:
        if ndim == 1 and len(given) == 2:
            remedy = f"For one axis with unlike sides write padding=({shown(given)},)."
        elif ndim == 1:
            remedy = "Give one int, or a pair in a tuple: ((before, after),)."
        else:
            remedy = f"Give one int, or a tuple of {ndim} ints, or of {ndim} pairs (before, after)."
        raise ConvSpecError(f"padding={shown(given)} has {len(given)} entries, the kernel has {axes_count(ndim)}.", remedy)
    sides = []
    for axis, entry in enumerate(given):
        pair = entries(entry)
        if pair is None:
            pair = (entry, entry)
        if len(pair) != 2:
            raise ConvSpecError(f"padding[{axis}]={shown(pair)} has {len(pair)} entries.", "A side pair is (before, after).")
        sides.append((integer(f"padding[{axis}]", pair[0]), integer(f"padding[{axis}]", pair[1])))
    return tuple(sides)


def sizes(name: str, size: object, ndim: int) -> tuple[int, ...]:
    """`size` as one int per axis, between 0 and 2**62 - 1; an int counts for every axis."""
    given = entries(size)
    if given is None:
        given = (size,) * ndim
    if len(given) != ndim:
        raise ConvShapeError(
            f"{name}={shown(given)} has {len(given)} entries, the kernel has {axes_count(ndim)}.",
            "It is spatial only: leave batch and channels out.",
        )
    checked = tuple(integer(f"{name}[{axis}]", entry, error=ConvShapeError) for axis, entry in enumerate(given))
    for axis, entry in enumerate(checked):
        if not 0 <= entry <= MAX_EXTENT:
            fault = "negative" if entry < 0 else f"more than {MAX_EXTENT} = 2**62 - 1"
            raise ConvShapeError(f"{name}={entry} along axis {axis} is {fault}.", "Give the number of cells, 0 or more.")
    return checked
