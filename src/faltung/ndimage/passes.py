"""Filters along one axis after the other: what is summed, in which type, and where intermediate results are stored.

A pass knows its axis, its window and what stands beyond the border. Between two passes an array is stored in the output's
dtype, as SciPy stores it. Every output is summed from its window alone, in one order, wherever it lies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from faltung.engine.arrays import Array
from faltung.engine.native import chosen_isa, filter_lines, get_num_threads
from faltung.ndimage.memory import as_read, new_result

__all__ = ["Pass", "run_passes", "sums_in_double"]

Dtype: TypeAlias = np.dtype[Any]

LEAST_ROW = 16
"""Rows of fewer cells are filtered as interleaved lines of one long row."""

MOST_COLUMNS = 16384
"""Cells of a row up to which two passes go through a band of rows together."""

EXACT_IN_FLOAT = 2**24


@dataclass(frozen=True)
class Pass:
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


def run_passes(x: Array, out: Array, passes: Sequence[Pass]) -> None:
    """`out` = `x` after all `passes`; both real, of one shape; they may overlap."""
    if out.size == 0:
        return
    if not passes:
        out[...] = x
        return
    steps = _steps(out.shape, passes)
    for number, step in enumerate(steps):
        is_last = number == len(steps) - 1
        writes_out = is_last and out.dtype.isnative and out.flags.aligned and not np.may_share_memory(x, out)
        to = out if writes_out else new_result(out.shape, out.dtype.newbyteorder("="))
        _run(as_read(x), to, step)
        x = to
    if x is not out:
        out[...] = x


def _steps(shape: tuple[int, ...], passes: Sequence[Pass]) -> list[list[Pass]]:
    """Passes that one native call takes: across rows and then along them, where rows are short enough."""
    steps: list[list[Pass]] = []
    for one in passes:
        last = steps[-1] if steps else []
        inner = math.prod(shape[one.axis + 1 :])
        if len(last) == 1 and last[0].axis == one.axis - 1 and inner < LEAST_ROW and inner * shape[one.axis] <= MOST_COLUMNS:
            last.append(one)
        else:
            steps.append([one])
    return steps


def _run(x: Array, out: Array, step: list[Pass]) -> None:
    shape, first, last = x.shape, step[0], step[-1]
    inner = math.prod(shape[first.axis + 1 :])
    outer = math.prod(shape[: first.axis])
    across: Pass | None = first
    along: Pass | None = last if len(step) == 2 else None
    lines = outer, shape[first.axis], inner
    if along is None and inner < LEAST_ROW:
        across, along = None, first
        lines = 1, outer, shape[first.axis] * inner
    interleaved = math.prod(shape[last.axis + 1 :]) if along is not None else 1
    is_double = any(sums_in_double(read, out.dtype, one) for read, one in zip((x.dtype, out.dtype), step, strict=False))
    y = out.reshape(lines)
    is_view = np.may_share_memory(y, out)
    if not is_view:
        y = new_result(lines, out.dtype)
    down = None if across is None else across.arguments
    over = None if along is None else along.arguments
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
    if step.weights is None:
        return step.size * largest > EXACT_IN_FLOAT
    return bool(np.any(step.weights != np.rint(step.weights)) or np.sum(np.abs(step.weights)) * largest > EXACT_IN_FLOAT)


def _is_short(dtype: Dtype) -> bool:
    """Whether float32 holds all its numbers."""
    return dtype.kind in "iu" and dtype.itemsize <= 2
