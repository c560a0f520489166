"""Winograd's minimal filtering for the weight gradient, as its catalog sees it: what it serves, what it costs, how it rounds.

Owns the estimates for ``native/kernels/gradient_winograd``. The gradient of ``y = At ((G w) * (Bt d))`` with respect to the weight is
``Gt ((A g) * (Bt d))``: the transforms of the forward direction in other places, so 36 products serve 4 by 4 outputs and 3 by 3 taps. Both
sides are transformed once, the sums over all tiles transformed back in the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from faltung.engine.native import WeightGradient, chosen_isa, native_problem
from faltung.engine.problem import Problem, ProblemAxis
from faltung.engine.winograd import spread_of, transforms

__all__ = ["Form", "cycles", "error_growth", "form_of", "refusal"]

TILE, TAPS, POINTS = 4, 3, 6
PIECE_COLUMNS = 128
MAX_WORKSPACE_BYTES = 64 * 2**20
MOST_FAR_PAIRS = 2**12
ROUNDINGS = 13
"""Of an axis, at most, from cells and gradient to the points, and back; a product not fused with its sum counts."""


class _Axis(ProblemAxis):
    __slots__ = ()

    @property
    def is_transformable(self) -> bool:
        return self.kernel == TAPS and self.stride == 1

    @property
    def is_in_place(self) -> bool:
        return self.kernel == self.stride == 1 and self.before == 0 and self.size == self.out

    @property
    def tile(self) -> int:
        return TILE if self.is_transformable else 1

    @property
    def phases(self) -> int:
        """Undilated problems, of outputs that lie a dilation apart."""
        return max(1, min(self.dilation, self.out)) if self.is_transformable else 1

    @property
    def tiles(self) -> int:
        """Of a phase."""
        return -(-self.out // (self.phases * self.tile))


@dataclass(frozen=True, slots=True)
class Form:
    """How a problem is tiled, as in ``native/kernels/gradient_winograd/winograd_gradient_form.h``.

    Attributes
    ----------
    points : int
        Products of a tile and input channel: 6 for each axis that is transformed.
    axes : int
        Transformed axes.
    tiles : int
        Of one sample, channel and far output, zeros that fill the last piece of a row of tiles included.
    has_phases : bool
        Whether neighbouring cells of the columns are of different tiles.
    far_outputs, far_cells, far_taps : int
        Positions along all other axes, and the taps there.
    """

    points: int
    axes: int
    tiles: int
    has_phases: bool
    far_outputs: int
    far_cells: int
    far_taps: int


def form_of(problem: Problem) -> Form | None:
    """The form that serves `problem`, or None.

    The last axis has 3 taps, or one in place; the last axis before it that has 3 taps is transformed too, one of both at least.

    >>> layer = Problem(1, 64, 64, (8, 28, 28), (8, 28, 28), (3, 3, 3), (1, 1, 1), (1, 1, 1), (1, 1, 1), "zeros")
    >>> form_of(layer)
    Form(points=36, axes=2, tiles=49, has_phases=False, far_outputs=8, far_cells=8, far_taps=3)
    """
    axes = [_Axis(*axis) for axis in problem.axes if not axis.is_trivial]
    if not axes or problem.macs == 0:
        return None
    columns = axes.pop()
    number = next((a for a in reversed(range(len(axes))) if axes[a].is_transformable), None)
    if not columns.is_transformable and (number is None or not columns.is_in_place):
        return None
    rows = _Axis() if number is None else axes.pop(number)
    transformed = rows.is_transformable + columns.is_transformable
    pieces = -(-columns.tiles * columns.tile // PIECE_COLUMNS)
    row_of_tiles = columns.phases * pieces * -(-columns.tiles // pieces)
    return Form(
        POINTS**transformed, transformed, rows.phases * rows.tiles * row_of_tiles, columns.phases > 1,
        math.prod(axis.out for axis in axes), math.prod(axis.size for axis in axes), math.prod(axis.kernel for axis in axes),
    )  # fmt: skip


def refusal(problem: Problem, dtype: str) -> str | None:
    """Why it does not serve `problem`, or None if it does.

    >>> layer = Problem(1, 64, 64, (56, 56), (28, 28), (3, 3), (2, 2), (1, 1), (1, 1), "zeros")
    >>> refusal(layer, "float32")
    'it needs an axis of 3 taps with stride 1, and of the last axis these, or one tap in place'
    """
    if dtype not in ("float32", "float64"):
        return f"it rounds, and {dtype} is summed exactly"
    if problem.macs == 0:
        return "there is nothing to multiply"
    form = form_of(problem)
    if form is None:
        return "it needs an axis of 3 taps with stride 1, and of the last axis these, or one tap in place"
    if form.far_taps > 1 and form.far_outputs * form.far_taps > MOST_FAR_PAIRS:
        return f"{form.far_outputs} outputs and {form.far_taps} taps meet along the axes that are not transformed, too many pairs"
    workspace = WeightGradient.panel_bytes("winograd", dtype, chosen_isa(), native_problem(problem))
    if workspace > MAX_WORKSPACE_BYTES:
        return f"its transformed tiles and sums would need {workspace} bytes, more than {MAX_WORKSPACE_BYTES}"
    return None


def cycles(problem: Problem, lanes: int, batch: int) -> float:
    """Estimated on one core, as `gradient_catalog` counts.

    Measured on one Zen 4 core with AVX-512: a vector of products of a point takes 1.15 cycles; a vector of channels of a tile 520 to
    transform along two axes and 70 along one, 580 and 130 more where its cells do not lie side by side; a vector of pairs of channels 15 a
    point to begin, transform back and store.
    """
    form = form_of(problem)
    if form is None:
        return math.inf
    inside, blocks = problem.in_channels, math.ceil(problem.out_channels / lanes)
    products = 1.15 * form.points * form.far_outputs * form.far_taps * blocks * inside
    both, alone = (580.0, 130.0) if form.has_phases else (0.0, 0.0)
    far_cells = form.far_cells if form.far_taps > 1 else form.far_outputs
    transforms = (520.0 + both if form.axes == 2 else 70.0 + alone) * (far_cells * math.ceil(inside / lanes) + form.far_outputs * blocks)
    fit = 1.2 if form.far_taps > 1 or form.has_phases else 1.0
    sums = 15.0 * form.points * form.far_taps * blocks * inside
    return problem.groups * (fit * batch * form.tiles * (products + transforms) + sums + 9000)


def error_growth(problem: Problem, dtype: str = "float32") -> float:
    """The error bound as a multiple of that of direct summation, ``(outputs + 1) * u * max sum(|input| * |grad|)``, for one sample.

    As in `winograd.error_growth` with the roles of weight and output exchanged: an error reaches tap k as at most
    ``M[k, a, j] = sum over points p of |G[p, k]| |At[j, p]| |Bt[p, a]|`` times |cell a| |gradient j| of a tile, summed over tiles; cell and
    gradient belong to the tap at a - j. The largest sum is taken over all such distances, those beyond the kernel too. What was
    measured is far smaller, 4 to 6 times the root mean square error of direct summation along two axes.

    >>> layer = Problem(1, 64, 64, (56, 56), (56, 56), (3, 3), (1, 1), (1, 1), (1, 1), "zeros")
    >>> 1 < error_growth(layer) < 100
    True
    """
    del dtype
    form = form_of(problem)
    if form is None:
        raise ValueError(f"it does not serve {problem}")
    summed = form.tiles * form.far_outputs + ROUNDINGS * form.axes
    return max(1.0, float(_spread() ** form.axes * summed / (math.prod(problem.out_size) + 1)))


@cache
def _spread() -> Fraction:
    """By how much an error may grow along one axis, see `error_growth`.

    >>> round(float(_spread()), 2)
    20.6
    """
    to_outputs, weights, inputs = transforms(TILE)
    to_taps, gradients = (tuple(zip(*matrix, strict=True)) for matrix in (weights, to_outputs))
    return spread_of((to_taps, gradients, inputs))
