"""Dilated kernels of 3 taps, phase by phase, as the plan sees them: ``dilated`` in the catalog.

Owns the estimate and the error bound of ``native/kernels/dilated``, which cuts each phase into tiles: outputs that lie a dilation apart are
an undilated problem, on small maps of few outputs between zeros. How tiles are cut is told by the compiled module.

Sources: Karatsuba & Ofman, "Multiplication of multidigit numbers on automata", 1963, for two outputs between zeros; for the others
``engine/winograd``.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from functools import cache

from faltung.engine import winograd
from faltung.engine.native import dilated_tiling, native_problem
from faltung.engine.problem import Problem
from faltung.engine.processor import product_cycles

__all__ = ["cycles", "error_growth", "packing_cycles", "refusal"]

Half = list[tuple[int, list[int]]]

FORMS = ("taps1", "taps2", "taps3", "pair", "triple", "two", "three", "four")
"""Of tiles along one axis, in the order of ``native/kernels/dilated``."""

POINTS = {"taps1": 1, "taps2": 2, "taps3": 3, "pair": 3, "triple": 4, "two": 4, "three": 5, "four": 6}
ROUNDINGS = {"taps1": 0, "taps2": 1, "taps3": 2, "pair": 3, "triple": 9, "two": 6, "three": 9, "four": 13}
"""From an input to an output, at most; a product not fused with its sum counts, and so does a constant that is not exact.

`triple`: to the points 2, the weights to them 4, back 3; `three`: 2, 4 and 3. The others as in `winograd.ROUNDINGS`.
"""

CALL_CYCLES = 4000
COMPARED = 1.15
"""Cycles as the other algorithms' estimates count them, over those at the processor's clock."""

TAPS = 3
LARGEST_ROW_BYTES, LARGEST_PRODUCT_BYTES = 24 * 2**20, 3 * 2**20
KEPT_BYTES, L3_BYTES = 2**22, 12 * 2**20
MOST_ADDED_BYTES, WIDEST_LANES = 48 * 2**20, 16
"""What one core may count on to find again; memory for more weights is new to the process, page by page."""


def refusal(problem: Problem, dtype: str) -> str | None:
    """Why it does not serve `problem`, or None if it does.

    >>> layer = Problem(1, 64, 64, (33, 33), (33, 33), (3, 3), (1, 1), (1, 1), (1, 1), "zeros")
    >>> refusal(layer, "float32")
    'no axis of 3 taps is dilated'
    """
    if dtype not in ("float32", "float64"):
        return f"its tiles round, and {dtype} is summed exactly"
    if problem.mode not in ("zeros", "absent"):
        return f"it pads with zeros alone, not by mode {problem.mode!r}"
    three = [dilation for kernel, dilation in zip(problem.kernel_size, problem.dilation, strict=True) if kernel == TAPS]
    if max(three, default=1) == 1:
        return f"no axis of {TAPS} taps is dilated"
    if problem.in_channels == 0 or math.prod(problem.out_size) == 0:
        return "there is nothing to multiply"
    rows, columns = _tiling(problem)
    if not rows:
        return f"it needs one or two axes of {TAPS} taps, or 1, with stride 1, and rows of at most 1024 outputs"
    size = 4 if dtype == "float32" else 8
    across = max(sum(alike) for _, alike in columns) * max(map(_points, rows)) * max(map(_points, columns)) * size
    if across * problem.in_channels > LARGEST_ROW_BYTES // 2 or across * 128 // size > LARGEST_PRODUCT_BYTES // 2:
        return f"a row of tiles of {problem.in_channels} channels would need too much memory"
    packed = _packed_bytes(problem, WIDEST_LANES) * size // 4
    weights = size * problem.groups * problem.in_channels * problem.out_channels * math.prod(problem.kernel_size)
    if packed > 2 * weights + MOST_ADDED_BYTES:
        return f"its transformed weights would take {packed >> 20} MiB, and the weights {weights >> 20}"
    return None


@functools.lru_cache(maxsize=1024)
def _tiling(problem: Problem) -> tuple[Half, Half]:
    """Along rows and columns each form, with how many of its tiles lie side by side, run by run."""
    return dilated_tiling("float32", native_problem(problem))


def _points(one: tuple[int, list[int]]) -> int:
    return POINTS[FORMS[one[0]]]


def cycles(problem: Problem, lanes: int) -> float:
    """Estimated for one sample on one core, as `catalog` counts them; weights packed before.

    Measured on one Zen 4 core with AVX-512: a vector of products takes a cycle; a vector of tiles that lie side by side, of one channel,
    110 cycles and 13 more a point to transform; a vector of channels of a tile 100 and 10 a point to transform back.
    """
    rows, columns = _tiling(problem)
    if not rows:
        return math.inf
    blocks = math.ceil(problem.out_channels / lanes)
    bytes_a_cycle = 5 if _packed_bytes(problem, lanes) > L3_BYTES else 12
    summed = 0.0
    for row in rows:
        for column in columns:
            points, height, width = _points(row) * _points(column), sum(row[1]), sum(column[1])
            vectors = sum(math.ceil(alike / lanes) for alike in column[1])
            there = problem.in_channels * height * vectors * (110 + 13 * points)
            back = blocks * height * width * (100 + 10 * points)
            multiplied = 1.08 * points * height * width * blocks * problem.in_channels
            fetched = 4 * points * problem.in_channels * problem.out_channels / bytes_a_cycle
            summed += there + back + max(multiplied, fetched)
    return CALL_CYCLES + COMPARED * product_cycles(two=0.6) * problem.groups * summed


def _packed_bytes(problem: Problem, lanes: int) -> int:
    rows, columns = _tiling(problem)
    channels = math.ceil(problem.out_channels / (2 * lanes)) * 2 * lanes
    return 4 * problem.groups * problem.in_channels * channels * sum(map(_points, rows)) * sum(map(_points, columns))


def packing_cycles(problem: Problem, lanes: int) -> float:
    """Estimated for transforming the weights, on one core: to be added where they are not prepared."""
    rows, columns = _tiling(problem)
    if not rows:
        return math.inf
    vectors = problem.groups * problem.in_channels * math.ceil(problem.out_channels / lanes)
    forms, points = len(rows) * len(columns), sum(map(_points, rows)) * sum(map(_points, columns))
    return COMPARED * vectors * (40 + 60 * forms + 3 * points) + 0.9 * max(0, _packed_bytes(problem, lanes) - KEPT_BYTES)


def error_growth(problem: Problem, dtype: str = "float32") -> float:
    """The error bound as a multiple of that of direct summation, for the worst of its tiles; see `winograd.error_growth`.

    The spreads along an axis are 1 for single outputs, 3 for two between zeros, 6 for three, 5, 17.33 and 19.07 for Winograd's 2, 3 and 4.

    >>> layer = Problem(1, 512, 256, (33, 33), (33, 33), (3, 3), (1, 1), (12, 12), (12, 12), "zeros")
    >>> round(error_growth(layer), 1)
    4.2
    """
    del dtype
    rows, columns = _tiling(problem)
    largest = 1.0
    for row in rows:
        for column in columns:
            of_row, of_column = FORMS[row[0]], FORMS[column[0]]
            roundings = problem.in_channels + 2 + ROUNDINGS[of_row] + ROUNDINGS[of_column]
            largest = max(largest, float(_spread(of_row) * _spread(of_column) * roundings / (problem.terms + 1)))
    return largest


@cache
def _spread(form: str) -> Fraction:
    """By how much an error may grow along one axis.

    >>> _spread("pair"), _spread("triple"), round(float(_spread("three")), 2)
    (Fraction(3, 1), Fraction(6, 1), 17.33)
    """
    return Fraction(1) if form.startswith("taps") else winograd.spread_of(transforms(form))


def transforms(form: str) -> winograd.Transforms:
    """At, G and Bt of a form of several outputs, as `winograd.transforms`; Bt has columns for the cells between zeros alone.

    >>> to_outputs, weights, inputs = transforms("triple")
    >>> [[str(entry) for entry in row] for row in inputs]
    [['1', '3/2', '1'], ['1', '-3/2', '1'], ['1', '1/2', '-1'], ['1', '-1/2', '-1']]
    """
    if form == "two":
        return winograd.transforms(2)
    if form == "four":
        return winograd.transforms(4)
    if form == "three":
        return winograd.transforms(3, points=(Fraction(0), Fraction(1), Fraction(-1), Fraction(2)))
    if form == "pair":
        return _matrix("1 1 0, 1 0 1"), _matrix("0 1 0, 0 -1 1, 1 -1 0"), _matrix("1 1, 0 1, 1 0")
    return (
        _matrix("1 1 1 1, 3/2 -3/2 -1/2 1/2, 1 1 -1 -1"),
        _matrix("1/6 1/4 1/6, -1/6 1/4 -1/6, -1/2 1/4 1/2, 1/2 1/4 -1/2"),
        _matrix("1 3/2 1, 1 -3/2 1, 1 1/2 -1, 1 -1/2 -1"),
    )


def _matrix(text: str) -> winograd.Matrix:
    return tuple(tuple(Fraction(entry) for entry in row.split()) for row in text.split(","))
