"""`pointwise`, `direct`, `unfold` and `filter`, as the plan sees them: what they serve and what they cost.

Cycles as measured on one Zen 4 core with AVX-512 over some thousand layers (`benchmarks/calibration.py`); only their ratios matter.
A vector of sums costs a little more than one a product, more where loads are not shared, and some to begin and store it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from faltung.engine.layout import FEW_COLUMNS, with_long_columns
from faltung.engine.native import chosen_isa
from faltung.engine.problem import Problem, ProblemAxis, size_text
from faltung.engine.processor import product_cycles

__all__ = [
    "KEPT_WEIGHT_BYTES", "TILE_VECTORS", "direct_cycles", "direct_product_cycles", "filter_cycles", "packing_cycles", "pointwise_cycles",
    "pointwise_refusal", "read_sizes", "rest_vectors", "unfold_cycles", "whole_vectors",
]  # fmt: skip

CALL_CYCLES = 3500
"""Of those that pack rows: what each row of the panel reads, its borders."""

SORTED_ROW_CYCLES = {1: 0, 2: 8}
"""For each phase of a stride that a row of the panel is sorted into; of larger strides `SCATTERED_ROW_CYCLES`."""

SCATTERED_ROW_CYCLES = 30

MASKED_STRIDE = 2
"""Up to which all rows are copied in one loop, by masked loads."""

TILE_VECTORS = 3
"""Of positions, that products over positions hold at once."""

TILE_CYCLES = 90
"""Of `pointwise`, to begin and end such a tile: most of the time where few channels are summed to few."""

JOINED_VECTORS = 0.13
"""What a position costs that a tile takes along, of a vector."""

FEW_CHANNELS = 16
"""Rows of so many input channels stay in L1."""

PLANE_STRIDES = (1, 2, 4, 8, 16)
MOST_GATHERED_STRIDE = 2**20
MOST_COLUMN_TAPS = 64
KEPT_WEIGHT_BYTES = 2**19
"""So many weights stay in L2 from one tile of positions to the next."""


def pointwise_refusal(problem: Problem) -> str | None:
    """Why `pointwise` does not serve `problem`, or None if it does."""
    if any(kernel != 1 for kernel in problem.kernel_size):
        return f"kernel {size_text(problem.kernel_size)} is not 1 along every axis"
    if any(stride != 1 for stride in problem.stride):
        return f"stride {size_text(problem.stride)} is not 1 along every axis"
    if any(problem.before) or problem.in_size != problem.out_size:
        return f"padding or cropping changes the size from {size_text(problem.in_size)} to {size_text(problem.out_size)}"
    return None


def pointwise_cycles(problem: Problem, lanes: int) -> float:
    """Whole vectors of positions; up to half a vector is left to channels in the lanes. Planes in pieces go to the kernel of `direct`."""
    if problem.is_apart:
        return direct_cycles(problem, lanes)
    positions = math.prod(problem.out_size)
    whole, rest = whole_vectors(positions, lanes)
    channels = problem.groups * _even(problem.out_channels)
    vectors = channels * whole * (1.085 * product_cycles(two=0.5) * problem.terms + 4)
    extra = JOINED_VECTORS if _joins(whole, rest) else 2 * rest_vectors(rest, lanes)
    few = product_cycles() * channels * problem.terms * extra
    read = 0.2 * problem.groups * problem.in_channels * positions
    tiles = TILE_CYCLES * problem.groups * math.ceil(whole / TILE_VECTORS)
    return vectors + few + read + tiles + 500 * problem.groups + 650 + 0.03 * _streamed_bytes(problem)


def direct_cycles(problem: Problem, lanes: int) -> float:
    """Vectors of output channels."""
    sums = problem.groups * math.ceil(problem.out_channels / lanes) * math.prod(problem.out_size)
    products = 1.17 * direct_product_cycles(problem.out_channels, lanes) * problem.terms
    return sums * (products + 2 + lanes / 2) + 0.03 * _streamed_bytes(problem) + 330 * problem.groups + _panel_cycles(problem, FEW_COLUMNS)


def direct_product_cycles(out_channels: int, lanes: int) -> float:
    """Of a product of `direct`: a single vector of output channels shares no cell, and has sums for one product at a time."""
    return product_cycles(two=0.75 if out_channels <= lanes else 0.55)


def filter_cycles(problem: Problem, lanes: int) -> float:
    """Vectors of columns."""
    columns = with_long_columns(problem, lanes)[-1].out
    rows = math.prod(problem.out_size) // max(1, columns)
    sums = problem.groups * problem.out_channels * rows * math.ceil(columns / lanes)
    shares_loads = problem.out_channels > 1 and columns > lanes
    stays_near = problem.in_channels <= FEW_CHANNELS
    products = product_cycles(two=0.5 if stays_near else 0.66) * problem.terms * (1.18 if shares_loads else 1.47)
    return sums * (products + 7.6) + 690 * problem.groups + _panel_cycles(problem, lanes)


def unfold_cycles(problem: Problem, lanes: int) -> float:
    """Vectors of positions, row after row; what they read is copied once where planes can be read as they lie, else twice."""
    positions = math.prod(problem.out_size)
    whole, rest = whole_vectors(positions, lanes)
    reads_planes = _reads_planes(problem)
    joins = reads_planes and _joins(whole, rest)
    vectors = whole + (JOINED_VECTORS if joins else rest_vectors(rest, lanes))
    channels = problem.groups * vectors * _even(problem.out_channels)
    stores = problem.groups * vectors * problem.out_channels
    columns = problem.out_size[-1]
    # Rows shorter than a vector are unfolded one by one, under masks.
    short_rows = problem.groups * positions / columns if 0 < columns < lanes else 0.0
    places = 0.0 if short_rows else problem.groups * vectors
    if not reads_planes:
        is_strided = problem.stride[-1] > 1
        unfolded = (2.8 if is_strided else 6.7) * short_rows + (22 if is_strided else 5) * places
        streamed = 0.03 * _streamed_bytes(problem) * max(1.0, vectors / TILE_VECTORS)
        packed = 1.3 * problem.groups * problem.in_channels * math.prod(read_sizes(problem))
        each = CALL_CYCLES + 670 * problem.groups + 1500
        return problem.terms * (1.145 * product_cycles() * channels + unfolded) + 0.8 * stores + packed + each + streamed
    if _gathers(problem):
        unfolded = problem.groups * (10 * math.prod(problem.out_size[:-1]) * math.ceil(columns / lanes) + 1.5 * positions)
    else:
        ragged_rows = problem.groups * math.prod(problem.out_size[:-1]) if places and columns % lanes else 0
        unfolded = 8 * short_rows + (4 if problem.stride[-1] == 1 else 6) * (places + 0.7 * ragged_rows)
    # Few positions at the end want all weights once more, and have little to do meanwhile.
    streamed = _streamed_bytes(problem) * (0.03 * math.ceil(whole / TILE_VECTORS) + (0.06 if rest and not joins else 0.0))
    each = problem.groups * (710 + 6 * positions) + 765
    return problem.terms * (1.14 * product_cycles(two=0.5) * channels + unfolded) + 2.3 * stores + each + streamed


def packing_cycles(problem: Problem, _dtype: str) -> float:
    """Weights packed as they are."""
    return 1.2 * problem.groups * problem.out_channels * problem.terms


def _panel_cycles(problem: Problem, few_columns: int) -> float:
    """Rows copied into panels: some cycles a row, some a cell; where a stride's phases are sorted, some for each."""
    axes = with_long_columns(problem, few_columns)
    read = _read_sizes(axes)
    rows = problem.groups * problem.in_channels * math.prod(read[:-1]) * math.prod(axis.kernel for axis in axes[:-2])
    stride = axes[-1].stride
    if chosen_isa() == "avx512" and stride <= MASKED_STRIDE and problem.mode in ("zeros", "absent"):
        return CALL_CYCLES + rows * (4 + 0.5 * read[-1])
    sorted_row = SORTED_ROW_CYCLES.get(stride, SCATTERED_ROW_CYCLES) * min(stride, read[-1])
    return CALL_CYCLES + rows * (18 + 0.4 * read[-1] + sorted_row)


def read_sizes(problem: Problem) -> list[int]:
    """Cells along each axis that some output reads, at most."""
    return _read_sizes(problem.axes)


def _read_sizes(axes: Iterable[ProblemAxis]) -> list[int]:
    return [min(axis.size, axis.out * axis.kernel) for axis in axes]


def whole_vectors(positions: int, lanes: int) -> tuple[int, int]:
    """Vectors of positions, and positions left to channels in the lanes: up to half a vector.

    >>> whole_vectors(49, 16), whole_vectors(63, 16)
    ((3, 1), (4, 0))
    """
    rest = positions % lanes if positions % lanes <= lanes // 2 else 0
    return -(-(positions - rest) // lanes), rest


def _reads_planes(problem: Problem) -> bool:
    """Whether `unfold` reads planes in one piece as they lie; otherwise it packs rows first."""
    is_wide = len(problem.out_size) == 1 or problem.out_size[-1] >= FEW_COLUMNS
    return (
        chosen_isa() == "avx512"
        and not problem.is_apart
        and problem.mode in ("zeros", "absent")
        and (problem.stride[-1] in PLANE_STRIDES or _gathers(problem))
        and problem.kernel_size[-1] <= MOST_COLUMN_TAPS
        and is_wide
    )


def _gathers(problem: Problem) -> bool:
    """Whether cells are gathered one by one: where no two taps of a row share any, whatever the stride."""
    return problem.stride[-1] not in PLANE_STRIDES and problem.kernel_size[-1] <= problem.stride[-1] <= MOST_GATHERED_STRIDE


def rest_vectors(rest: int, lanes: int) -> float:
    """What positions too few for a vector cost, of a vector."""
    return (1.2 + 1.1 * rest) / lanes if rest else 0.0


def _joins(whole: int, rest: int) -> bool:
    """Whether the last tile takes the rest along, one position beside all the vectors that it may have."""
    tiles = -(-whole // TILE_VECTORS)
    return rest == 1 and tiles > 0 and chosen_isa() == "avx512" and whole - (tiles - 1) * whole // tiles == TILE_VECTORS


def _streamed_bytes(problem: Problem) -> int:
    """Of weights that do not stay in L2."""
    weights = problem.groups * problem.out_channels * problem.terms * 4
    return weights if weights > KEPT_WEIGHT_BYTES else 0


def _even(channels: int) -> int:
    """Channels that are computed."""
    return channels + channels % 2
