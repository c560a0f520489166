"""Winograd's filtering of the phases of a transposed correlation, as the plan sees it: what it serves, costs, how it rounds.

Each phase of the stride is a correlation of stride 1 with few taps: 4 taps with stride 2 are two phases of 2. Tiles of 4 (or 2)
outputs of a phase need 5 (or 3) products an axis for 2 taps instead of 8 (or 4), 6 (or 4) for 3; an axis of one tap is left as it
is. The form is chosen by sizes alone, here as in ``native/kernels/winograd_phases``. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from faltung.engine import winograd
from faltung.engine.problem import Problem
from faltung.geometry import Phase

__all__ = ["POINTS", "Form", "Member", "cycles", "error_growth", "form_of", "packing_cycles", "refusal"]

MOST_TAPS = 3
MOST_MEMBERS = 512
FEW_COLUMNS = 4
FEW_TILES, TRANSFORM_TILES = 6, 2
FEWEST_TILES, MOST_TILES = 16, 48
V_BYTES = 2**20
MANY_WEIGHT_BYTES = 2**23
L2_BYTES = 2**19

CALL_CYCLES = 2000

POINTS = {2: (Fraction(0), Fraction(1)), 4: (Fraction(0), Fraction(1), Fraction(-1, 2), Fraction(-2))}
"""Where the polynomials of 2 taps are evaluated, and at infinity, for tiles of 2 and 4 outputs."""

ROUNDINGS = {2: 4, 4: 10}
"""Of one axis of 2 taps, as `winograd.ROUNDINGS`. By 4: to the points 3, the weights to them 3, back 3; by 2: 1, 1 and 1."""


@dataclass(frozen=True, slots=True)
class Member:
    """One phase of each axis.

    Attributes
    ----------
    row_points, column_points : int
        Products of a tile and term.
    weight_points : int
        Numbers that a term's weights become; one tap is the same at all points.
    far_taps : int
        Of the axes before the last two.
    befores : tuple of int
        With the points, what tells one transformed input from another.
    """

    row_taps: int
    column_taps: int
    row_points: int
    column_points: int
    far_taps: int
    befores: tuple[int, ...]

    @property
    def points(self) -> int:
        """Products of a tile and term."""
        return self.row_points * self.column_points

    @property
    def weight_points(self) -> int:
        """Numbers that a term's weights become; one tap is the same at all points."""
        return (self.row_points if self.row_taps > 1 else 1) * (self.column_points if self.column_taps > 1 else 1)


@dataclass(frozen=True, slots=True)
class Form:
    """How a problem is tiled.

    Attributes
    ----------
    rows, columns : int
        Outputs of a tile, in each phase.
    tile_rows, tile_columns : int
    far_outputs : int
        Of one phase, along the axes before the last two.
    members : tuple of Member
    """

    rows: int
    columns: int
    tile_rows: int
    tile_columns: int
    far_outputs: int
    members: tuple[Member, ...]

    @property
    def tiles(self) -> int:
        """Of all far outputs."""
        return self.far_outputs * self.tile_rows * self.tile_columns

    @property
    def inputs(self) -> tuple[Member, ...]:
        """Members whose inputs differ."""
        return tuple({(member.row_points, member.column_points, member.befores): member for member in self.members}.values())


def _axes(problem: Problem) -> list[tuple[Phase, ...]]:
    """The phases of each axis in the order of the compiled engine's layout, at least two."""
    axes = []
    for size, axis in zip(problem.in_size, problem.phases, strict=True):
        reached = [phase for phase in axis if phase.taps]
        first = min((-phase.before for phase in reached), default=0)
        last = max((-phase.before + (phase.taps - 1) * phase.dilation for phase in reached), default=0)
        if (size, axis[0].count, first, last) != (1, 1, 0, 0) or len(axis) > 1:
            axes.append(axis)
    axes = [(Phase(0, 1, 0, 1, 1, 1, 0),)] * (2 - len(axes)) + axes
    if axes[-1][0].count < FEW_COLUMNS:
        longest = max(reversed(range(len(axes))), key=lambda a: axes[a][0].count)
        axes[longest], axes[-1] = axes[-1], axes[longest]
    return axes


def form_of(problem: Problem) -> Form | None:
    """The form that serves `problem`, or None.

    >>> from faltung.engine.lowering import lower
    >>> from faltung.spec import ConvSpec
    >>> layer = lower(ConvSpec.parse("conv_transpose2d(64, 32, 4, stride=2, padding=1)"), (16, 16), backward=False, bundles_phases=True)
    >>> form = form_of(layer.problems[0])
    >>> form.rows, form.columns, [member.points for member in form.members], form.tiles
    (4, 4, [25, 25, 25, 25], 16)
    """
    *far, rows, columns = _axes(problem)
    if any(not 1 <= phase.taps <= MOST_TAPS or (phase.taps > 1 and phase.dilation > 1) for phase in (*rows, *columns)):
        return None
    if any(phase.taps < 1 for axis in far for phase in axis):
        return None
    if all(phase.taps == 1 for phase in (*rows, *columns)) or math.prod(map(len, (*far, rows, columns))) > MOST_MEMBERS:
        return None
    has_rows = rows[0].count > 1 or len(rows) > 1 or rows[0].taps > 1
    outputs = (4 if has_rows else 1, 4)
    if has_rows and _products(rows, columns, 2) < _products(rows, columns, 4):
        outputs = (2, 2)
    members = tuple(
        Member(
            row.taps,
            column.taps,
            outputs[0] + row.taps - 1,
            outputs[1] + column.taps - 1,
            math.prod(phase.taps for phase in others),
            tuple(number for phase in (*others, row, column) for number in (phase.before, phase.count, phase.taps)),
        )
        for *others, row, column in product(*far, rows, columns)
    )
    tiles = (-(-rows[0].count // outputs[0]), -(-columns[0].count // outputs[1]))
    return Form(*outputs, *tiles, math.prod(axis[0].count for axis in far), members)


def _products(rows: tuple[Phase, ...], columns: tuple[Phase, ...], outputs: int) -> int:
    """Of all phases, and what transforming a weight costs."""
    points = math.prod(sum(outputs + phase.taps - 1 for phase in axis) for axis in (rows, columns))
    return points * (max(FEW_TILES, -(-rows[0].count // outputs) * -(-columns[0].count // outputs)) + TRANSFORM_TILES)


def refusal(problem: Problem, dtype: str) -> str | None:
    """Why it does not serve `problem`, which has phases, or None if it does."""
    if dtype not in ("float32", "float64"):
        return f"it rounds, and {dtype} is summed exactly"
    if problem.in_channels == 0 or math.prod(problem.out_size) == 0:
        return "there is nothing to multiply"
    form = form_of(problem)
    if form is None:
        sizes = ", ".join(
            f"{name} {'×'.join(map(str, values))}" for name, values in (("kernel", problem.kernel_size), ("stride", problem.stride))
        )
        return f"it needs 1 to {MOST_TAPS} taps in each phase of the last two axes, several in some; here {sizes}"
    number = 4 if dtype == "float32" else 8
    least = sum(member.points * member.far_taps for member in form.members) * problem.in_channels * FEWEST_TILES * number
    if least > winograd.LARGEST_WORKSPACE_BYTES // 2:
        return (
            f"{problem.in_channels} channels need {least} bytes for one block of tiles, more than {winograd.LARGEST_WORKSPACE_BYTES // 2}"
        )
    return None


def cycles(problem: Problem, lanes: int) -> float:
    """Estimated for one sample on one core, as `catalog` counts them; weights packed before.

    Measured on one Zen 4 core with AVX-512 over thirty layers, per phase: a vector of products takes a cycle; a row of tiles of one
    channel 100 cycles and 6.5 more a tile to transform; a vector of channels of a tile 350 to transform back; all for 25 points.
    """
    form = form_of(problem)
    if form is None:
        return math.inf
    vectors = problem.groups * math.ceil(problem.out_channels / lanes)
    channels = problem.groups * problem.in_channels
    rows = channels * form.far_outputs * form.tile_rows
    there = sum(member.points / 25 * member.far_taps for member in form.inputs) * rows * (100 + 6.5 * 16 / lanes * form.tile_columns)
    points = sum(member.points for member in form.members)
    terms = sum(member.points * member.far_taps for member in form.members) * problem.in_channels
    multiplied = 1.05 * terms * vectors * form.tiles
    back = 14 * points * vectors * form.tiles
    wanted = _transforming_cycles(problem, form, vectors) * _blocks(problem, form) if _keeps_taps(problem, form, lanes) else 0.0
    summed = there + max(multiplied, _fetching_cycles(problem, form, lanes)) + back + wanted
    return CALL_CYCLES + winograd.COMPARED * summed + 0.15 * max(0, _array_bytes(problem) - L2_BYTES)


def packing_cycles(problem: Problem, lanes: int) -> float:
    """Estimated for packing the weights, on one core: to be added where they are not prepared.

    They are transformed where they are wanted, anew for each of a few blocks of tiles, or once, to memory, if they are few.
    """
    form = form_of(problem)
    if form is None:
        return math.inf
    vectors = problem.groups * math.ceil(problem.out_channels / lanes)
    turned = 200 * vectors * problem.in_channels * math.ceil(math.prod(problem.kernel_size) / lanes)
    blocks = _blocks(problem, form)
    if _keeps_taps(problem, form, lanes):
        return winograd.COMPARED * turned * blocks
    once = winograd.COMPARED * (turned + _transforming_cycles(problem, form, vectors))
    return once * min(blocks, 2) + 0.3 * (max(0, _packed_bytes(problem, form, lanes) - L2_BYTES) if blocks > 2 else 0)


def _transforming_cycles(problem: Problem, form: Form, vectors: int) -> float:
    """Of taps that lie as vectors of channels, to their points."""
    return sum((30 + 2.5 * member.weight_points) * member.far_taps for member in form.members) * vectors * problem.in_channels


def _blocks(problem: Problem, form: Form) -> int:
    """Blocks of tiles that fetch or transform weights, about."""
    bytes_of_tile = 4 * problem.in_channels * sum(member.points * member.far_taps for member in form.inputs)
    wanted = max(FEWEST_TILES, min(MOST_TILES, V_BYTES // max(1, bytes_of_tile)))
    return form.far_outputs * math.ceil(form.tile_rows * form.tile_columns / wanted)


def _keeps_taps(problem: Problem, form: Form, lanes: int) -> bool:
    return _packed_bytes(problem, form, lanes) > MANY_WEIGHT_BYTES


def _packed_bytes(problem: Problem, form: Form, lanes: int) -> int:
    """Of transformed weights."""
    channels = math.ceil(problem.out_channels / (2 * lanes)) * 2 * lanes
    return 4 * problem.groups * sum(member.weight_points * member.far_taps for member in form.members) * problem.in_channels * channels


def _fetching_cycles(problem: Problem, form: Form, lanes: int) -> float:
    """Of the transformed weights, once for each block of tiles, where they do not stay in L2."""
    fetched = _packed_bytes(problem, form, lanes)
    if fetched <= L2_BYTES or _keeps_taps(problem, form, lanes):
        return 0.0
    return fetched * _blocks(problem, form) / 12


def _array_bytes(problem: Problem) -> int:
    """Of input and output: where they do not stay in L2, transforms wait for them."""
    cells = problem.in_channels * math.prod(problem.in_size) + problem.out_channels * math.prod(problem.out_size)
    return 4 * problem.groups * cells


def error_growth(problem: Problem, dtype: str = "float32") -> float:
    """The error bound as a multiple of that of direct summation, by the reasoning of `winograd.error_growth`, for the phase that errs most.

    An axis of 2 taps grows errors by 10 for 4 outputs, by 3 for 2; one of a single tap not at all. What was measured is far smaller:
    for 2 taps in both axes 2.4 times the root mean square error of direct summation for 4 by 4 outputs, 1.1 times for 2 by 2.
    """
    del dtype
    form = form_of(problem)
    if form is None:
        return 1.0
    growths = [_growth(problem, form, member) for member in form.members]
    return max(1.0, *growths)


def _growth(problem: Problem, form: Form, member: Member) -> float:
    axes = list(_transformed(form, member))
    grown = math.prod(winograd.spread(outputs, taps, POINTS[outputs] if taps == 2 else ()) for outputs, taps in axes)
    passed = sum(ROUNDINGS[outputs] if taps == 2 else winograd.ROUNDINGS[outputs] for outputs, taps in axes)
    return float(grown * (problem.in_channels * member.far_taps + 2 + passed) / (problem.terms + 1))


def _transformed(form: Form, member: Member) -> Iterator[tuple[int, int]]:
    """Outputs of a tile and taps, of the axes of several taps."""
    for outputs, taps in ((form.rows, member.row_taps), (form.columns, member.column_taps)):
        if taps > 1:
            yield outputs, taps
