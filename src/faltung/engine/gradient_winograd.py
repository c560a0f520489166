"""Winograd's minimal filtering for the weight gradient, as its catalog sees it: what it serves, what it costs, how it rounds.

Owns the estimates for ``native/kernels/gradient_winograd``. The gradient of ``y = At ((G w) * (Bt d))`` with respect to the weight is
``Gt ((A g) * (Bt d))``: the transforms of the forward direction in other places, so 36 products serve 4 by 4 outputs and 3 by 3 taps. Both
sides are transformed once, the sums over all tiles transformed back in the end.
"""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

from faltung.engine.native import WeightGradient, chosen_isa
from faltung.engine.problem import Problem
from faltung.engine.winograd import transforms

__all__ = ["cycles", "error_growth", "refusal"]

TILE, TAPS, POINTS = 4, 3, 36
MAX_WORKSPACE_BYTES = 64 * 2**20
ROUNDINGS = 26
"""Of both axes, at most, from cells and gradient to the points, and back; a product not fused with its sum counts."""


def refusal(problem: Problem, dtype: str) -> str | None:
    """Why it does not serve `problem`, or None if it does.

    >>> layer = Problem(1, 64, 64, (56, 56), (28, 28), (3, 3), (2, 2), (1, 1), (1, 1), "zeros")
    >>> refusal(layer, "float32")
    'it needs two axes with 3 taps, stride 1 and dilation 1'
    """
    if dtype not in ("float32", "float64"):
        return f"it rounds, and {dtype} is summed exactly"
    if (problem.kernel_size, problem.stride, problem.dilation) != ((TAPS, TAPS), (1, 1), (1, 1)):
        return "it needs two axes with 3 taps, stride 1 and dilation 1"
    if problem.mode not in ("zeros", "absent"):
        return f"it pads with zeros alone, not by mode {problem.mode!r}"
    if problem.macs == 0:
        return "there is nothing to multiply"
    workspace = WeightGradient.panel_bytes("winograd", dtype, chosen_isa(), *problem.arguments)
    if workspace > MAX_WORKSPACE_BYTES:
        return f"its transformed tiles and sums would need {workspace} bytes, more than {MAX_WORKSPACE_BYTES}"
    return None


def _tiles(problem: Problem) -> int:
    """Of one sample and channel."""
    return math.prod(math.ceil(size / TILE) for size in problem.out_size)


def cycles(problem: Problem, lanes: int, batch: int) -> float:
    """Estimated on one core, as `gradient_catalog` counts.

    Measured on one Zen 4 core with AVX-512: a vector of products of all points takes 42 cycles, a vector of channels of a tile 520
    to transform; a vector of pairs of channels 550 to begin, transform back and store.
    """
    tiles, inside = _tiles(problem), problem.in_channels
    blocks = math.ceil(problem.out_channels / lanes)
    both = math.ceil(inside / lanes) + blocks
    multiplied = batch * tiles * (42.0 * blocks * inside + 520.0 * both)
    return problem.groups * (multiplied + 550.0 * blocks * inside + 20000)


def error_growth(problem: Problem, dtype: str = "float32") -> float:
    """The error bound as a multiple of that of direct summation, ``(outputs + 1) * u * max sum(|input| * |grad|)``, for one sample.

    As in `winograd.error_growth` with the roles of weight and output exchanged: an error reaches tap k as at most
    ``M[k, a, j] = sum over points p of |G[p, k]| |At[j, p]| |Bt[p, a]|`` times |cell a| |gradient j| of a tile, summed over tiles; cell and
    gradient belong to the tap at a - j. The largest sum is taken over all such distances, those beyond the kernel too. What was
    measured is far smaller, 4 to 6 times the root mean square error of direct summation.

    >>> layer = Problem(1, 64, 64, (56, 56), (56, 56), (3, 3), (1, 1), (1, 1), (1, 1), "zeros")
    >>> 1 < error_growth(layer) < 100
    True
    """
    del dtype
    return max(1.0, float(_spread() ** 2 * (_tiles(problem) + ROUNDINGS) / (math.prod(problem.out_size) + 1)))


@cache
def _spread() -> Fraction:
    """By how much an error may grow along one axis, see `error_growth`."""
    to_outputs, weights, inputs = transforms(TILE)
    largest = Fraction(0)
    for k in range(TAPS):
        reach: dict[int, Fraction] = {}
        for a in range(len(inputs[0])):
            for j in range(TILE):
                through = sum((abs(weights[p][k] * to_outputs[j][p] * inputs[p][a]) for p in range(len(inputs))), Fraction(0))
                reach[a - j] = max(reach.get(a - j, Fraction(0)), through)
        largest = max(largest, sum(reach.values(), Fraction(0)))
    return largest
