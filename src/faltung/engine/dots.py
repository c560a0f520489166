"""`dots`: bfloat16 by the processor's dot products of pairs, as the plan sees it, and the choice between it and float32.

Cycles as measured on one Zen 4 core over many layers; only their ratios matter.
"""

from __future__ import annotations

import math

from faltung.engine.dense import KEPT_WEIGHT_BYTES, TILE_VECTORS, read_sizes, rest_vectors, whole_vectors
from faltung.engine.native import Correlation, chosen_isa, has_bfloat16_dots
from faltung.engine.panels import panel_refusal
from faltung.engine.problem import Problem
from faltung.engine.processor import pair_cycles

__all__ = ["conversion_cycles", "cycles", "error_growth", "packing_cycles", "refusal"]

LANES = 16
FEW_OUT_CHANNELS = 8
MOST_VECTORS = 4
PRODUCT_CYCLES = {1: 1.28, 2: 1.13, 3: 1.09, 4: 1.09}
"""Of a pair and vector, by the vectors of output channels that are computed together."""

RUN_CYCLES = 3
"""Of cells that lie together, of one position: pointers are set anew."""

MOST_PHASES = 64


def refusal(problem: Problem, dtype: str) -> str | None:
    """Why `dots` does not serve `problem`, or None if it does."""
    if dtype != "bfloat16":
        return f"it multiplies bfloat16 numbers, these are {dtype}"
    if not has_bfloat16_dots(chosen_isa()):
        return "this processor has no dot products of bfloat16 numbers, or FALTUNG_ISA leaves them out"
    if any(len(axis) > MOST_PHASES for axis in problem.phases):
        return f"a stride of more than {MOST_PHASES} has too many phases"
    return panel_refusal(Correlation, "dots", problem, dtype)


def error_growth(_problem: Problem, _dtype: str) -> float:
    """Each product is rounded once, when it is added: as in direct summation, in another order."""
    return 1.0


def cycles(problem: Problem, _dtype: str) -> float:
    """Vectors of positions by output channels, or positions by vectors of channels; a pair of products a cycle."""
    if _is_plane(problem):
        return _position_cycles(problem, 1.03, 9)
    if problem.phases or problem.out_channels > FEW_OUT_CHANNELS:
        return _pixel_cycles(problem)
    return 2000 + _position_cycles(problem, 1.04, 10) + _panel_cycles(problem)


def _is_plane(problem: Problem) -> bool:
    """Whether planes of a 1×1 layer are read where they lie."""
    is_point = all(axis.kernel == axis.stride == 1 and axis.before == 0 for axis in problem.axes)
    return is_point and not problem.phases


def _position_cycles(problem: Problem, product: float, output: float) -> float:
    """Positions in the lanes: `product` cycles for each vector of pairs, `output` for each vector of sums."""
    whole, rest = whole_vectors(math.prod(problem.out_size), LANES)
    vectors = problem.groups * (whole + rest_vectors(rest, LANES))
    pairs, channels = -(-problem.terms // 2), problem.out_channels + problem.out_channels % 2
    weights = 2 * problem.groups * problem.out_channels * problem.terms
    streamed = 0.03 * weights * max(1.0, vectors / TILE_VECTORS) if weights > KEPT_WEIGHT_BYTES else 0.0
    return vectors * (pairs * (product * pair_cycles() * channels + 5) + output * channels) + streamed


def _pixel_cycles(problem: Problem) -> float:
    """Output channels in the lanes: products, outputs, input cells brought together."""
    vectors = -(-problem.out_channels // LANES)
    together = min(MOST_VECTORS, round(vectors / -(-vectors // MOST_VECTORS)))
    positions = math.prod(problem.out_size)
    met = problem.macs / max(1, problem.groups * problem.out_channels * 2)
    if problem.in_channels % 2:  # pairs go along a row of taps
        met *= 1 + 1 / (problem.in_channels * problem.kernel_size[-1])
    runs = met / max(1, problem.in_channels * problem.kernel_size[-1] // 2)
    products = vectors * (PRODUCT_CYCLES[together] * pair_cycles() * met + RUN_CYCLES * runs / together + 9.5 * positions)
    cells = problem.in_channels * math.prod(read_sizes(problem)[:-1]) * problem.in_size[-1]
    weights = 2 * problem.groups * problem.out_channels * problem.in_channels * math.prod(problem.kernel_size)
    streamed = 0.03 * weights if weights > KEPT_WEIGHT_BYTES else 0.0
    return 2000 + problem.groups * (1500 + products + 0.37 * cells) + streamed


def packing_cycles(problem: Problem, _dtype: str) -> float:
    """Pairs of channels are packed by vectors, others one by one."""
    return (0.6 if problem.in_channels % 2 == 0 else 3.0) * problem.groups * problem.out_channels * problem.terms


def conversion_cycles(read: int, written: int) -> float:
    """Cells of an input widened to float32, and of an output rounded, by a pass over each."""
    return 3000 + 0.45 * (read + written)


def _panel_cycles(problem: Problem) -> float:
    """Rows copied into panels: some cycles a row, some a cell."""
    read = read_sizes(problem)
    rows = problem.groups * problem.in_channels * math.prod(read[:-1]) * math.prod(problem.kernel_size[:-2])
    return 1.15 * rows * (40 + read[-1])
