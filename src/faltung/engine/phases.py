"""What all phases of a transposed correlation cost where one call computes them: ``pointwise``, ``direct`` and ``filter`` in the catalog.

Owns the estimates for the drivers in ``native/kernels/transposed``, which run the kernels of those three.
"""

from __future__ import annotations

import math

from faltung.engine import dense
from faltung.engine.problem import Problem, size_text
from faltung.engine.processor import product_cycles
from faltung.geometry import Phase

__all__ = ["direct_cycles", "filter_cycles", "packing_cycles", "pointwise_cycles", "pointwise_refusal"]

# Cycles as measured on one Zen 4 core with AVX-512; only their ratios matter.

CALL_CYCLES = 4500
"""Tables of what every phase reads and where it stores."""

GROUP_CYCLES = 1600
"""Of a group, where there are many: its panel begun, its phases' rows arranged."""

FEW_GROUPS = 16

VECTOR_STRIDES = (1, 2, 4, 8, 16)
"""Rows of so many phases are interleaved in registers."""


def pointwise_refusal(problem: Problem) -> str | None:
    """Why `pointwise` does not serve `problem`, or None if it does."""
    for size, axis in zip(problem.in_size, problem.phases, strict=True):
        if any(phase.taps != 1 for phase in axis):
            stride = size_text(map(len, problem.phases))
            return f"kernel {size_text(problem.kernel_size)} is not the stride {stride}: outputs meet several taps, or none"
        if not all(_reads_all(phase, size) for phase in axis):
            return "cropping leaves phases of the stride that do not read the whole input"
    return None


def pointwise_cycles(problem: Problem, lanes: int) -> float:
    """Positions of the whole input in the vector lanes, one phase after the other."""
    members, positions = math.prod(map(len, problem.phases)), math.prod(problem.in_size)
    vectors = math.ceil(positions / lanes)
    tiles = problem.groups * math.ceil(vectors / dense.TILE_VECTORS)
    products = problem.groups * members * problem.out_channels * vectors * (1.1 * product_cycles() * problem.terms + 6)
    read = 0.2 * problem.groups * problem.in_channels * positions
    rows = problem.groups * problem.out_channels * math.prod(problem.out_size[:-1])
    return products + read + 130 * tiles * members + 20 * rows + 1500 + _interleaving_cycles(problem)


def direct_cycles(problem: Problem, lanes: int) -> float:
    """Output channels in the vector lanes."""
    vectors = problem.groups * math.ceil(problem.out_channels / lanes)
    return vectors * (
        1.22 * dense.direct_product_cycles(problem.out_channels, lanes) * _met(problem) + (5 + lanes) * math.prod(problem.out_size)
    ) + _other_cycles(problem)


def filter_cycles(problem: Problem, lanes: int) -> float:
    """Positions of one phase's row in the vector lanes."""
    *rows, columns = problem.phases
    vectors = [(math.ceil(phase.count / lanes), phase.taps) for phase in columns]
    met = problem.in_channels * math.prod(sum(phase.count * phase.taps for phase in axis) for axis in rows)
    sums = math.prod(problem.out_size[:-1]) * sum(count for count, _ in vectors)
    products = met * sum(count * taps for count, taps in vectors)
    shares_loads = problem.out_channels > 1 and columns[0].count > lanes
    channels = problem.groups * problem.out_channels
    return channels * (product_cycles(two=0.75) * products * (1.22 if shares_loads else 1.53) + (2 + lanes) * sums) + _other_cycles(problem)


def packing_cycles(problem: Problem, _dtype: str) -> float:
    """Weights, whole kernels at a time."""
    return 1.3 * problem.groups * problem.out_channels * problem.in_channels * math.prod(problem.kernel_size)


def _reads_all(phase: Phase, size: int) -> bool:
    return phase.count == size and phase.before == 0


def _met(problem: Problem) -> int:
    """Products for one output channel."""
    return problem.macs // (problem.groups * problem.out_channels) if problem.groups * problem.out_channels else 0


def _other_cycles(problem: Problem) -> float:
    return _group_cycles(problem) + _panel_cycles(problem) + _interleaving_cycles(problem)


def _interleaving_cycles(problem: Problem) -> float:
    """Of outputs that no shuffle puts in order."""
    if len(problem.phases[-1]) in VECTOR_STRIDES:
        return 0.0
    return 2.0 * problem.groups * problem.out_channels * math.prod(problem.out_size)


def _group_cycles(problem: Problem) -> float:
    return GROUP_CYCLES * max(0, problem.groups - FEW_GROUPS)


def _panel_cycles(problem: Problem) -> float:
    """Rows copied into panels, once for all phases."""
    rows = problem.groups * problem.in_channels * math.prod(problem.in_size[:-1])
    return CALL_CYCLES + rows * (13 + 0.43 * problem.in_size[-1])
