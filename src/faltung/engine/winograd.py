"""Winograd's minimal filtering, as the plan sees it: what it serves, what it costs, how it rounds.

Tiles of 4 (or 2) outputs along an axis of 3 taps need 6 (or 4) products instead of 12 (or 6), in two axes 36
instead of 144, at the price of transforms and of transformed weights that are larger than the weights. The
form is chosen by sizes alone, here as in ``native/kernels/winograd``. Standard library only.

Sources: Winograd, "Arithmetic Complexity of Computations", 1980; Lavin & Gray, "Fast algorithms for
convolutional neural networks", CVPR 2016; Barabasz, Anderson, Soodhalter & Gregg, "Error analysis and improving
the accuracy of Winograd convolution for deep neural networks", ACM TOMS 46(4), 2020.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from faltung.engine.layout import axes_in_layout
from faltung.engine.problem import Problem, ProblemAxis, size_text
from faltung.engine.processor import product_cycles

__all__ = [
    "Form", "array_bytes", "cycles", "error_growth", "form_of", "kernel_and_stride", "packing_cycles", "refusal", "spread", "spread_of",
    "transforms",
]  # fmt: skip

TAPS, MANY_TAPS = 3, 5
BY_REQUEST = 6
"""Outputs of a tile of `winograd6` along each axis, which round too much to be taken unasked."""

LARGEST_WORKSPACE_BYTES = 64 * 2**20
FEWEST_TILES = 16
TILES_OF_A_BLOCK = 48
FEW_TILES = 12
"""Of a whole sample: with fewer, 36 numbers for 9 weights take longer to fetch than to multiply."""

FEW_TERMS, FEW_TERMS_LANES = 4, 16
"""Of `multiply_few_terms` in ``native/kernels/winograd``, which wants many registers."""

L2_BYTES, L3_BYTES = 2**19, 12 * 2**20
"""What one core may count on to find again in each cache."""

CALL_CYCLES = 2000
COMPARED = 1.15
"""Cycles as the other algorithms' estimates count them, over those at the processor's clock."""

_HALF = Fraction(1, 2)
POINTS = {
    4: (Fraction(0), Fraction(1), Fraction(-1)),
    6: (Fraction(0), Fraction(1), Fraction(-1), _HALF, Fraction(-2)),
    7: tuple(sign * point for point in (Fraction(1, 4), Fraction(13, 16), Fraction(2)) for sign in (1, -1)),
    8: (Fraction(0), Fraction(1), Fraction(-1), _HALF, -_HALF, Fraction(2), Fraction(-2)),
}
"""Where the polynomials are evaluated, and at infinity, by the number of these places. Seven, of four taps, round less without 0 and 1."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a problem is tiled: its last two axes as `native/core/layout.h` sees them.

    Attributes
    ----------
    rows, columns : int
        Outputs of a tile; 1 where an axis is not transformed.
    row_size, column_size : int
        Outputs of the problem.
    row_phases, column_phases : int
        Undilated problems along an axis, of outputs that lie a dilation apart.
    terms : int
        Products summed at each point: input channels times the taps of all other axes.
    far_outputs : int
        Outputs of the axes before the last two.
    taps : int
        Of an axis that is transformed.
    """

    rows: int
    columns: int
    row_size: int
    column_size: int
    terms: int
    far_outputs: int
    row_phases: int = 1
    column_phases: int = 1
    taps: int = TAPS

    @property
    def points(self) -> int:
        """Products of a tile and term."""
        return _points(self.rows, self.taps) * _points(self.columns, self.taps)

    @property
    def tile_rows(self) -> int:
        """Tiles along the rows' axis, of all phases."""
        return self.row_phases * -(-self.row_size // (self.row_phases * self.rows))

    @property
    def tile_columns(self) -> int:
        """Tiles along the columns' axis, of all phases."""
        return self.column_phases * -(-self.column_size // (self.column_phases * self.columns))


class _Axis(ProblemAxis):
    __slots__ = ()

    @property
    def is_transformed(self) -> bool:
        return self.kernel in (TAPS, MANY_TAPS) and self.stride == 1

    @property
    def phases(self) -> int:
        return max(1, min(self.dilation, self.out))


def _points(outputs: int, taps: int) -> int:
    return 1 if outputs == 1 else outputs + taps - 1


def _axes(problem: Problem) -> list[_Axis]:
    """As kernels see them, at least two."""
    return [_Axis(*axis) for axis in axes_in_layout(problem)]


def form_of(problem: Problem, *, by_six: bool = False) -> Form | None:
    """The form that serves `problem`, or None; `by_six`: of `winograd6`.

    >>> layer = Problem(1, 64, 64, (56, 56), (56, 56), (3, 3), (1, 1), (1, 1), (1, 1), "zeros")
    >>> form = form_of(layer)
    >>> form.rows, form.columns, form.points, form.tile_rows
    (4, 4, 36, 14)
    """
    *far, rows, columns = _axes(problem)
    terms = problem.in_channels * math.prod(axis.kernel for axis in far)
    far_outputs = math.prod(axis.out for axis in far)
    both = rows.is_transformed and columns.is_transformed and rows.kernel == columns.kernel
    if by_six and (not both or rows.kernel != TAPS):
        return None
    if not columns.is_transformed:
        if (columns.kernel, columns.stride) != (1, 1) or not rows.is_transformed:
            return None
        return Form(4, 1, rows.out, columns.out, terms, far_outputs, rows.phases, taps=rows.kernel)
    if not both:
        return Form(1, 4, rows.out, columns.out, terms * rows.kernel, far_outputs, 1, columns.phases, columns.kernel)
    by_two, by_four, with_six = (
        Form(m, m, rows.out, columns.out, terms, far_outputs, rows.phases, columns.phases, rows.kernel) for m in (2, 4, BY_REQUEST)
    )
    if by_six:
        return with_six
    is_small = by_four.tile_rows * by_four.tile_columns < FEW_TILES or _products(by_two) <= _products(by_four)
    return by_two if is_small else by_four


def _products(form: Form) -> int:
    return form.points * form.tile_rows * form.tile_columns


def refusal(problem: Problem, dtype: str, *, by_six: bool = False) -> str | None:
    """Why it does not serve `problem`, or None if it does.

    >>> layer = Problem(1, 64, 64, (56, 56), (28, 28), (3, 3), (2, 2), (1, 1), (1, 1), "zeros")
    >>> refusal(layer, "float32")
    'it needs 3 or 5 taps with stride 1 along the last axis or the one before it; here kernel 3×3, stride 2×2'
    """
    if dtype not in ("float32", "float64"):
        return f"{'tiles so large round' if by_six else 'it rounds'}, and {dtype} is summed exactly"
    form = form_of(problem, by_six=by_six)
    if form is None:
        sizes = kernel_and_stride(problem)
        if by_six:
            return f"it needs {TAPS} taps with stride 1 along the last two axes; here {sizes}"
        return f"it needs {TAPS} or {MANY_TAPS} taps with stride 1 along the last axis or the one before it; here {sizes}"
    if problem.in_channels == 0 or math.prod(problem.out_size) == 0:
        return "there is nothing to multiply"
    least = form.points * form.terms * FEWEST_TILES * (4 if dtype == "float32" else 8)
    if least > LARGEST_WORKSPACE_BYTES // 2:
        return f"{form.terms} terms a point need {least} bytes for one block of tiles, more than {LARGEST_WORKSPACE_BYTES // 2}"
    return None


def kernel_and_stride(problem: Problem) -> str:
    """What refusals show of a problem."""
    return f"kernel {size_text(problem.kernel_size)}, stride {size_text(problem.stride)}"


def cycles(problem: Problem, lanes: int, *, by_six: bool = False) -> float:
    """Estimated for one sample on one core, as `catalog` counts them; weights packed before.

    Measured on one Zen 4 core with AVX-512 over fifty layers: a vector of products takes a cycle; a row of tiles of one
    channel 90 cycles and 13 more a tile to transform; a vector of channels of a tile 260 to transform back; all for 36 points.
    Phases of a dilation are copied row by row, 20 cycles each, before, and stored number by number. Of few terms products go
    straight into the transform back, and lines of the output arrive meanwhile: 140 cycles, 230 where rows end within a line, and a
    fifth of the waiting.
    """
    form = form_of(problem, by_six=by_six)
    if form is None:
        return math.inf
    share = form.points / 36
    rows = problem.groups * form.far_outputs * form.tile_rows * form.column_phases
    tiles = problem.groups * form.far_outputs * form.tile_rows * form.tile_columns
    blocks = math.ceil(problem.out_channels / lanes)
    there = share * form.terms * (90 * rows + 13 * 16 / lanes * tiles)
    if form.column_phases > 1:
        there += 20 * rows * form.terms * _points(form.rows, form.taps)
    has_few_terms = form.terms <= FEW_TERMS and lanes >= FEW_TERMS_LANES and (form.rows, form.columns, form.taps) == (4, 4, TAPS)
    of_few_terms = 140 if form.column_size % lanes == 0 else 230
    back = share * tiles * blocks * (500 if form.column_phases > 1 else of_few_terms if has_few_terms else 260)
    if form.rows == 1:  # of a line of outputs each number is stored by another phase, the later the more phases there are
        back += 2.5 * math.log2(form.column_phases) * problem.groups * problem.out_channels * math.prod(problem.out_size)
    multiplied = _multiplying_cycles(problem, form, lanes)
    summed = there + back + max(multiplied, _fetching_cycles(problem, form, lanes))
    waiting = (0.06 if has_few_terms else 0.3) * max(0, array_bytes(problem) - L2_BYTES)
    return CALL_CYCLES + COMPARED * summed + waiting


def shared_cycles(problem: Problem, lanes: int) -> float:
    """What of `cycles` samples share: a block takes tiles of several samples, so that weights are fetched once for all of its tiles."""
    form = form_of(problem)
    if form is None:
        return 0.0
    fetching, multiplied = _fetching_cycles(problem, form, lanes), _multiplying_cycles(problem, form, lanes)
    return COMPARED * (max(multiplied, fetching) - max(multiplied, fetching * _fill(form)))


def _multiplying_cycles(problem: Problem, form: Form, lanes: int) -> float:
    tiles = problem.groups * form.far_outputs * form.tile_rows * form.tile_columns
    return 1.04 * product_cycles(two=0.58) * form.points * tiles * math.ceil(problem.out_channels / lanes) * form.terms


def _fill(form: Form) -> float:
    """The part of its blocks that one sample's tiles fill."""
    blocks = form.far_outputs * form.tile_rows * form.tile_columns / 2 / FEWEST_TILES
    return blocks / math.ceil(blocks)


def array_bytes(problem: Problem) -> int:
    """Of input and output: where they do not stay in L2, transforms wait for them."""
    cells = problem.in_channels * math.prod(problem.in_size) + problem.out_channels * math.prod(problem.out_size)
    return 4 * problem.groups * cells


def _fetching_cycles(problem: Problem, form: Form, lanes: int) -> float:
    """Of the transformed weights, once for each block of tiles, where they do not stay in L2."""
    fetched = _packed_bytes(problem, form, lanes)
    if fetched <= L2_BYTES:
        return 0.0
    tiles = form.far_outputs * form.tile_rows * form.tile_columns
    return fetched * math.ceil(tiles / 2 / FEWEST_TILES) / (12 if fetched <= L3_BYTES else 5)


def _packed_bytes(problem: Problem, form: Form, lanes: int) -> int:
    """The element's size follows from the lanes only together with the instruction set; float32 is what matters."""
    channels = math.ceil(problem.out_channels / (2 * lanes)) * 2 * lanes
    return 4 * problem.groups * form.points * form.terms * channels


def packing_cycles(problem: Problem, lanes: int, *, by_six: bool = False) -> float:
    """Estimated for transforming the weights, on one core: to be added where they are not prepared.

    They are transformed where they are wanted, anew for each of a few blocks of tiles, or once, to memory, if they are few.
    """
    form = form_of(problem, by_six=by_six)
    if form is None:
        return math.inf
    vectors = problem.groups * form.terms * math.ceil(problem.out_channels / lanes)
    once = COMPARED * vectors * (100 + 2 * form.points)
    blocks = math.ceil(form.far_outputs * form.tile_rows * form.tile_columns / TILES_OF_A_BLOCK)
    return once * min(blocks, 2) + 0.3 * (max(0, _packed_bytes(problem, form, lanes) - L2_BYTES) if blocks > 2 else 0)


def error_growth(problem: Problem, dtype: str = "float32", *, by_six: bool = False) -> float:
    """The error bound as a multiple of that of direct summation, ``(terms + 1) * u * max sum(|input| * |weight|)``.

    With transforms At, G, Bt, an error in any step reaches output o as at most ``|At| (|G||w| * |Bt||d|)``: input cell a and
    tap b of a tile enter with the coefficient ``M[o, a, b] = sum over points p of |At[o, p]| |Bt[p, a]| |G[p, b]|`` in each axis.
    Cell and tap belong to the output at a - b, so the whole is at most ``sum over q of max over a - b = q of M[o, a, b]`` times
    the largest sum of |input||weight| at any position (19.07 for 4 outputs, 5 for 2, in each axis; 46.0 and 22.9 for 5 taps, 41.6
    for 6 outputs of 3). Each product passes through one rounding a channel and those of the transforms. What was measured is far
    smaller: 2.5 times the root mean square error of direct summation for 4 by 4 outputs (points 0, ±1, 2, -2: 4.1 times), 0.64 times
    for 2 by 2; of 5 by 5 taps 4.2 and 1.7 times, by 6 outputs 7.5.

    "Any position" includes those just outside the output, which a cell at the border and a tap that it never meets there
    belong to: only with full or circular padding are all of them outputs. Elsewhere the bound presumes that the sums there
    are not above the largest at an output.

    Input and weight must stay below 2**40 (float32) or 2**400 (float64), so that no product of transforms overflows.

    >>> layer = Problem(1, 64, 64, (56, 56), (56, 56), (3, 3), (1, 1), (1, 1), (1, 1), "zeros")
    >>> round(error_growth(layer), 1)
    58.0
    """
    del dtype
    form = form_of(problem, by_six=by_six)
    if form is None:
        return 1.0
    transformed = [outputs for outputs in (form.rows, form.columns) if outputs > 1]
    grown = math.prod(spread(outputs, form.taps) for outputs in transformed)
    roundings = form.terms + 2 + sum((ROUNDINGS if form.taps == TAPS else ROUNDINGS_OF_MANY)[outputs] for outputs in transformed)
    return max(1.0, float(grown * roundings / (problem.terms + 1)))


ROUNDINGS = {2: 6, 4: 13, 6: 11}
"""Of one axis, at most, from an input to an output; a product not fused with its sum counts, and so does a constant that is not exact.

By 4: to the points 4, the weights to them 4, back 4; by 2: 1, 2 and 2; by 6: 3, 4 and 4.
"""

ROUNDINGS_OF_FOUR = 17
"""Of 4 taps by 4 outputs. To the points 6, the weights to them 6, back 5."""

ROUNDINGS_OF_MANY = {2: 14, 4: 12}
"""Of 5 taps. By 2: to the points 4, the weights to them 6, back 4; by 4: 3, 5 and 4."""


@cache
def spread(outputs: int, taps: int = TAPS, points: tuple[Fraction, ...] = ()) -> Fraction:
    """By how much an error may grow along one axis, see `error_growth`.

    >>> float(spread(2)), round(float(spread(4)), 2)
    (5.0, 19.07)
    """
    return spread_of(transforms(outputs, taps, points))


Matrix = tuple[tuple[Fraction, ...], ...]
Transforms = tuple[Matrix, Matrix, Matrix]


def spread_of(form: Transforms) -> Fraction:
    """Of transforms At, G and Bt: the largest sum, over the windows that a cell and a tap may belong to, of what reaches an output."""
    to_outputs, weights, inputs = form
    largest = Fraction(0)
    for row in to_outputs:
        reach: dict[int, Fraction] = {}
        for a in range(len(inputs[0])):
            for b in range(len(weights[0])):
                through = sum((abs(row[p] * inputs[p][a] * weights[p][b]) for p in range(len(row))), Fraction(0))
                reach[a - b] = max(reach.get(a - b, Fraction(0)), through)
        largest = max(largest, sum(reach.values(), Fraction(0)))
    return largest


def transforms(outputs: int, taps: int = TAPS, points: tuple[Fraction, ...] = ()) -> Transforms:
    """At (outputs, points), G (points, taps) and Bt (points, inputs) with ``y = At ((G w) * (Bt d))``, by Toom and Cook.

    `points` are those of `POINTS` unless given.

    >>> to_outputs, weights, inputs = transforms(2)
    >>> [[int(entry) for entry in row] for row in to_outputs]
    [[1, 1, 1, 0], [0, 1, -1, 1]]
    """
    points = points or POINTS[outputs + taps - 1]
    whole = _product_of_roots(points)
    inputs = [*((*_product_of_roots(points[:i] + points[i + 1 :]), Fraction(0)) for i in range(len(points))), whole]
    weights = []
    for i, point in enumerate(points):
        scale = math.prod((point - other for other in points[:i] + points[i + 1 :]), start=Fraction(1))
        weights.append(tuple(point**k / scale for k in range(taps)))
    weights.append((*(Fraction(0),) * (taps - 1), Fraction(1)))
    to_outputs = [(*(point**i for point in points), Fraction(i == outputs - 1)) for i in range(outputs)]
    return tuple(to_outputs), tuple(weights), tuple(inputs)


def _product_of_roots(roots: tuple[Fraction, ...]) -> tuple[Fraction, ...]:
    """Coefficients, the lowest first, of the product of (x - root)."""
    coefficients = [Fraction(1)]
    for root in roots:
        shifted = [Fraction(0), *coefficients]
        coefficients = [upper - root * lower for upper, lower in zip(shifted, [*coefficients, Fraction(0)], strict=True)]
    return tuple(coefficients)
