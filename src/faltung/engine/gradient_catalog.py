"""The algorithms of the weight gradient, in order of preference, each with its reason for refusing and its estimated cost.

Owns the choice between them. As in `catalog`, costs are cycles of one nominal core, measured on Zen 4 with AVX-512; only their ratios
matter, and the same sizes are always served alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from faltung.engine import gradient_winograd
from faltung.engine.native import WeightGradient, chosen_isa, vector_lanes
from faltung.engine.panels import panel_refusal
from faltung.engine.problem import Problem

__all__ = ["ALGORITHMS", "BY_NAME", "GradientAlgorithm", "choose_gradient"]

MOST_PAIRS = 2**16
MOST_CELLS = 2**20
MOST_TAPS_LOOKED_AT = 64


@dataclass(frozen=True, slots=True)
class GradientAlgorithm:
    """One way to compute a weight gradient.

    Attributes
    ----------
    name : str
        That of its kernels.
    idea : str
        In one line.
    refusal : callable (Problem, native dtype) -> str or None
        Why it does not serve the problem, or None if it does.
    cycles : callable (Problem, native dtype, batch) -> float
        Estimated on one core.
    error_growth : callable (Problem, native dtype) -> float, or None
        Its error bound over that of direct summation; None: it sums directly, in one fixed order, whatever the values.
    """

    name: str
    idea: str
    refusal: Callable[[Problem, str], str | None]
    cycles: Callable[[Problem, str, int], float]
    error_growth: Callable[[Problem, str], float] | None = None

    @property
    def is_direct(self) -> bool:
        """Whether it sums directly."""
        return self.error_growth is None


def choose_gradient(problem: Problem, dtype: str, batch: int, *, is_exact: bool) -> GradientAlgorithm:
    """The cheapest algorithm that serves `problem`; where `is_exact`, of those that sum directly."""
    fitting = [entry for entry in ALGORITHMS if (entry.is_direct or not is_exact) and entry.refusal(problem, dtype) is None]
    return min(fitting, key=lambda entry: entry.cycles(problem, dtype, batch))  # ties: the first in the catalog


def _depthwise_cycles(problem: Problem, dtype: str, batch: int) -> float:
    """Every pair of channels alone: a vector of products, more where few rows of taps share loads; the lanes added up in the end."""
    lanes = vector_lanes(dtype)
    *rows, columns = problem.out_size
    halves = math.ceil(2 * columns / lanes)
    vectors = math.prod(rows) * (halves / 2 if halves % 2 and columns % lanes else math.ceil(columns / lanes))
    taps = math.prod(problem.kernel_size)
    products = vectors * taps * (1.6 if taps // problem.kernel_size[-1] <= 3 else 1.2) * 16 / lanes
    is_in_place = problem.stride[-1] == 1 and problem.mode in ("zeros", "absent") and chosen_isa() == "avx512"
    copied = 0.0
    if not is_in_place:
        phases = min(problem.stride[-1], problem.kernel_size[-1] * problem.dilation[-1])
        copied = math.prod(problem.in_size[:-1]) * (45 * phases + 0.5 * problem.in_size[-1])
    pairs = problem.groups * problem.out_channels * problem.in_channels
    return pairs * (batch * (products + copied + 50) + 5 * taps + 450)


def _share_inside(problem: Problem) -> float:
    """Of all pairs of an output and a tap, those that meet a cell, where the others are left out."""
    if problem.mode not in ("zeros", "absent"):
        return 1.0
    met = 1.0
    for size, out, kernel, stride, dilation, before in problem.axes:
        if kernel > MOST_TAPS_LOOKED_AT:
            continue
        starts = [tap * dilation - before for tap in range(kernel)]
        inside = [min(out, max(0, -((start - size) // stride))) - min(out, max(0, -(start // stride))) for start in starts]
        met *= sum(max(0, count) for count in inside) / max(1, out * kernel)
    return met


def _direct_cycles(problem: Problem, dtype: str, batch: int) -> float:
    """A vector of output channels times a cell a cycle; grad packed; calls of a tile and tap; the result stored across lanes."""
    lanes = vector_lanes(dtype)
    positions, taps = math.prod(problem.out_size), math.prod(problem.kernel_size)
    vectors = math.ceil(problem.out_channels / lanes)
    tiles = math.ceil(vectors / 2) * math.ceil(problem.in_channels / 8) * taps
    # Of blocks of positions: parts of a sample, or several samples.
    calls = tiles * (batch * math.ceil(positions / 512) if positions > 512 else math.ceil(batch / (512 // max(1, positions))))
    products = positions * vectors * (problem.terms * _share_inside(problem) / 0.92 + 6)
    return problem.groups * (batch * products + 40 * calls + 0.5 * problem.out_channels * problem.terms + 300)


def _filter_cycles(problem: Problem, dtype: str, batch: int) -> float:
    """4 output channels at once, positions of a row in the lanes; x packed; the lanes added up in the end."""
    lanes = vector_lanes(dtype)
    *rows, columns = problem.out_size
    block = min(4, 1 << (problem.out_channels - 1).bit_length()) if problem.out_channels else 1
    channels = math.ceil(problem.out_channels / block) * block
    products = channels * problem.terms * math.prod(rows) * math.ceil(columns / lanes)
    phases = min(problem.stride[-1], problem.kernel_size[-1] * problem.dilation[-1])
    packed = problem.in_channels * math.prod(problem.in_size[:-1]) * (30 * phases + 0.5 * problem.in_size[-1])
    return problem.groups * (batch * (products * (1.7 if block > 1 else 2.2) + packed) + 14 * problem.out_channels * problem.terms + 300)


def _channelwise_refusal(problem: Problem, dtype: str) -> str | None:
    if problem.in_channels != 1 or problem.out_channels != 1:
        return "a group has more than one channel on either side"
    pairs = math.prod(problem.kernel_size) * math.prod(problem.out_size)
    if pairs > MOST_PAIRS or math.prod(problem.in_size) > MOST_CELLS:
        return f"{pairs} pairs of positions are looked up one by one, more than {MOST_PAIRS}, or there are too many cells"
    return panel_refusal(WeightGradient, "channelwise", problem, dtype)


def _channelwise_cycles(problem: Problem, dtype: str, batch: int) -> float:
    """A vector of channels: both sides transposed, two loads and a product for every pair of positions."""
    lanes = vector_lanes(dtype)
    positions, taps = math.prod(problem.out_size), math.prod(problem.kernel_size)
    packed = (positions + math.prod(problem.in_size)) * lanes
    blocks = math.ceil(problem.groups / lanes)
    return blocks * (batch * (2.5 * positions * taps + 0.5 * packed + 12 * taps + 150) + 2 * taps * lanes + 300)


ALGORITHMS: tuple[GradientAlgorithm, ...] = (
    GradientAlgorithm(
        "direct",
        "for every tap a matrix product over positions, output channels in the vector lanes",
        partial(panel_refusal, WeightGradient, "direct"),
        _direct_cycles,
    ),
    GradientAlgorithm(
        "winograd",
        "fewer products for 3 taps along one axis or two, on transformed tiles of both sides",
        gradient_winograd.refusal,
        lambda problem, dtype, batch: gradient_winograd.cycles(problem, vector_lanes(dtype), batch),
        gradient_winograd.error_growth,
    ),
    GradientAlgorithm(
        "depthwise",
        "pairs of channels one by one, rows read where they lie, positions of a row in the vector lanes",
        partial(panel_refusal, WeightGradient, "depthwise"),
        _depthwise_cycles,
    ),
    GradientAlgorithm(
        "channelwise",
        "a channel in each vector lane, positions looked up in pairs",
        _channelwise_refusal,
        _channelwise_cycles,
    ),
    GradientAlgorithm(
        "filter",
        "rows packed with their padding, positions of a row in the vector lanes",
        partial(panel_refusal, WeightGradient, "filter"),
        _filter_cycles,
    ),
    GradientAlgorithm(
        "general",
        "one product at a time, positions mapped one by one",
        lambda _problem, _dtype: None,
        lambda problem, _dtype, batch: 10.0 * batch * problem.macs + 100,
    ),
)

BY_NAME = {entry.name: entry for entry in ALGORITHMS}
