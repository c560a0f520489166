"""`pointwise`, `direct`, `unfold` and `filter`, as the plan sees them: what they serve and what they cost.

Cycles as measured on one Zen 4 core with AVX-512 over many layers; only their ratios matter. A vector of sums costs
about one cycle a product, and a little more where loads are not shared, to begin and store it.
"""

from __future__ import annotations

import math

from faltung.engine.native import chosen_isa
from faltung.engine.problem import Problem

__all__ = ["direct_cycles", "filter_cycles", "packing_cycles", "pointwise_cycles", "pointwise_refusal", "unfold_cycles"]

CALL_CYCLES = 2000
"""Of `unfold`: tables of what each position reads."""

TILE_VECTORS = 3
FEW_COLUMNS = 4
"""Fewer change places with rows."""

PLANE_STRIDES = (1, 2, 4, 8, 16)
MOST_GATHERED_STRIDE = 2**20
MOST_COLUMN_TAPS = 64
KEPT_WEIGHT_BYTES = 2**19
"""So many weights stay in L2 from one tile of positions to the next."""


def pointwise_refusal(problem: Problem, _dtype: str) -> str | None:
    """Why `pointwise` does not serve `problem`, or None if it does."""
    if any(kernel != 1 for kernel in problem.kernel_size):
        return f"kernel {_times(problem.kernel_size)} is not 1 along every axis"
    if any(stride != 1 for stride in problem.stride):
        return f"stride {_times(problem.stride)} is not 1 along every axis"
    if any(problem.before) or problem.in_size != problem.out_size:
        return f"padding or cropping changes the size from {_times(problem.in_size)} to {_times(problem.out_size)}"
    return None


def pointwise_cycles(problem: Problem, lanes: int) -> float:
    """Whole vectors of positions; up to half a vector is left to channels in the lanes."""
    positions = math.prod(problem.out_size)
    rest = positions % lanes if positions % lanes <= lanes // 2 else 0
    channels = problem.groups * _even(problem.out_channels)
    vectors = channels * -(-(positions - rest) // lanes) * (1.03 * problem.terms + 8)
    few = channels * (problem.terms * _rest_vectors(rest, lanes) + 4) if rest else 0.0
    return vectors + few + 0.4 * problem.groups * problem.in_channels * positions + 0.03 * _streamed_bytes(problem)


def direct_cycles(problem: Problem, lanes: int) -> float:
    """Vectors of output channels."""
    sums = problem.groups * math.ceil(problem.out_channels / lanes) * math.prod(problem.out_size)
    return sums * (problem.terms / 0.92 + 17) + 0.07 * _streamed_bytes(problem) + _panel_cycles(problem)


def filter_cycles(problem: Problem, lanes: int) -> float:
    """Vectors of columns."""
    *rows, columns = problem.out_size
    sums = problem.groups * problem.out_channels * math.prod(rows) * math.ceil(columns / lanes)
    shares_loads = problem.out_channels > 1 and columns > lanes
    return sums * (problem.terms / (0.92 if shares_loads else 0.78) + 7) + _panel_cycles(problem)


def unfold_cycles(problem: Problem, lanes: int) -> float:
    """Vectors of positions, row after row; what they read is copied once where planes can be read as they lie, else twice."""
    positions = math.prod(problem.out_size)
    rest = positions % lanes if positions % lanes <= lanes // 2 else 0
    whole = -(-(positions - rest) // lanes)
    vectors = problem.groups * (whole + _rest_vectors(rest, lanes))
    channels = _even(problem.out_channels)
    if not _reads_planes(problem):
        streamed = 0.03 * _streamed_bytes(problem) * max(1.0, vectors / TILE_VECTORS)
        products = vectors * (problem.terms * (1.02 * channels + 4) + 7 * problem.out_channels)
        return CALL_CYCLES + products + streamed + _panel_cycles(problem)
    # Few positions at the end want all weights once more, and have little to do meanwhile.
    streamed = _streamed_bytes(problem) * (0.03 * math.ceil(whole / TILE_VECTORS) + (0.06 if rest else 0.0))
    columns = problem.out_size[-1]
    # Rows shorter than a vector are unfolded one by one, under masks.
    if _gathers(problem):
        unfolded = problem.groups * (10 * math.prod(problem.out_size[:-1]) * math.ceil(columns / lanes) + 1.5 * positions)
    elif 0 < columns < lanes:
        unfolded = 9 * problem.groups * positions / columns
    else:
        unfolded = (3 if problem.stride[-1] == 1 else 6) * vectors
    products = vectors * (1.045 * problem.terms * channels + 7 * problem.out_channels) + problem.terms * unfolded
    return CALL_CYCLES + products + streamed + 0.5 * problem.groups * problem.in_channels * math.prod(_read_sizes(problem))


def packing_cycles(problem: Problem, _dtype: str) -> float:
    """Weights packed as they are."""
    return 1.2 * problem.groups * problem.out_channels * problem.terms


def _panel_cycles(problem: Problem) -> float:
    """Rows copied into panels: some cycles a row, some a cell; rows that two blocks of outputs share, twice."""
    read = _read_sizes(problem)
    rows = problem.groups * problem.in_channels * math.prod(read[:-1]) * math.prod(problem.kernel_size[:-2])
    return 1.15 * rows * (45 + 1.5 * read[-1])


def _read_sizes(problem: Problem) -> list[int]:
    """Cells along each axis that some output reads."""
    return [min(size, out * kernel) for size, out, kernel in zip(problem.in_size, problem.out_size, problem.kernel_size, strict=True)]


def _reads_planes(problem: Problem) -> bool:
    """Whether `unfold` reads planes in one piece as they lie; otherwise it packs rows first."""
    is_wide = len(problem.out_size) == 1 or problem.out_size[-1] >= FEW_COLUMNS
    return (
        chosen_isa() == "avx512"
        and problem.mode in ("zeros", "absent")
        and (problem.stride[-1] in PLANE_STRIDES or _gathers(problem))
        and problem.kernel_size[-1] <= MOST_COLUMN_TAPS
        and is_wide
    )


def _gathers(problem: Problem) -> bool:
    """Whether cells are gathered one by one: where no two taps of a row share any, whatever the stride."""
    return problem.stride[-1] not in PLANE_STRIDES and problem.kernel_size[-1] <= problem.stride[-1] <= MOST_GATHERED_STRIDE


def _rest_vectors(rest: int, lanes: int) -> float:
    """What positions too few for a vector cost, of a vector."""
    return (1.2 + 1.1 * rest) / lanes if rest else 0.0


def _streamed_bytes(problem: Problem) -> int:
    """Of weights that do not stay in L2."""
    weights = problem.groups * problem.out_channels * problem.terms * 4
    return weights if weights > KEPT_WEIGHT_BYTES else 0


def _even(channels: int) -> int:
    """Channels that are computed."""
    return channels + channels % 2


def _times(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes))
