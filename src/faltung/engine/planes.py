"""When the phases of a stride are summed from planes copied whole, and what that costs: ``planes`` in the catalog.

Owns the estimate for the kernels in ``native/kernels/planes``: transposed layers and input gradients of strided ones with few channels a
group. Their order of summation is fixed by the problem, so they count as direct.
"""

from __future__ import annotations

import math

from faltung.engine.problem import Problem, size_text
from faltung.engine.processor import product_cycles
from faltung.geometry import Phase, reach_of

__all__ = ["cycles", "packing_cycles", "refusal"]

MOST_CHANNELS = 16
"""Of a group's input: more of them leave a cache before all output channels have met them."""

MOST_PHASES, MOST_TAPS = 64, 2**12
MOST_CELLS = 2**20
"""Of a row of an input plane and the rows that its taps reach."""


def refusal(problem: Problem, _dtype: str) -> str | None:
    """Why the kernels do not serve `problem`, or None if they do."""
    if not problem.phases and any(step != 1 for step in problem.stride):
        return f"stride {size_text(problem.stride)} is not 1 along every axis, and it is no transposed convolution"
    if 0 in problem.out_size or 0 in problem.kernel_size:
        return "there is nothing to sum"
    if problem.in_channels > MOST_CHANNELS:
        return f"it has {problem.in_channels} input channels a group, this takes at most {MOST_CHANNELS}"
    if math.prod(map(len, _phases(problem))) > MOST_PHASES or math.prod(problem.kernel_size) > MOST_TAPS:
        return f"there are more than {MOST_PHASES} phases or {MOST_TAPS} taps"
    axes = _axes(problem)
    if len(axes) > 2:
        return "there are more than two axes"
    if math.prod(halo + 1 for _, _, halo in axes) * (max((out for out, _, _ in axes), default=1) + 64) > MOST_CELLS:
        return f"the rows under one kernel would be more than {MOST_CELLS} cells"
    return None


def _phases(problem: Problem) -> tuple[tuple[Phase, ...], ...]:
    """Those of each axis; a correlation of stride 1 is its own only phase."""
    if problem.phases:
        return problem.phases
    return tuple((Phase(0, axis.out, axis.kernel - 1, -1, axis.kernel, axis.dilation, axis.before),) for axis in problem.axes)


def _axes(problem: Problem) -> list[tuple[int, int, int]]:
    """Outputs of the first phase, phases, and cells beyond these that taps reach, of each axis that says something."""
    axes = []
    for size, out, phases in zip(problem.in_size, problem.out_size, _phases(problem), strict=True):
        first, last = reach_of(phases)
        if (size, out, len(phases), first, last) != (1, 1, 1, 0, 0):
            axes.append((phases[0].count, len(phases), last - first))
    return axes


# Cycles as measured on one Zen 4 core with AVX-512; only their ratios matter.


def cycles(problem: Problem, lanes: int) -> float:
    """Estimated for one sample on one core."""
    axes = [(1, 1, 0)] * 2 + _axes(problem)
    (rows, row_phases, row_halo), (columns, column_phases, column_halo) = axes[-2:]
    pitch, phases = columns + column_halo, row_phases * column_phases
    vectors = math.ceil(rows * pitch / lanes)
    taps = math.prod(problem.kernel_size)
    loads = 3.0 * (row_halo + 1) * (column_halo + 1)  # they straddle cache lines
    sums = problem.in_channels * product_cycles() * max(1.12 * taps, loads) + 3 * phases
    interleaved = float(rows * row_phases) * (12 + 3 * column_phases * math.ceil(columns / lanes))
    if column_phases not in (1, 2, 4, 8):
        interleaved += 2.0 * rows * row_phases * columns * column_phases
    if column_phases == 1:  # rows copied out one by one
        interleaved += 11.0 * rows * row_phases * columns
    copied = problem.in_channels * (rows + row_halo) * (20 + 2 * math.ceil(pitch / lanes))
    return 400 + problem.groups * (problem.out_channels * (vectors * sums + interleaved) + copied + 150)


def packing_cycles(problem: Problem, _dtype: str) -> float:
    """Weights, one by one."""
    return 2.0 * problem.groups * problem.out_channels * problem.in_channels * math.prod(problem.kernel_size)
