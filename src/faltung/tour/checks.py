"""Claims put to the test: every check compares two computations and can come out either way.

The expected side is the definition (`faltung.reference`), a number known beforehand, or the other side of
an equation. Integers must agree exactly; floating point must stay inside the plan's stated bound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

import faltung as fl
from faltung import reference
from faltung.spec import ConvSpec
from faltung.tour.blocks import Check
from faltung.tour.numbers import number

__all__ = ["CROP", "against_definition", "differ", "equal", "error_allowed", "largest_sum", "within"]

CROP = 48
"""Side of the square on which the definition is evaluated: it is slow, some 10 µs a product."""

Array = NDArray[np.generic]


def largest_difference(actual: Array, expected: Array) -> float:
    """Largest absolute difference; infinite where the shapes differ, NaN where either side is."""
    if actual.shape != expected.shape:
        return float("inf")
    if actual.size == 0:
        return 0.0
    if actual.dtype.kind in "biu" and expected.dtype.kind in "biu":
        return float(np.abs(actual.astype(np.int64) - expected.astype(np.int64)).max())
    with np.errstate(invalid="ignore"):  # infinity against infinity is no agreement: NaN
        return float(np.abs(np.asarray(actual, np.longdouble) - np.asarray(expected, np.longdouble)).max())


def equal(name: str, actual: ArrayLike, expected: ArrayLike, compared: str = "") -> Check:
    """Passes where both have one shape and the same values, to the last bit.

    >>> equal("sum", 1 + 1, 2).passed, equal("shape", [1, 1], [1]).passed
    (True, False)
    """
    one, other = np.asarray(actual), np.asarray(expected)
    difference = largest_difference(one, other)
    return Check(name, difference == 0, compared or _count(one), difference, "equal")


def differ(name: str, one: ArrayLike, other: ArrayLike, compared: str = "") -> Check:
    """Passes where the two differ: a counterexample, found.

    >>> differ("order matters", [1, 2], [2, 1]).passed
    True
    """
    first, second = np.asarray(one), np.asarray(other)
    difference = largest_difference(first, second)
    return Check(name, difference > 0, compared or _count(first), difference, "must differ")


def within(name: str, actual: ArrayLike, expected: ArrayLike, allowed: float, compared: str = "") -> Check:
    """Passes where no difference exceeds `allowed`.

    >>> within("third", np.float32(1 / 3), 1 / 3, 1e-7).passed
    True
    """
    one, other = np.asarray(actual), np.asarray(expected)
    difference = largest_difference(one, other)
    return Check(name, difference <= allowed, compared or _count(one), difference, f"at most {number(allowed)}")


def largest_sum(spec: ConvSpec, weight: Array, largest_input: float) -> float:
    """The most that sum(|input| * |weight|) can be in any output: the largest input times an output channel's absolute weights."""
    sizes = np.abs(weight.astype(np.float64))
    channel_axis = 1 if spec.transposed else 0
    return float(sizes.sum(axis=tuple(axis for axis in range(sizes.ndim) if axis != channel_axis)).max()) * largest_input


def error_allowed(spec: ConvSpec, x: Array, weight: Array) -> float:
    """The plan's error bound with these numbers put in; 0 where integers are summed exactly."""
    shape = x.shape if x.ndim == spec.ndim + 2 else (1, *x.shape)
    bound = fl.plan(spec, shape, np.result_type(x, weight).name).error_bound
    return bound * largest_sum(spec, weight, float(np.abs(x.astype(np.float64)).max()))


def against_definition(
    spec: ConvSpec,
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    drawn: Array | None = None,
    crop: int | None = None,
    name: str = "",
) -> Check:
    """Compare the engine with the definition on the photograph's top left square, its four borders included.

    Parameters
    ----------
    x : array (C, H, W)
    weight, bias : array
    drawn : array (O, H', W'), optional
        The result for the whole of `x`, as the page shows it: its top left part is compared too, as far as
        the cut does not reach.
    crop : int, optional
        Side of the square, `CROP` where it is not given.
    """
    crop = CROP if crop is None else crop
    if isinstance(spec.padding, str) and not spec.transposed:  # a rule may pad the square otherwise than the whole
        spec = ConvSpec(**{**spec.to_dict(), "padding": spec.sides(x.shape[1:])})
    square = x[:, :crop, :crop]
    expected = reference.conv(spec, square[None], weight, bias)[0]
    actual = fl.conv(spec, square, weight, bias)
    difference = largest_difference(actual, expected)
    count = expected.size
    allowed = 0.0 if expected.dtype.kind in "biu" else error_allowed(spec, square, weight)
    where = f"{square.shape[1]} × {square.shape[2]} pixels with their borders"
    if drawn is not None:
        corner = _corner(spec, x, square, expected)
        difference = float(np.maximum(difference, largest_difference(drawn[corner], expected[corner])))  # NaN stays NaN
        count += expected[corner].size
        where += ", and that corner of the picture"
        if allowed:
            allowed = max(allowed, error_allowed(spec, x, weight))
    rule = f"at most {number(allowed)}" if allowed else "equal"
    return Check(name or "the engine agrees with the definition", difference <= allowed, f"{count:,} values: {where}", difference, rule)


def _corner(spec: ConvSpec, x: Array, square: Array, expected: Array) -> tuple[slice, ...]:
    """The outputs of the square that are the same for the whole: those that see nothing of the cut."""
    slices = [slice(None)]
    for axis, sides in zip(spec.axes, spec.sides(square.shape[1:]), strict=True):
        outputs = expected.shape[1 + axis.index]
        if x.shape[1 + axis.index] == square.shape[1 + axis.index]:
            slices.append(slice(None))
            continue
        first = max(sides[0], 0) if spec.padding_mode == "circular" else 0
        cut = axis.extent if spec.transposed else max(sides[1], 0)
        slices.append(slice(first, max(outputs - cut, first)))
    return tuple(slices)


def _count(array: Array) -> str:
    return f"{array.size:,} value{'s' if array.size != 1 else ''}"
