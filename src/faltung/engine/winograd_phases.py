"""Winograd's filtering of the phases of a stride and of pieces of a kernel, as the plan sees it: what it serves, costs, how it rounds.

Each phase of a stride is a correlation of stride 1 with few taps: 4 taps with stride 2 are two phases of 2; 7 taps with stride 1 are taken
as pieces of 4 and 3. Tiles of 4 (or 2) outputs need 5 (or 3) products an axis for 2 taps instead of 8 (or 4), 6 (or 4) for 3, 7 for 4; an
axis of one tap is left as it is. Phases of a transposed correlation have outputs of their own, those of the input of any other, and their
pieces, add to the same. The form is chosen by sizes alone, here as in ``native/kernels/winograd_phases``. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product

from faltung.engine import winograd
from faltung.engine.layout import in_layout
from faltung.engine.problem import Problem
from faltung.engine.processor import product_cycles
from faltung.geometry import Phase, reach_of

__all__ = ["POINTS", "Form", "Member", "cycles", "error_growth", "form_of", "packing_cycles", "refusal"]

MOST_TAPS = 4
"""With tiles of 4 outputs, else 3."""
MOST_MEMBERS = 512
FEW_TILES, TRANSFORM_TILES = 6, 2
FEWEST_TILES, MOST_TILES = 16, 48
FEW_SUMMED_BLOCKS = 8
V_BYTES = 2**20
MANY_WEIGHT_BYTES, MANY_SUMMED_BYTES = 2**23, 2**22
MOST_SUMMED_TILES, GROUP_TILES = 16, 8
"""In blocks of so many tiles weights are summed of taps where they are multiplied; with so many tiles at once."""
MANY_POINTS, SPARE_BYTES, CROWDED_BYTES, CROWDED = 140, 16 * 2**10, 24 * 2**10, 0.6
"""Of so many points, a block's transformed input and weights do not stay in L2 together where a tile takes more than the first number of
bytes: with so many more all takes longer by this part."""
RESUMED_CYCLES = 6
"""To go on with the sums of one point of a tile and vector, which each member does: much where its terms are few."""
L2_BYTES = 2**19
MUCH_WEIGHT_BYTES = 2**22
"""More arrive from L3 more slowly."""

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


@dataclass(frozen=True, slots=True)
class _Rates:
    """Cycles as they were measured on one Zen 4 core with AVX-512.

    Attributes
    ----------
    call : float
        Of a call.
    there : float
        To transform 25 points of a row of tiles of one channel, in hundreds; of a tile 6.5 more in a hundred.
    product : float
        Of a vector.
    back, tile : float
        To transform a point of a vector of channels of a tile back, and more for the tile.
    exposed : float
        Of the shorter of multiplying and fetching weights, the part that the longer one does not hide.
    waited : float
        For a byte of the arrays that does not stay in L2.
    """

    call: float = 6500
    there: float = 1.0
    product: float = 1.05
    back: float = 14
    tile: float = 0
    exposed: float = 0.0
    waited: float = 0.15


TRANSPOSED = _Rates()
STRIDED = _Rates(call=9000, back=11, exposed=0.35, waited=0.08)
IN_PIECES = _Rates(call=9000, there=1.35, product=1.1, back=9, tile=36, exposed=0.35, waited=0.11)
STRIDED_OF_MANY = replace(IN_PIECES, back=14, tile=80)
"""Of more than three taps in some phase."""


def _rates(problem: Problem) -> _Rates:
    if problem.phases:
        return TRANSPOSED
    if max(problem.stride) == 1:
        return IN_PIECES
    has_many = any(axis.kernel > (MOST_TAPS - 1) * axis.stride for axis in problem.axes)
    return STRIDED_OF_MANY if has_many else STRIDED


def cycles(problem: Problem, lanes: int) -> float:
    """Estimated for one sample on one core, as `catalog` counts them; weights packed before.

    Measured on forty layers with strides and two hundred of 4 to 11 taps without; of these two thirds take within 15 % of the estimate.
    """
    form = form_of(problem)
    if form is None:
        return math.inf
    has_stride = max(problem.stride) > 1
    rates = _rates(problem)
    vectors = problem.groups * math.ceil(problem.out_channels / lanes)
    channels = problem.groups * problem.in_channels
    rows = channels * form.far_outputs * form.tile_rows
    there = sum(member.points / 25 * member.far_taps for member in form.inputs) * rows * _row_cycles(form, lanes)
    if form.sums_members and has_stride:  # every second cell is taken first, row by row
        rows_of_member = form.rows * form.tile_rows * form.far_outputs
        there += 0.9 * channels * sum(m.far_taps for m in form.members) * rows_of_member * (20 + form.tile_columns * form.columns / 4)
    points = sum(member.points for member in form.outputs)
    points_of_all = sum(member.points * member.far_taps for member in form.members)
    terms = points_of_all * problem.in_channels
    sums = _keeps_taps(problem, form, lanes) and _sums_taps(problem, form)
    two = 0.65 if problem.phases or sums else 0.5
    if problem.out_channels <= lanes:
        two = 0.85  # a broadcast for each product
    multiplied = rates.product * product_cycles(two=two) * terms * vectors * form.tiles * (1 + (_summing(form) if sums else 0))
    fetched = _fetching_cycles(problem, form, lanes)
    multiplied = max(multiplied, fetched) + rates.exposed * min(multiplied, fetched)
    if points_of_all >= MANY_POINTS:
        multiplied += RESUMED_CYCLES * points_of_all * vectors * form.tiles
    back = (rates.back * points + rates.tile * len(form.outputs)) * vectors * form.tiles
    transforms = _keeps_taps(problem, form, lanes) and not sums
    wanted = _transforming_cycles(problem, form, vectors) * _blocks(problem, form) if transforms else 0.0
    summed = rates.there * there + multiplied + back + wanted
    if points_of_all >= MANY_POINTS:
        summed *= 1 + CROWDED * min(1.0, max(0.0, (_bytes_of_tile(problem, form) - SPARE_BYTES) / CROWDED_BYTES))
    return rates.call + winograd.COMPARED * summed + rates.waited * max(0, winograd.array_bytes(problem) - L2_BYTES)


def packing_cycles(problem: Problem, lanes: int) -> float:
    """Estimated for packing the weights, on one core: to be added where they are not prepared.

    They are transformed where they are wanted, anew for each of a few blocks of tiles, or once, to memory, if they are few.
    """
    form = form_of(problem)
    if form is None:
        return math.inf
    vectors = problem.groups * math.ceil(problem.out_channels / lanes)
    turned = 170 * vectors * problem.in_channels * math.ceil(math.prod(problem.kernel_size) / lanes)
    blocks = _blocks(problem, form)
    if _keeps_taps(problem, form, lanes) or (_sums_taps(problem, form) and blocks <= FEW_SUMMED_BLOCKS):
        return winograd.COMPARED * turned * blocks
    once = winograd.COMPARED * (turned + _transforming_cycles(problem, form, vectors))
    return once * min(blocks, 2) + 0.3 * (max(0, _packed_bytes(problem, form, lanes) - L2_BYTES) if blocks > 2 else 0)


def _transforming_cycles(problem: Problem, form: Form, vectors: int) -> float:
    """Of taps that lie as vectors of channels, to their points."""
    return sum((12 + 2.5 * member.weight_points) * member.far_taps for member in form.members) * vectors * problem.in_channels


def _blocks(problem: Problem, form: Form) -> int:
    """Blocks of tiles that fetch or transform weights, about."""
    return form.far_outputs * math.ceil(form.tile_rows * form.tile_columns / _block_tiles(problem, form))


def _block_tiles(problem: Problem, form: Form) -> int:
    """Of one block, at most."""
    return max(FEWEST_TILES, min(MOST_TILES, V_BYTES // max(1, _bytes_of_tile(problem, form))))


def _bytes_of_tile(problem: Problem, form: Form) -> int:
    """Of its transformed input."""
    return 4 * problem.in_channels * sum(member.points * member.far_taps for member in form.inputs)


def _sums_taps(problem: Problem, form: Form) -> bool:
    """Whether weights that are not transformed are summed of taps where they are multiplied."""
    if any(member.far_taps > 1 or max(member.row_taps, member.column_taps) > 2 for member in form.members):
        return False
    tiles = min(form.tile_rows * form.tile_columns, _block_tiles(problem, form))
    return max(form.rows, form.columns) == 2 or tiles <= MOST_SUMMED_TILES


def _summing(form: Form) -> float:
    """Products to sum weights of taps, for each product with them: one less than there are taps, for each group of tiles."""
    taps = {1: 1.0, 2: {2: 4 / 3, 4: 8 / 5}[max(form.rows, form.columns)]}
    points = sum(member.points for member in form.members)
    summed = sum(member.points * (taps[member.row_taps] * taps[member.column_taps] - 1) for member in form.members) / points
    return summed / min(GROUP_TILES, form.tiles)


def _row_cycles(form: Form, lanes: int) -> float:
    """To transform 25 points of a row of tiles of one channel. Where it leaves lanes empty, rows lie one behind another in them."""
    vector = min(lanes, 8 if form.tile_columns <= 8 else 16)
    if form.tile_rows > 1 and 4 * form.tile_columns <= 3 * vector:
        return 25 + 5 * 16 / lanes * form.tile_columns
    return 100 + 6.5 * 16 / lanes * form.tile_columns


def _keeps_taps(problem: Problem, form: Form, lanes: int) -> bool:
    most = MANY_SUMMED_BYTES if _sums_taps(problem, form) else MANY_WEIGHT_BYTES
    return _packed_bytes(problem, form, lanes) > most


def _packed_bytes(problem: Problem, form: Form, lanes: int) -> int:
    """Of transformed weights."""
    channels = math.ceil(problem.out_channels / (2 * lanes)) * 2 * lanes
    return 4 * problem.groups * sum(member.weight_points * member.far_taps for member in form.members) * problem.in_channels * channels


def _fetching_cycles(problem: Problem, form: Form, lanes: int) -> float:
    """Of the transformed weights, once for each block of tiles, where they do not stay in L2."""
    fetched = _packed_bytes(problem, form, lanes)
    if fetched <= L2_BYTES or _keeps_taps(problem, form, lanes):
        return 0.0
    return fetched * _blocks(problem, form) / (12 if fetched <= MUCH_WEIGHT_BYTES else 8)


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
