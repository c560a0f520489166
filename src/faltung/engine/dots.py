"""`dots`: bfloat16 by the processor's dot products of pairs, as the plan sees it, and the choice between it and float32.

Cycles as measured on one Zen 4 core over many layers; only their ratios matter. Standard library only, but for what the processor can.
"""

from __future__ import annotations

import math

from faltung.engine.native import Correlation, chosen_isa, has_bfloat16_dots
from faltung.engine.problem import Problem

__all__ = ["conversion_cycles", "cycles", "error_growth", "packing_cycles", "refusal"]

LANES = 16
TILE_VECTORS = 3
KEPT_WEIGHT_BYTES = 2**19
MAX_PANEL_BYTES = 32 * 2**20


def refusal(problem: Problem, dtype: str) -> str | None:
    """Why `dots` does not serve `problem`, or None if it does."""
    if dtype != "bfloat16":
        return f"it multiplies bfloat16 numbers, these are {dtype}"
    if not has_bfloat16_dots(chosen_isa()):
        return "this processor has no dot products of bfloat16 numbers, or FALTUNG_ISA leaves them out"
    panel_bytes = Correlation.panel_bytes("dots", dtype, chosen_isa(), *problem.arguments)
    if panel_bytes > MAX_PANEL_BYTES:
        return f"the rows under one kernel would need {panel_bytes} bytes a thread, more than {MAX_PANEL_BYTES}"
    return None


def error_growth(_problem: Problem, _dtype: str) -> float:
    """Each product is rounded once, when it is added: as in direct summation, in another order."""
    return 1.0


def cycles(problem: Problem, _dtype: str) -> float:
    """Vectors of positions by output channels; a pair of products a cycle."""
    positions = math.prod(problem.out_size)
    rest = positions % LANES if positions % LANES <= LANES // 2 else 0
    vectors = problem.groups * (-(-(positions - rest) // LANES) + ((1.2 + 1.1 * rest) / LANES if rest else 0.0))
    pairs, channels = -(-problem.terms // 2), problem.out_channels + problem.out_channels % 2
    weights = 2 * problem.groups * problem.out_channels * problem.terms
    streamed = 0.03 * weights * max(1.0, vectors / TILE_VECTORS) if weights > KEPT_WEIGHT_BYTES else 0.0
    is_plane = all(kernel == stride == 1 for kernel, stride in zip(problem.kernel_size, problem.stride, strict=True)) and not any(
        problem.before
    )
    if is_plane:
        return vectors * (pairs * (1.03 * channels + 5) + 9 * channels) + streamed
    return 2000 + vectors * (pairs * (1.04 * channels + 5) + 10 * channels) + streamed + _panel_cycles(problem)


def packing_cycles(problem: Problem, _dtype: str) -> float:
    """Pairs of terms that lie together are packed as one number, others are put together."""
    return (0.6 if problem.terms % 2 == 0 else 1.5) * problem.groups * problem.out_channels * problem.terms


def conversion_cycles(read: int, written: int) -> float:
    """Cells of an input widened to float32, and of an output rounded, by a pass over each."""
    return 3000 + 0.45 * (read + written)


def _panel_cycles(problem: Problem) -> float:
    """Rows copied into panels: some cycles a row, some a cell."""
    read = [min(size, out * kernel) for size, out, kernel in zip(problem.in_size, problem.out_size, problem.kernel_size, strict=True)]
    rows = problem.groups * problem.in_channels * math.prod(read[:-1]) * math.prod(problem.kernel_size[:-2])
    return 1.15 * rows * (40 + read[-1])
