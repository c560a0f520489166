"""What Winograd's filtering of the phases of a stride and of pieces of a kernel costs, as the plan sees it.

Owns the estimates; the form of a problem is `winograd_phases`'.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from faltung.engine import winograd
from faltung.engine.problem import Problem
from faltung.engine.processor import product_cycles
from faltung.engine.winograd_phases import FEWEST_TILES, MOST_TAPS, Form, form_of

__all__ = ["cycles", "packing_cycles"]

MOST_TILES = 48
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
