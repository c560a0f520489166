"""Large kernels of few channels by Winograd's minimal filtering, as the plan sees it: what it serves, costs, how it rounds.

A stride cuts the input into phases, and the taps of a phase are taken in pieces of 3 or 4: each phase, piece and input channel is one more
channel of a correlation of stride 1, whose tiles of 4 by 4 outputs need 6 by 6 or 7 by 7 products. A 7×7 kernel with stride 2 on three
channels takes 12 × 49 products a tile instead of 3 × 784. The form is chosen by sizes alone, here as in ``native/kernels/stem``. Standard
library only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from faltung.engine import winograd
from faltung.engine.layout import axes_in_layout
from faltung.engine.problem import Problem
from faltung.engine.processor import product_cycles

__all__ = ["Form", "cycles", "error_growth", "form_of", "packing_cycles", "refusal"]

OUTPUTS = 4
"""Of a tile, along each axis."""

STRIDES = (1, 2, 4)
"""Of the columns, which vectors can be taken apart by."""

MOST_INPUT_BYTES = 2**20
"""Of a block's transformed input, which stays in L2."""

BLOCK_TILES, NUMBER_BYTES = 16, 4

ROUNDINGS = {3: winograd.ROUNDINGS[OUTPUTS], 4: winograd.ROUNDINGS_OF_FOUR}

CALL_CYCLES = 3000


@dataclass(frozen=True, slots=True)
class Form:
    """How a problem is cut.

    Attributes
    ----------
    taps : int
        Of a piece, along each axis.
    row_members, column_members : int
        Phases and pieces along each.
    tile_rows, tile_columns : int
    column_stride : int
    """

    taps: int
    row_members: int
    column_members: int
    tile_rows: int
    tile_columns: int
    column_stride: int

    @property
    def members(self) -> int:
        """Of both axes together."""
        return self.row_members * self.column_members

    @property
    def points(self) -> int:
        """Products of a tile and term."""
        return (OUTPUTS + self.taps - 1) ** 2


def form_of(problem: Problem) -> Form | None:
    """The form that serves `problem`, or None.

    >>> layer = Problem(1, 3, 64, (224, 224), (112, 112), (7, 7), (2, 2), (1, 1), (3, 3), "zeros")
    >>> form_of(layer)
    Form(taps=4, row_members=2, column_members=2, tile_rows=28, tile_columns=28, column_stride=2)
    """
    *far, rows, columns = axes_in_layout(problem)
    if far or columns.stride not in STRIDES:
        return None
    if any(axis.dilation > 1 or axis.kernel <= 2 * axis.stride for axis in (rows, columns)):
        return None
    if all(axis.stride == 1 and axis.kernel <= winograd.MANY_TAPS for axis in (rows, columns)):
        return None  # `winograd` takes them whole
    forms = []
    for taps in (3, 4):
        along_rows, along_columns = (axis.stride * -(-axis.kernel // (axis.stride * taps)) for axis in (rows, columns))
        forms.append(Form(taps, along_rows, along_columns, -(-rows.out // OUTPUTS), -(-columns.out // OUTPUTS), columns.stride))
    return min(forms, key=lambda form: form.points * form.members)


def refusal(problem: Problem, dtype: str) -> str | None:
    """Why it does not serve `problem`, or None if it does."""
    if dtype not in ("float32", "float64"):
        return f"tiles of pieces round, and {dtype} is summed exactly"
    if problem.in_channels == 0 or math.prod(problem.out_size) == 0:
        return "there is nothing to take in pieces"
    form = form_of(problem)
    if form is None:
        return (
            f"it needs two axes, not dilated, of more than {winograd.MANY_TAPS} taps, "
            f"or of more than two in each phase of a stride of 2 or 4; here {winograd.kernel_and_stride(problem)}"
        )
    if problem.mode not in ("zeros", "absent"):
        return f"tiles of phases and pieces need borders of zeros, not {problem.mode}"
    transformed = form.members * problem.in_channels * form.points * BLOCK_TILES * NUMBER_BYTES
    if transformed > MOST_INPUT_BYTES:
        return f"{problem.in_channels} channels of {form.members} phases and pieces need {transformed} bytes, more than stay in the cache"
    return None


def cycles(problem: Problem, lanes: int) -> float:
    """Estimated for one sample on one core, as `catalog` counts them; weights packed before.

    Measured on one Emerald Rapids core with AVX-512 over eighty layers, of which two thirds take within 20 % of the estimate: a row of
    input cells takes 100 cycles for each block of tiles, a term 160 more, and a vector of channels of a tile 220 to transform back.
    """
    form = form_of(problem)
    if form is None:
        return math.inf
    terms = form.members * problem.in_channels
    vectors = _vectors(problem, lanes)
    tiles = form.tile_rows * math.ceil(form.tile_columns / 2) * 2
    blocks = form.tile_rows * math.ceil(form.tile_columns / lanes)
    share = form.points / 49
    there = blocks * share * problem.in_channels * (100 * OUTPUTS * form.row_members * form.column_stride + 160 * form.members)
    multiplied = 1.05 * product_cycles(two=0.62) * form.points * terms * vectors * tiles
    back = 220 * math.sqrt(share) * vectors * tiles
    fetched = _packed_bytes(problem, form, lanes)
    fetching = (0.05 if fetched <= 2 * winograd.L2_BYTES else 0.18) * blocks * fetched
    waiting = 0.15 * max(0, winograd.array_bytes(problem) - winograd.L2_BYTES)
    return CALL_CYCLES + winograd.COMPARED * problem.groups * (there + multiplied + back + fetching) + waiting


def _vectors(problem: Problem, lanes: int) -> int:
    """Of output channels, two together where there are registers enough."""
    together = 2 if lanes >= winograd.FEW_TERMS_LANES else 1
    return together * math.ceil(problem.out_channels / (together * lanes))


def _packed_bytes(problem: Problem, form: Form, lanes: int) -> int:
    """Of one group's transformed weights, which come once for each block of tiles."""
    return NUMBER_BYTES * form.points * form.members * problem.in_channels * lanes * _vectors(problem, lanes)


def packing_cycles(problem: Problem, lanes: int) -> float:
    """Estimated for transforming the weights, on one core: to be added where they are not prepared."""
    form = form_of(problem)
    if form is None:
        return math.inf
    return problem.groups * problem.in_channels * form.members * _vectors(problem, lanes) * (200 + 4 * form.points)


def error_growth(problem: Problem, dtype: str = "float32") -> float:
    """The error bound as a multiple of that of direct summation, by the reasoning of `winograd.error_growth`.

    Phases and pieces let each output hear the sums at the outputs beside it by the same coefficients, so that together they hear those of
    all of them.

    >>> layer = Problem(1, 3, 64, (224, 224), (112, 112), (7, 7), (2, 2), (1, 1), (3, 3), "zeros")
    >>> round(error_growth(layer))
    220
    """
    del dtype
    form = form_of(problem)
    if form is None:
        return 1.0
    grown = winograd.spread(OUTPUTS, form.taps) ** 2
    roundings = form.members * problem.in_channels + 2 + 2 * ROUNDINGS[form.taps]
    return max(1.0, float(grown * roundings / (problem.terms + 1)))
