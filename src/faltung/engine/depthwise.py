"""When one input channel a group is read row by row, and what that costs: ``depthwise`` in the catalog.

Owns the estimate for the kernels in ``native/kernels/depthwise``; their order of summation is fixed by the problem, so they count as
direct.
"""

from __future__ import annotations

import math

import numpy as np

from faltung.engine.native import Correlation, chosen_isa
from faltung.engine.panels import panel_refusal
from faltung.engine.problem import Problem
from faltung.engine.processor import product_cycles

__all__ = ["AxisProducts", "cycles", "refusal"]

MANY_TAPS = 64
"""Beyond so many along an axis they are counted by NumPy."""


def refusal(problem: Problem, dtype: str) -> str | None:
    """Why the kernels do not serve `problem`, or None if they do."""
    if problem.in_channels != 1:
        return f"it has {problem.in_channels} input channels a group, this takes one"
    return panel_refusal(Correlation, "depthwise", problem, dtype)


# Cycles as measured on one Zen 4 core with AVX-512; only their ratios matter.


def cycles(problem: Problem, lanes: int) -> float:
    """Estimated for one sample on one core."""
    *rows, columns = problem.out_size
    vectors = float(math.ceil(columns / lanes))
    if lanes >= 16 and 0 < columns % lanes <= lanes // 2 and problem.groups * problem.out_channels > 1:
        vectors -= 0.5  # two channels share a vector
    sums = problem.groups * problem.out_channels * math.prod(rows) * vectors
    met = math.prod(AxisProducts(problem, axis).products for axis in range(len(rows))) / max(1, math.prod(rows))
    return 400 + sums * max(1.13 * product_cycles(two=0.62) * met * problem.kernel_size[-1] + 5, 9) + _reading_cycles(problem, lanes)


class AxisProducts:
    """One axis of a problem: its cells that are stored, and the products that are computed along it."""

    def __init__(self, problem: Problem, axis: int) -> None:
        self.out, self.kernel = problem.out_size[axis], problem.kernel_size[axis]
        self.stride, self.dilation = problem.stride[axis], problem.dilation[axis]
        self.is_clipped = problem.mode in ("zeros", "absent")
        span = (self.out - 1) * self.stride + (self.kernel - 1) * self.dilation + 1
        self.cells, self.before = (problem.in_size[axis], problem.before[axis]) if self.is_clipped else (span, 0)
        if self.kernel <= MANY_TAPS:
            self.products = sum(self._outputs_of(tap) for tap in range(self.kernel))
            return
        shifts = np.arange(self.kernel) * self.dilation - self.before
        first, last = np.maximum(0, -(shifts // self.stride)), np.minimum(self.out - 1, (self.cells - 1 - shifts) // self.stride)
        self.products = int(np.maximum(0, last - first + 1).sum())

    def _outputs_of(self, tap: int) -> int:
        """How many outputs a tap takes part in."""
        shift = tap * self.dilation - self.before
        first = max(0, -(shift // self.stride))
        last = min(self.out - 1, (self.cells - 1 - shift) // self.stride)
        return max(0, last - first + 1)


def _reading_cycles(problem: Problem, lanes: int) -> float:
    """Of the input: where it lies, or by way of rows with their padding in place."""
    rows = problem.groups * math.prod(problem.in_size[:-1])
    vectors = rows * math.ceil(problem.in_size[-1] / lanes)
    stride = problem.stride[-1]
    is_in_place = problem.mode in ("zeros", "absent") and chosen_isa() == "avx512"
    if is_in_place and stride == 1:
        return 60.0 * problem.groups
    if is_in_place and stride == 2 and problem.dilation[-1] == 1:
        return 60.0 * problem.groups + 6.0 * vectors
    copied = 8.0 * vectors if stride <= 2 else 2.5 * lanes * vectors
    return 60.0 * problem.groups + 12.0 * rows * math.prod(problem.kernel_size[:-2]) + copied
