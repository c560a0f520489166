"""Dilated kernels by tiles of their phases: every form of a tile, within its bound, the same bits always."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import faltung as fl
from faltung.engine.dilated import FORMS, POINTS, cycles, error_growth, packing_cycles, refusal, transforms
from faltung.engine.native import Correlation, available_isas, dilated_tiling, native_problem
from faltung.engine.problem import Problem
from tests.support.check import check_same, check_within
from tests.support.engine import labelled
from tests.support.problems import arrays_of, check_growth, check_same_bits, flipped, largest_sum, problem_of, run, swapped

DTYPES = ["float32", "float64"]
BORDERED = {"pair": 1, "triple": 1, "two": 0, "three": 0, "four": 0}
"""The tap that meets the first cell of the forms that are no single output."""


def check_rounding(problem: Problem, isa: str, dtype: str, batch: int = 1) -> None:
    """Random numbers within the bound."""
    check_growth(problem, isa, "dilated", error_growth(problem, dtype), *arrays_of(problem, batch, dtype))


@pytest.fixture(params=available_isas())
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("form", BORDERED)
def test_the_transforms_compute_a_correlation(form: str) -> None:
    to_outputs, weights, inputs = transforms(form)
    assert len(inputs) == POINTS[form]
    for (o, row), a, b in itertools.product(enumerate(to_outputs), range(len(inputs[0])), range(3)):
        found = sum((row[p] * inputs[p][a] * weights[p][b] for p in range(len(inputs))), Fraction(0))
        assert found == (a + BORDERED[form] == o + b)


PLACES = [
    (size, dilation, before)
    for size, dilation in itertools.product(((5, 7), (9, 11), (33, 33), (3, 21)), ((2, 2), (3, 5), (12, 12), (1, 9), (40, 6)))
    for before in (None, (0, 0), (4, 13), (-1, -2))
    if before is None or min(s + 2 * b - 2 * d for s, b, d in zip(size, before, dilation, strict=True)) > 0
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_cut(isa: str, dtype: str) -> None:
    """Phases of one to a dozen outputs, whole, cut off by the border on either side, in the padding altogether, cropped."""
    for size, dilation, before in PLACES:
        check_rounding(problem_of(2, 3, size, before=before, dilation=dilation), isa, dtype, batch=2)


def test_every_form_is_met() -> None:
    found: set[str] = set()
    for size, dilation, before in PLACES:
        for along in dilated_tiling("float32", native_problem(problem_of(2, 3, size, before=before, dilation=dilation))):
            found.update(FORMS[form] for form, _ in along)
    assert found == set(FORMS)


@pytest.mark.parametrize("dtype", DTYPES)
def test_channels_groups_and_axes(isa: str, dtype: str) -> None:
    for in_channels, out_channels in itertools.product((1, 17, 40), (1, 4, 15, 16, 17, 33, 65)):
        check_rounding(problem_of(in_channels, out_channels, (7, 19), dilation=(3, 7), groups=2), isa, dtype)
    for size, kernel, dilation in (((41,), (3,), (4,)), ((6,), (3,), (7,)), ((9, 41), (1, 3), (1, 16)), ((41, 9), (3, 1), (5, 1))):
        for mode in ("zeros", "absent"):
            check_rounding(problem_of(3, 5, size, kernel, dilation=dilation, groups=2, mode=mode), isa, dtype, batch=2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_several_blocks(isa: str, dtype: str) -> None:
    """More tiles, channels and samples than are transformed or multiplied together."""
    for problem, batch in (
        (problem_of(70, 300, (14, 15), dilation=(5, 5)), 3), (problem_of(5, 20, (60, 62), dilation=(9, 8)), 2),
        (problem_of(900, 33, (26, 27), dilation=(12, 13)), 1), (problem_of(3, 2, (4, 900), dilation=(1, 300)), 1),
    ):  # fmt: skip
        check_rounding(problem, isa, dtype, batch)


def test_small_integers_are_exact_between_zeros(isa: str) -> None:
    """Maps two dilations wide: two outputs between zeros need no constant at all."""
    for size, dilation in (((6, 8), (3, 4)), ((10, 9), (5, 5))):
        problem = problem_of(20, 33, size, dilation=dilation)
        forms = {FORMS[form] for along in dilated_tiling("float32", native_problem(problem)) for form, _ in along}
        assert forms <= {"pair", "taps1"}
        x, weight, bias, y = arrays_of(problem, 3, "float32", whole=True)
        expected = run(problem, isa, x, weight, bias, y, algorithm="direct")
        check_same(run(problem, isa, x, weight, bias, y, algorithm="dilated"), expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits(isa: str, dtype: str) -> None:
    for problem in (problem_of(24, 72, (20, 22), dilation=(7, 8)), problem_of(70, 33, (33, 33), dilation=(6, 12), groups=2)):
        check_same_bits(problem, isa, "dilated", dtype)


def test_any_strides(isa: str) -> None:
    """Channels last, reversed, every second cell; read and written, weights of every order too."""
    problem = problem_of(5, 20, (11, 34), groups=2, dilation=(4, 17))
    x, weight, bias, y = arrays_of(problem, 2, "float32")
    expected = run(problem, isa, x, weight, bias, y, algorithm="dilated")
    kernel = Correlation("dilated", "float32", isa, native_problem(problem))
    every_second = lambda a: np.repeat(a, 2, -1)[..., ::2]  # noqa: E731
    for change in (lambda a: np.moveaxis(np.moveaxis(a, 2, -1).copy(), -1, 2), every_second, flipped):
        own = change(y)
        kernel.run(change(x), kernel.pack(change(weight)), bias, own, True, 2)
        check_same(np.ascontiguousarray(own), expected, bits=True)
    for change in (swapped, lambda a: swapped(flipped(a))):
        result = y.copy()
        kernel.run(x, kernel.pack(change(weight), 2, borrows=True), bias, result, True, 2)
        check_same(result, expected, bits=True)


def test_nothing_is_read_or_written_elsewhere(isa: str) -> None:
    for dilation in ((3, 6), (5, 20), (1, 2)):
        problem = problem_of(3, 19, (7, 19), dilation=dilation)
        x, weight, bias, _ = arrays_of(problem, 2, "float32")
        around, wide = np.full((2, 1, 23, 11, 23), 7, np.float32), np.full((2, 1, 5, 11, 23), np.nan, np.float32)
        inner, read = around[:, :, 2:-2, 2:-2, 2:-2], wide[:, :, 1:-1, 2:-2, 2:-2]
        read[...] = x
        kernel = Correlation("dilated", "float32", isa, native_problem(problem))
        kernel.run(read, kernel.pack(weight), bias, inner, False, 2)
        check_same(inner.copy(), run(problem, isa, x, weight, bias, algorithm="dilated"), bits=True)
        inner[...] = 7
        assert (around == 7).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_bound_holds_for_hostile_numbers(isa: str, dtype: str) -> None:
    """Magnitudes over twelve decades: where every window is an output's, and where no tile reaches further than its outputs."""
    rng = np.random.default_rng(5)
    unit = float(np.finfo(dtype).eps) / 2
    for size, dilation, before in (((13, 14), (4, 4), (8, 8)), ((13, 40), (2, 5), (4, 10)), ((9, 8), (5, 4), (5, 4))):
        problem = problem_of(4, 5, size, before=before, dilation=dilation)
        x, weight, _, _ = arrays_of(problem, 1, dtype)
        x, weight = (array * (10 ** rng.uniform(-6, 6, array.shape)).astype(dtype) for array in (x, weight))
        expected = run(problem, isa, x.astype(float), weight.astype(float), algorithm="direct")
        bound = (error_growth(problem, dtype) + 1) * (problem.terms + 1) * unit * largest_sum(problem, x, weight)
        with labelled((problem, dtype)):
            check_within(run(problem, isa, x, weight, algorithm="dilated"), expected, bound, dtype=x.dtype)


def test_cells_that_no_output_meets_do_not_matter(isa: str) -> None:
    """Where outputs are cropped, tiles do not reach past them."""
    for before, out, dilation in (((-3, -5), (11, 18), (3, 4)), ((0, -4), (17, 12), (5, 6))):
        problem = Problem(1, 3, 4, (40, 41), out, (3, 3), (1, 1), dilation, before, "zeros")
        x, weight, _, _ = arrays_of(problem, 1, "float32")
        hostile = np.full_like(x, 1e9)
        met = tuple(slice(-b, -b + o + 2 * d) for b, o, d in zip(before, out, dilation, strict=True))
        hostile[(..., *met)] = x[(..., *met)]
        check_same(run(problem, isa, hostile, weight, algorithm="dilated"), run(problem, isa, x, weight, algorithm="dilated"), bits=True)


REFUSED = [
    (problem_of(4, 4, (9, 9)), "dilated"),
    (problem_of(4, 4, (9, 9), (5, 5), dilation=(2, 2)), "dilated"),
    (problem_of(4, 4, (9, 9), (3, 5), dilation=(2, 2)), "3 taps"),
    (problem_of(4, 4, (19, 19), stride=(2, 1), dilation=(4, 4)), "stride 1"),
    (problem_of(4, 4, (9, 9, 9), (3, 3, 3), dilation=(2, 2, 2)), "axes"),
    (problem_of(4, 4, (9, 9), dilation=(2, 2), mode="circular"), "zeros"),
    (problem_of(0, 4, (9, 9), dilation=(2, 2)), "nothing"),
    (problem_of(4, 4, (9, 2000), dilation=(2, 2)), "rows"),
    (problem_of(300_000, 1, (9, 9), dilation=(4, 4)), "memory"),
]


@pytest.mark.parametrize(("problem", "reason"), REFUSED)
def test_refusals(problem: Problem, reason: str) -> None:
    assert reason in str(refusal(problem, "float32"))
    with pytest.raises(ValueError, match="dilated"):
        Correlation("dilated", "float32", available_isas()[-1], native_problem(problem))


def test_refuses_integers() -> None:
    problem = problem_of(4, 4, (9, 9), dilation=(2, 2))
    assert "exact" in str(refusal(problem, "uint64"))
    with pytest.raises(ValueError, match=r"dilated.*exact"):
        Correlation("dilated", "uint64", available_isas()[-1], native_problem(problem))


def test_what_the_plan_serves_the_engine_does() -> None:
    for size, dilation, channels in itertools.product(((5, 7), (33, 33), (1, 40)), ((1, 2), (6, 6), (12, 40)), (1, 64, 2048)):
        problem = problem_of(channels, 3, size, dilation=dilation)
        assert refusal(problem, "float32") is None
        made = Correlation("dilated", "float32", available_isas()[-1], native_problem(problem))
        assert 0 < made.workspace_bytes(2) <= 64 * 2**20
        assert 0 < cycles(problem, 16) < math.inf
        assert 0 < packing_cycles(problem, 16) < math.inf


def test_the_plan_takes_it_for_large_dilations_on_small_maps() -> None:
    spec = fl.ConvSpec.parse("conv2d(96, 64, 3, padding=12, dilation=12)")
    assert fl.plan(spec, (1, 96, 33, 33)).algorithm == "dilated"
    assert fl.plan(spec, (1, 96, 33, 33), accuracy="exact").algorithm != "dilated"
    assert fl.plan(spec, (1, 96, 33, 33)).error_bound < fl.plan(spec, (1, 96, 33, 33), algorithm="winograd").error_bound


def test_rounds_little_more_than_direct_summation() -> None:
    """Root mean square over a layer of the pyramid."""
    problem = problem_of(64, 32, (33, 33), dilation=(12, 12))
    x, weight, _, _ = arrays_of(problem, 1, "float32")
    isa = available_isas()[-1]
    expected = run(problem, isa, x.astype(float), weight.astype(float), algorithm="direct")
    errors = {name: np.sqrt(np.mean((run(problem, isa, x, weight, algorithm=name) - expected) ** 2)) for name in ("dilated", "direct")}
    assert errors["dilated"] < 2 * errors["direct"]
