"""Winograd's filtering of the phases of a stride and of pieces of a kernel, as the plan sees it: what it serves, how it rounds.

Each phase of a stride is a correlation of stride 1 with few taps: 4 taps with stride 2 are two phases of 2; 7 taps with stride 1 are taken
as pieces of 4 and 3. Tiles of 4 (or 2) outputs need 5 (or 3) products an axis for 2 taps instead of 8 (or 4), 6 (or 4) for 3, 7 for 4; an
axis of one tap is left as it is. Phases of a transposed correlation have outputs of their own, those of the input of any other, and their
pieces, add to the same. The form is chosen by sizes alone, here as in ``native/kernels/winograd_phases``.
What it costs is `winograd_phases_cost`'s.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from faltung.engine import winograd
from faltung.engine.layout import in_layout
from faltung.engine.problem import Problem
from faltung.geometry import Phase, reach_of

__all__ = ["FEWEST_TILES", "MOST_TAPS", "POINTS", "Form", "Member", "error_growth", "form_of", "refusal"]

MOST_TAPS = 4
"""With tiles of 4 outputs, else 3."""
MOST_MEMBERS = 512
FEW_TILES, TRANSFORM_TILES = 6, 2
FEWEST_TILES = 16
"""Of a block."""

POINTS = {2: (Fraction(0), Fraction(1)), 4: (Fraction(0), Fraction(1), Fraction(-1, 2), Fraction(-2))}
"""Where the polynomials of 2 taps are evaluated, and at infinity, for tiles of 2 and 4 outputs."""

ROUNDINGS = {2: 4, 4: 10}
"""Of one axis of 2 taps, as `winograd.ROUNDINGS`. By 4: to the points 3, the weights to them 1, back 5; by 2: 1, 1 and 1."""


@dataclass(frozen=True, slots=True)
class Member:
    """One phase of each axis.

    Attributes
    ----------
    row_taps, column_taps : int
        Of the last two axes.
    row_points, column_points : int
        Products of a tile and term along each.
    far_taps : int
        Of the axes before the last two.
    input_key : tuple of int
        Where it reads the input: members of the same key and points share a transformed input.
    """

    row_taps: int
    column_taps: int
    row_points: int
    column_points: int
    far_taps: int
    input_key: tuple[int, ...]

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
    sums_members : bool
        Members are phases of the input, or pieces of them, and add to the same outputs; else they are phases of the output.
    """

    rows: int
    columns: int
    tile_rows: int
    tile_columns: int
    far_outputs: int
    members: tuple[Member, ...]
    sums_members: bool = False

    @property
    def tiles(self) -> int:
        """Of all far outputs."""
        return self.far_outputs * self.tile_rows * self.tile_columns

    @property
    def inputs(self) -> tuple[Member, ...]:
        """Members whose inputs differ."""
        return tuple({(member.row_points, member.column_points, member.input_key): member for member in self.members}.values())

    @property
    def outputs(self) -> tuple[Member, ...]:
        """Members whose products are transformed back by themselves."""
        if not self.sums_members:
            return self.members
        return tuple({(member.row_taps, member.column_taps): member for member in self.members}.values())


@dataclass(frozen=True, slots=True)
class _Axis:
    """The phases of an axis where it is transformed, and those where it is `far`: not transformed."""

    phases: tuple[Phase, ...]
    far: tuple[Phase, ...]

    @property
    def out(self) -> int:
        return self.phases[0].count

    @property
    def kernel(self) -> int:
        return sum(phase.taps for phase in self.far)


def _axes(problem: Problem, most_taps: int = MOST_TAPS) -> list[_Axis]:
    """As kernels see them, at least two."""
    alone = (Phase(0, 1, 0, 1, 1, 1, 0),)
    axes = _transposed_axes(problem) if problem.phases else _summed_axes(problem, most_taps)
    return in_layout(axes, _Axis(alone, alone), keeps_axes=problem.keeps_axes)


def _transposed_axes(problem: Problem) -> Iterator[_Axis]:
    for size, axis in zip(problem.in_size, problem.phases, strict=True):
        if (size, axis[0].count, *reach_of(axis)) != (1, 1, 0, 0) or len(axis) > 1:
            yield _Axis(axis, axis)


def _summed_axes(problem: Problem, most_taps: int) -> Iterator[_Axis]:
    """Phases of the input: the taps that meet every `stride`-th cell, in even pieces of a few."""
    for axis in problem.axes:
        if axis.is_trivial:
            continue
        _, out, kernel, stride, dilation, before = axis
        phases = tuple(
            Phase((f - before) % stride, out, f + tap * stride, stride, min(piece, taps - tap), dilation, -((f - before) // stride) - tap)
            for f in range(min(stride, kernel))
            for taps in (-(-(kernel - f) // stride),)
            for piece in (-(-taps // -(-taps // most_taps)),)
            for tap in range(0, taps, piece)
        )
        yield _Axis(phases, (Phase(0, out, 0, 1, kernel, 1, before),))


def _best_outputs(rows: tuple[Phase, ...], columns: tuple[Phase, ...]) -> tuple[int, tuple[int, int]]:
    """Of a tile along rows and columns, behind what they cost."""
    outputs = (4 if any(phase.taps > 1 for phase in rows) else 1, 4 if any(phase.taps > 1 for phase in columns) else 1)
    by_four = (_products(rows, columns, outputs), outputs)
    if outputs != (4, 4) or any(phase.taps == MOST_TAPS for phase in (*rows, *columns)):
        return by_four
    return min(by_four, (_products(rows, columns, (2, 2)), (2, 2)), key=lambda found: found[0])


def form_of(problem: Problem) -> Form | None:
    """The form that serves `problem`, or None.

    >>> from faltung.engine.lowering import lower
    >>> from faltung.spec import ConvSpec
    >>> layer = lower(ConvSpec.parse("conv_transpose2d(64, 32, 4, stride=2, padding=1)"), (16, 16), backward=False, bundles_phases=True)
    >>> form = form_of(layer.problems[0])
    >>> form.rows, form.columns, [member.points for member in form.members], form.tiles
    (4, 4, [25, 25, 25, 25], 16)
    """
    if not problem.phases and problem.mode not in ("zeros", "absent"):
        return None
    if max(problem.kernel_size, default=1) > MOST_MEMBERS * (MOST_TAPS - 1):
        return None
    axes = _axes(problem)
    if not problem.phases:
        fewer = _axes(problem, MOST_TAPS - 1)
        axes = min(fewer, axes, key=lambda found: _best_outputs(found[-2].phases, found[-1].phases)[0])
    *others, last_rows, last_columns = axes
    far, rows, columns = [axis.far for axis in others], last_rows.phases, last_columns.phases
    if any(not 1 <= phase.taps <= MOST_TAPS or (phase.taps > 1 and phase.dilation > 1) for phase in (*rows, *columns)):
        return None
    if any(phase.taps < 1 for axis in far for phase in axis):
        return None
    if all(phase.taps == 1 for phase in (*rows, *columns)) or math.prod(map(len, (*far, rows, columns))) > MOST_MEMBERS:
        return None
    outputs = _best_outputs(rows, columns)[1]
    skipped = 1 if problem.phases else 0  # phases of the output read the same input, wherever they begin
    members = tuple(
        Member(
            row.taps,
            column.taps,
            outputs[0] + row.taps - 1,
            outputs[1] + column.taps - 1,
            math.prod(phase.taps for phase in outer),
            tuple(number for phase in (*outer, row, column) for number in (phase.first, phase.before, phase.count, phase.taps)[skipped:]),
        )
        for *outer, row, column in product(*far, rows, columns)
    )
    tiles = (-(-rows[0].count // outputs[0]), -(-columns[0].count // outputs[1]))
    return Form(*outputs, *tiles, math.prod(axis[0].count for axis in far), members, not problem.phases)


def _products(rows: tuple[Phase, ...], columns: tuple[Phase, ...], outputs: tuple[int, int]) -> int:
    """Of all phases, and what transforming a weight costs."""
    points = math.prod(sum(many + phase.taps - 1 for phase in axis) for axis, many in zip((rows, columns), outputs, strict=True))
    tiles = math.prod(-(-axis[0].count // many) for axis, many in zip((rows, columns), outputs, strict=True))
    return points * (max(FEW_TILES, tiles) + TRANSFORM_TILES)


def refusal(problem: Problem, dtype: str) -> str | None:
    """Why it does not serve `problem`, or None if it does."""
    if dtype not in ("float32", "float64"):
        return f"it rounds, and {dtype} is summed exactly"
    if problem.in_channels == 0 or math.prod(problem.out_size) == 0:
        return "there is nothing to multiply"
    if not problem.phases and problem.mode not in ("zeros", "absent"):
        return f"it needs borders of zeros, not {problem.mode}"
    form = form_of(problem)
    if form is None:
        sizes = winograd.kernel_and_stride(problem)
        if problem.phases:
            return f"it needs 1 to {MOST_TAPS} taps in each phase of the last two axes, several in some; here {sizes}"
        return f"it needs several taps, not dilated, in some phase of the last two axes; here {sizes}"
    number = 4 if dtype == "float32" else 8
    least = sum(member.points * member.far_taps for member in form.members) * problem.in_channels * FEWEST_TILES * number
    if least > winograd.LARGEST_WORKSPACE_BYTES // 2:
        return (
            f"{problem.in_channels} channels need {least} bytes for one block of tiles, more than {winograd.LARGEST_WORKSPACE_BYTES // 2}"
        )
    return None


def error_growth(problem: Problem, dtype: str = "float32") -> float:
    """The error bound as a multiple of that of direct summation, by the reasoning of `winograd.error_growth`, for the phase that errs most.

    An axis of 2 taps grows errors by 10 for 4 outputs, by 3 for 2; one of a single tap not at all. What was measured is far smaller:
    for 2 taps in both axes 2.4 times the root mean square error of direct summation for 4 by 4 outputs, 1.1 times for 2 by 2.
    """
    del dtype
    form = form_of(problem)
    if form is None:
        return 1.0
    if form.sums_members:
        return max(1.0, _summed_growth(problem, form))
    return max(1.0, *(_growth(problem, form, member) for member in form.members))


def _growth(problem: Problem, form: Form, member: Member) -> float:
    axes = ((form.rows, member.row_taps), (form.columns, member.column_taps))
    grown = math.prod(_spread(outputs, taps) for outputs, taps in axes)
    passed = sum(_roundings(outputs, taps) for outputs, taps in axes)
    return float(grown * (problem.in_channels * member.far_taps + 2 + passed) / (problem.terms + 1))


def _summed_growth(problem: Problem, form: Form) -> float:
    """Of the sum over phases of the input, or pieces of them.

    Members of the same number of taps let each output hear the sums at the outputs beside it by the same coefficients, so that together
    they hear those of all members; where numbers differ, by coefficients that are at most the sum of both.
    """
    grown, passed = Fraction(1), 0
    for outputs, counts in (
        (form.rows, {member.row_taps for member in form.members}),
        (form.columns, {member.column_taps for member in form.members}),
    ):
        grown *= sum((_spread(outputs, taps) for taps in counts if taps > 1), Fraction(0)) or 1
        passed += max(_roundings(outputs, taps) for taps in counts)
    terms = problem.in_channels * sum(member.far_taps for member in form.members)
    return float(grown * (terms + 2 + passed + len(form.outputs)) / (problem.terms + 1))


def _spread(outputs: int, taps: int) -> Fraction:
    return Fraction(1) if taps == 1 else winograd.spread(outputs, taps, POINTS[outputs] if taps == 2 else ())


def _roundings(outputs: int, taps: int) -> int:
    if taps == MOST_TAPS:
        return winograd.ROUNDINGS_OF_FOUR
    return 0 if taps == 1 else ROUNDINGS[outputs] if taps == 2 else winograd.ROUNDINGS[outputs]
