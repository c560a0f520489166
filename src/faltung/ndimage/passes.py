"""Filters along one axis after the other: what is summed, in which order, and where intermediate results are stored.

A pass knows its axis, its window and what stands beyond the border. Between two passes an array is stored in the output's
dtype, as SciPy stores it. Every output is summed from its window alone, in one order, wherever it lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.engine.arrays import Array

__all__ = ["Pass", "run_passes"]

EPSILON = float(np.finfo(np.float64).eps)


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
        What stands beyond the border in mode "constant".
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


def run_passes(x: Array, out: Array, passes: Sequence[Pass]) -> None:
    """`out` = `x` after all `passes`; both real, of one shape; they may overlap."""
    if out.size == 0:
        return
    for step in passes:
        x = _pass(x, step, out.dtype)
    out[...] = x


def _pass(x: Array, step: Pass, dtype: np.dtype[Any]) -> Array:
    line = np.moveaxis(x, step.axis, 0).astype(np.float64)
    n, size, before = line.shape[0], step.size, step.before
    at = np.arange(-before, n + size - 1 - before)
    line = np.concatenate([line, np.full((1, *line.shape[1:]), step.cval)])[_cells(at, n, step.mode)]
    part = [line[k : k + n] for k in range(size)]
    total = np.sum(part, axis=0) / size if step.weights is None else _weighted(part, step.weights)
    with np.errstate(invalid="ignore"):
        return np.moveaxis(total.astype(dtype), 0, step.axis)


def _weighted(part: list[Array], w: NDArray[np.float64]) -> Array:
    half = len(w) // 2
    sign = 0
    if len(w) % 2:
        sign = 1 if np.all(abs(w - w[::-1]) <= EPSILON) else -1 if np.all(abs(w + w[::-1])[:half] <= EPSILON) else 0
    if sign:
        total: Array = part[half] * w[half]
        for d in range(half, 0, -1):
            total = total + (part[half - d] + sign * part[half + d]) * w[half - d]
        return total
    total = part[-1] * w[-1]
    for k in range(len(w) - 1):
        total = total + part[k] * w[k]
    return total


def _cells(at: Array, n: int, mode: str) -> Array:
    cells: Array
    if mode == "constant":
        cells = np.where((at >= 0) & (at < n), at, n)
    elif mode == "nearest":
        cells = np.clip(at, 0, n - 1)
    elif mode == "wrap":
        cells = at % n
    else:
        period = 2 * n if mode == "reflect" else max(2 * n - 2, 1)
        rest = at % period
        cells = np.where(rest < n, rest, 2 * n - 1 - rest if mode == "reflect" else period - rest)
    return cells
