"""When one input channel a group is summed with a channel in each lane, and what that costs: ``channelwise`` in the catalog.

Owns the estimate for the kernels in ``native/kernels/channelwise``; their order of summation is fixed by the problem, so they count as
direct.
"""

from __future__ import annotations

import math

from faltung.engine.depthwise import AxisProducts
from faltung.engine.native import Correlation, chosen_isa, native_problem
from faltung.engine.problem import Problem
from faltung.engine.processor import product_cycles

__all__ = ["cycles", "packing_cycles", "refusal"]

MAX_SCRATCH_BYTES = 4 * 2**20

MAX_LISTED = 2**27
"""Meetings of a row's cells, outputs and taps that the kernels look through when they are made: a tenth of a second at most."""


def refusal(problem: Problem, dtype: str) -> str | None:
    """Why the kernels do not serve `problem`, or None if they do."""
    if problem.in_channels != 1:
        return f"it has {problem.in_channels} input channels a group, this puts one in each lane"
    columns, taps = problem.out_size[-1], problem.kernel_size[-1]
    if columns * (columns + taps) * taps > MAX_LISTED:
        return f"its rows of {problem.in_size[-1]} cells and {taps} taps are longer than tiles of small maps"
    try:
        scratch_bytes = Correlation.panel_bytes("channelwise", dtype, chosen_isa(), native_problem(problem))
    except ValueError as error:
        return str(error).rpartition(": ")[2]
    if scratch_bytes > MAX_SCRATCH_BYTES:
        return f"the maps of one vector of channels would need {scratch_bytes} bytes a thread, more than {MAX_SCRATCH_BYTES}"
    return None


# Cycles as measured on one Zen 4 core with AVX-512; only their ratios matter.


def cycles(problem: Problem, lanes: int) -> float:
    """Estimated for one sample on one core."""
    *rows, columns = (AxisProducts(problem, axis) for axis in range(len(problem.in_size)))
    width = _width(columns.out, 8 if lanes >= 16 else 7)
    sums = product_cycles(two=0.75) * math.prod(axis.products for axis in (*rows, columns))
    starts = 63.0 * math.prod(axis.out for axis in rows) * math.ceil(columns.out / width)
    turned = 7.2 * (math.prod(axis.cells for axis in (*rows, columns)) + math.prod(problem.out_size))
    loaded = 5.4 * problem.terms
    return 400 + math.ceil(problem.groups * problem.out_channels / lanes) * (sums + starts + turned + loaded)


def packing_cycles(problem: Problem, lanes: int) -> float:
    """Estimated: weights turned as maps are."""
    return 200 + math.ceil(problem.groups * problem.out_channels / lanes) * (100 + 24.0 * problem.terms)


def _width(columns: int, widest: int) -> int:
    """Outputs of a block, as the kernels choose them."""
    return min(range(widest, 3, -1), key=lambda width: math.ceil(columns / width) * width)
