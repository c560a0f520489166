"""When one input channel a group is read row by row, and what that costs: ``depthwise`` in the catalog.

Owns the estimate for the kernels in ``native/kernels/depthwise``; their order of summation is fixed by the problem, so they count as
direct.
"""

from __future__ import annotations

import math

from faltung.engine.native import Correlation, chosen_isa
from faltung.engine.problem import Problem

__all__ = ["cycles", "refusal"]

MAX_SCRATCH_BYTES = 32 * 2**20


def refusal(problem: Problem, dtype: str) -> str | None:
    """Why the kernels do not serve `problem`, or None if they do."""
    if problem.in_channels != 1:
        return f"it has {problem.in_channels} input channels a group, this takes one"
    scratch_bytes = Correlation.panel_bytes("depthwise", dtype, chosen_isa(), *problem.arguments)
    if scratch_bytes > MAX_SCRATCH_BYTES:
        return f"the rows under one kernel would need {scratch_bytes} bytes a thread, more than {MAX_SCRATCH_BYTES}"
    return None


# Cycles as measured on one Zen 4 core with AVX-512; only their ratios matter.


def cycles(problem: Problem, lanes: int) -> float:
    """Estimated for one sample on one core."""
    *rows, columns = problem.out_size
    vectors = float(math.ceil(columns / lanes))
    if lanes >= 16 and 0 < columns % lanes <= lanes // 2 and problem.groups * problem.out_channels > 1:
        vectors -= 0.5  # two channels share a vector
    sums = problem.groups * problem.out_channels * math.prod(rows) * vectors
    return 400 + sums * max(1.13 * problem.terms + 5, 9) + _reading_cycles(problem, lanes)


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
