"""Filters along one axis after the other: what is summed, in which type, and where intermediate results are stored.

A pass knows its axis, its window and what stands beyond the border. Between two passes an array is stored in the output's
dtype, as SciPy stores it. Every output is summed from its window alone, in one order, wherever it lies.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung.engine.arrays import Array
from faltung.engine.native import chosen_isa, filter_lines, get_num_threads
from faltung.errors import ConvSpecError
from faltung.ndimage.memory import as_read, new_result

__all__ = ["Pass", "refuse_taps", "run_passes", "sums_in_double", "with_cval"]

Dtype: TypeAlias = np.dtype[Any]

LEAST_ROW = 16
"""Rows of fewer cells are filtered as interleaved lines of one long row."""

MOST_COLUMNS = 16384
"""Cells of a row up to which two passes go through a band of rows together."""

MOST_TAPS = 2**40
"""The compiled module refuses more."""

EXACT_IN_FLOAT = 2**24


class Pass(NamedTuple):
    """One filter along one axis: ``y[i] = sum over k of weights[k] * x[i - before + k]``, or the mean of `size` cells.

    Attributes
    ----------
    axis : int
    before : int
        Cells of the window before the output's own.
    mode : str
        A value of `arguments.MODES`.
    cval : float
        What stands beyond the border in mode "zeros".
    weights : array of float64, or None
        None is a mean.
    size : int
        Cells of the window.
    """

    axis: int
    before: int
    mode: str
    cval: float
    weights: NDArray[np.float64] | None
    size: int

    @property
    def arguments(self) -> tuple[NDArray[np.float64] | None, int, int, str, float]:
        """As the compiled module takes it."""
        return self.weights, self.size, self.before, self.mode, self.cval


def with_cval(passes: Sequence[Pass], value: float) -> Sequence[Pass]:
    """`passes` made for 0 beyond the border, with `value` there."""
    return passes if value == 0 else [one._replace(cval=value) for one in passes]


def run_passes(x: Array, out: Array, passes: Sequence[Pass], *, is_new: bool = False) -> None:
    """`out` = `x` after all `passes`; both real, of one shape; they may overlap, unless `out` is new."""
    if out.size == 0:
        return
    if not passes:
        out[...] = x
        return
    can_write = is_new or (out.dtype.isnative and out.flags.aligned and not np.may_share_memory(x, out))
    steps = [passes] if len(passes) == 1 else _steps(out.shape, passes)
    for step in steps:
        to = out if can_write and step is steps[-1] else new_result(out.shape, out.dtype.newbyteorder("="))
        _run(as_read(x), to, step)
        x = to
    if x is not out:
        out[...] = x


def _steps(shape: tuple[int, ...], passes: Sequence[Pass]) -> list[Sequence[Pass]]:
    """Passes that one native call takes: across rows and then along them, where rows are short enough."""
    steps: list[list[Pass]] = []
    for one in passes:
        last = steps[-1] if steps else []
        inner = math.prod(shape[one.axis + 1 :])
        if len(last) == 1 and last[0].axis == one.axis - 1 and inner < LEAST_ROW and inner * shape[one.axis] <= MOST_COLUMNS:
            last.append(one)
        else:
            steps.append([one])
    return [*steps]


class _Layout(NamedTuple):
    """An array as slices of rows; whether one pass goes along them, and how many lines a row interleaves."""

    lines: tuple[int, int, int]
    goes_along: bool
    interleaved: int


@functools.lru_cache(maxsize=256)
def _layout(shape: tuple[int, ...], axis: int, passes: int) -> _Layout:
    """Of one pass along `axis`, or of two, along it and the next."""
    outer, n, inner = math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])
    if passes == 2:
        return _Layout((outer, n, inner), True, math.prod(shape[axis + 2 :]))
    if inner < LEAST_ROW:
        return _Layout((1, outer, n * inner), True, inner)
    return _Layout((outer, n, inner), False, 1)


def refuse_taps(count: int) -> None:
    """Refuse more taps along an axis than the kernels count.

    Raises
    ------
    ConvSpecError
    """
    if count > MOST_TAPS:
        raise ConvSpecError(f"a filter of {count} taps along an axis has more than {MOST_TAPS} = 2**40.", "Use a smaller one.")


def _run(x: Array, out: Array, step: Sequence[Pass]) -> None:
    first, last = step[0], step[-1]
    lines, goes_along, interleaved = _layout(x.shape, first.axis, len(step))
    is_double = sums_in_double(x.dtype, out.dtype, first) or (len(step) == 2 and sums_in_double(out.dtype, out.dtype, last))
    y = out.reshape(lines)
    is_view = out.flags.c_contiguous or np.may_share_memory(y, out)
    if not is_view:
        y = new_result(lines, out.dtype)
    down = first.arguments if len(step) == 2 or not goes_along else None
    over = last.arguments if goes_along else None
    filter_lines(x.reshape(lines), y, chosen_isa(), get_num_threads(), down, over, interleaved, is_double)
    if not is_view:
        out[...] = y.reshape(out.shape)


def sums_in_double(read: Dtype, stored: Dtype, step: Pass) -> bool:
    """Whether cells of `read` are summed in float64 for results of `stored`: where float32 would not be exact, or is not asked for."""
    if read != np.float32 and not _is_short(read):
        return True
    if stored == np.float32:
        return False
    if not _is_short(stored) or not _is_short(read):
        return True
    largest = 256 if read.itemsize == 1 else 65536
    if step.mode == "zeros" and not (abs(step.cval) <= largest and step.cval == int(step.cval)):
        return True
    if step.weights is None:
        return step.size * largest > EXACT_IN_FLOAT
    weights = step.weights.tolist()
    is_exact = sum(map(abs, weights)) * largest <= EXACT_IN_FLOAT and all(weight == int(weight) for weight in weights)  # no NaN is
    return not is_exact


def _is_short(dtype: Dtype) -> bool:
    """Whether float32 holds all its numbers."""
    return dtype.kind in "iu" and dtype.itemsize <= 2
