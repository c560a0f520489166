"""Large kernels of few channels by Winograd's filtering on every instruction set: right at the edges, within the bound, the same bits."""

from __future__ import annotations

import functools
import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import faltung as fl
from faltung.engine.lowering import lower
from faltung.engine.native import Correlation, available_isas, native_problem
from faltung.engine.problem import Problem
from faltung.engine.stem import cycles, error_growth, form_of, packing_cycles, refusal
from faltung.engine.winograd import transforms
from tests.support import problems
from tests.support.check import check_same
from tests.support.problems import arrays_of, check_any_strides, check_growth, check_nothing_elsewhere, check_same_bits

DTYPES = ["float32", "float64"]

run = functools.partial(problems.run, algorithm="stem")


def problem_of(text: str, *size: int) -> Problem:
    return lower(fl.ConvSpec.parse(text), size, backward=False).main.steps[0].problem


def check_rounding(problem: Problem, isa: str, dtype: str, batch: int = 1) -> None:
    """Random numbers within the bound."""
    x, weight, bias, y = arrays_of(problem, batch, dtype)
    check_growth(problem, isa, "stem", error_growth(problem, dtype), x, weight, bias, y)


@pytest.fixture(params=available_isas())
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tile_edges(isa: str, dtype: str) -> None:
    """Outputs from a row to more than two vectors of tiles, for pieces of 3 and of 4 taps, with every stride of the columns."""
    sizes = [(1, 4), (3, 5), (4, 8), (5, 9), (9, 31), (2, 64), (4, 65), (3, 133)]
    for (rows, columns), (kernel, stride) in itertools.product(sizes, ((6, 1), (7, 1), (5, 2), (7, 2), (11, 4), (13, 4))):
        spec = f"conv2d(2, 3, {kernel}, stride={stride}, padding={kernel // 2})"
        problem = problem_of(spec, (rows - 1) * stride + 1, (columns - 1) * stride + 1)
        if problem.out_size == (rows, columns):
            check_rounding(problem, isa, dtype)


def test_channels(isa: str) -> None:
    for in_channels, out_channels in itertools.product((1, 3, 4), (1, 3, 8, 15, 16, 17, 31, 32, 33, 65)):
        check_rounding(problem_of(f"conv2d({in_channels}, {out_channels}, 7, stride=2, padding=3)", 19, 21), isa, "float32")


LAYERS = [
    problem_of("conv2d(3, 64, 7, stride=2, padding=3)", 56, 58),
    problem_of("conv2d(4, 6, 7, stride=2, padding=3, groups=2)", 23, 25),
    problem_of("conv2d(2, 6, (5, 8), stride=(1, 2), padding=(0, 3))", 20, 40),
    problem_of("conv2d(2, 6, (13, 5), stride=(3, 1), padding=9)", 20, 40),
    problem_of("conv2d(3, 6, (11, 9), stride=(5, 4), padding=-1)", 40, 47),
    problem_of("conv2d(3, 20, 9)", 9, 30),
    problem_of("conv2d(3, 20, 9)", 30, 9),  # one column: the axes change places
    problem_of("conv2d(1, 4, (17, 5), padding=(20, 2))", 6, 40),
    problem_of("conv3d(2, 3, (1, 7, 5), padding=(0, 2, 2))", 1, 12, 13),
    problem_of("conv2d(5, 7, (6, 3), padding=1)", 12, 13),
    problem_of("conv2d(6, 5, 5, stride=2, padding=2)", 1, 30),
]


@pytest.mark.parametrize("dtype", DTYPES)
def test_layers(isa: str, dtype: str) -> None:
    for problem in LAYERS:
        assert refusal(problem, dtype) is None
        check_rounding(problem, isa, dtype, batch=2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits(isa: str, dtype: str) -> None:
    """For any number of threads and samples, and with a bias that is zero."""
    for problem in (problem_of("conv2d(3, 40, 7, stride=2, padding=3)", 75, 140), LAYERS[1], LAYERS[3]):
        check_same_bits(problem, isa, "stem", dtype)


def test_any_strides(isa: str) -> None:
    for problem in LAYERS[:3]:
        check_any_strides(problem, isa, "stem")


def test_nothing_is_written_elsewhere_or_read_beyond(isa: str) -> None:
    for problem in (LAYERS[1], LAYERS[2], LAYERS[4], LAYERS[7]):
        check_nothing_elsewhere(problem, isa, "stem")


@pytest.mark.parametrize("dtype", DTYPES)
def test_bound_holds_for_hostile_numbers(isa: str, dtype: str) -> None:
    """Magnitudes over twelve decades from cell to cell and tap to tap; all windows that tiles see are outputs."""
    rng = np.random.default_rng(5)
    for text in ("conv2d(2, 5, 7, padding=6)", "conv2d(2, 5, 7, stride=2, padding=6)", "conv2d(2, 5, 5, stride=2, padding=5)"):
        problem = problem_of(text, 23, 24)
        x, weight, bias, y = arrays_of(problem, 1, dtype)
        x, weight = (array * (10 ** rng.uniform(-6, 6, array.shape)).astype(dtype) for array in (x, weight))
        check_growth(problem, isa, "stem", error_growth(problem, dtype), x, weight, bias, y)


def test_a_plan_leaves_hostile_values_and_exactness_to_direct_summation() -> None:
    spec = fl.ConvSpec.parse("conv2d(3, 64, 7, stride=2, padding=3, bias=False)")
    x, weight = (np.random.default_rng(1).standard_normal(shape).astype("float32") for shape in ((2, 3, 90, 90), spec.weight_shape))
    plan = fl.plan(spec, x.shape, algorithm="stem")
    assert fl.plan(spec, x.shape, accuracy="exact").algorithm != "stem"
    exact = fl.conv(spec, x, weight, accuracy="exact")
    assert float(np.abs(plan(x, weight) - exact).max()) < 5e-4
    x[1, 2, 4, 5] = np.inf
    mixed, direct = plan.prepare(weight)(x), fl.conv(spec, x, weight, accuracy="exact")
    assert np.array_equal(np.isfinite(mixed), np.isfinite(direct))
    check_same(mixed[0], plan.prepare(weight)(x[:1])[0], bits=True)


REFUSED = [
    (problem_of("conv2d(3, 4, 3, stride=2)", 19, 19), "kernel 3×3"),
    (problem_of("conv2d(3, 4, 7, stride=3)", 29, 29), "stride 3×3"),
    (problem_of("conv2d(3, 4, 5, dilation=2)", 19, 19), "dilated"),
    (problem_of("conv2d(3, 4, 5, padding=2)", 19, 19), "kernel 5×5"),
    (problem_of("conv1d(3, 4, 7)", 40), "two axes"),
    (problem_of("conv3d(3, 4, 5)", 12, 13, 14), "two axes"),
    (problem_of("conv2d(3, 4, 7, padding=3, padding_mode='reflect')", 19, 19), "reflect"),
    (problem_of("conv3d(3, 4, (1, 7, 7), padding=(-1, 3, 3))", 3, 13, 14), "two axes"),
    (problem_of("conv2d(200, 4, 7)", 19, 19), "cache"),
]


@pytest.mark.parametrize(("problem", "reason"), REFUSED)
def test_refusals(problem: Problem, reason: str) -> None:
    assert reason in str(refusal(problem, "float32"))
    assert math.isinf(cycles(problem, 16)) == math.isinf(packing_cycles(problem, 16)) == (form_of(problem) is None)
    with pytest.raises(ValueError, match="stem"):
        Correlation("stem", "float32", available_isas()[-1], native_problem(problem))


def test_refuses_integers() -> None:
    assert "exact" in str(refusal(LAYERS[0], "uint64"))
    with pytest.raises(ValueError, match=r"stem.*exact"):
        Correlation("stem", "uint64", available_isas()[-1], native_problem(LAYERS[0]))


def test_plan_and_engine_cut_alike() -> None:
    """Their forms are the same where the packed weights are as large."""
    for kernel, stride in itertools.product(itertools.product((3, 5, 8, 9, 13), repeat=2), ((1, 1), (2, 2), (3, 4))):
        problem = problem_of(f"conv2d(2, 16, {kernel}, stride={stride}, padding=4)", 31, 33)
        form = form_of(problem)
        assert (form is None) == (refusal(problem, "float32") is not None)
        if form is not None:
            made = Correlation("stem", "float32", "avx2" if "avx2" in available_isas() else available_isas()[-1], native_problem(problem))
            assert made.packed_bytes == 4 * form.points * form.members * 2 * 16
            assert 0 < cycles(problem, 16) < math.inf


def test_transforms_are_those_of_the_points() -> None:
    """One tap and one cell at a time, in float64: what reaches each output is what Toom and Cook's transforms let through."""
    to_outputs, weights, inputs = transforms(4, 4)
    for a, b, o in itertools.product(range(7), range(4), range(4)):
        through = sum((row[p] * inputs[p][a] * weights[p][b] for p in range(7) for row in (to_outputs[o],)), Fraction(0))
        assert through == (a == o + b)
