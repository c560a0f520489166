"""Spectra of rows on every instruction set: right for every shape they are cut into, within the bound, the same bits always."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

import faltung as fl
from faltung.engine.catalog import BY_NAME
from faltung.engine.native import Correlation, available_isas, native_problem, spectral_shape
from faltung.engine.problem import Problem
from faltung.engine.spectral import cycles, error_growth, packing_cycles, refusal
from tests.support import problems
from tests.support.check import check_same, check_within
from tests.support.engine import expected_forward, labelled, normals
from tests.support.problems import arrays_of

DTYPES = ["float32", "float64"]
MODES = ["zeros", "absent", "circular", "reflect", "replicate", "symmetric"]

run = functools.partial(problems.run, algorithm="spectral")


def problem_of(
    groups: int, multiplier: int, size: tuple[int, ...], kernel: tuple[int, ...], before: tuple[int, ...] | None = None, *,
    out: tuple[int, ...] | None = None, dilation: tuple[int, ...] | None = None, mode: str = "zeros",
) -> Problem:  # fmt: skip
    """With as much padding after as before, unless `out` is given."""
    before = tuple(k // 2 for k in kernel) if before is None else before
    dilation = (1,) * len(size) if dilation is None else dilation
    if out is None:
        out = tuple(i + 2 * b - d * (k - 1) for i, b, k, d in zip(size, before, kernel, dilation, strict=True))
    return Problem(groups, 1, multiplier, size, out, kernel, (1,) * len(size), dilation, before, mode)


def check_rounding(problem: Problem, isa: str, dtype: str, batch: int = 1) -> None:
    """Small whole numbers, whose sums are exact, come out whole but for rounding; random ones within the bound."""
    x, weight, bias, y = arrays_of(problem, batch, dtype, whole=True)
    wide = [array.astype(np.float64) for array in (x, weight, bias, y)]
    with labelled((problem, dtype)):
        check_within(run(problem, isa, x, weight, bias, y), run(problem, isa, *wide, algorithm="general"), 0.02, dtype=np.dtype(dtype))
    x, weight, bias, y = arrays_of(problem, batch, "float64", whole=False)
    scale = float(run(problem, isa, np.abs(x), np.abs(weight), algorithm="general").max() + np.abs(bias).max() + np.abs(y).max())
    growth = spectral_shape(dtype, isa, native_problem(problem)).error_growth
    bound = growth * (problem.terms + 2) * float(np.finfo(dtype).eps) * scale
    x, weight, bias, y = (array.astype(dtype) for array in (x, weight, bias, y))
    wide = [array.astype(np.float64) for array in (x, weight, bias, y)]
    with labelled((problem, dtype)):
        check_within(run(problem, isa, x, weight, bias, y), run(problem, isa, *wide, algorithm="general"), bound, dtype=np.dtype(dtype))


@pytest.fixture(params=available_isas())
def isa(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def shapes_with(mode: str) -> list[Problem]:
    """Every way of cutting: rows or channels in the lanes, blocks of columns, bands of rows, folded signals, runs of taps."""
    return [
        problem_of(1, 1, (50,), (7,), mode=mode),
        problem_of(1, 1, (5,), (2,), (70,), mode=mode),  # wider than the input, many times over
        problem_of(3, 2, (31,), (4,), (9,), dilation=(5,), mode=mode),
        problem_of(17, 1, (200,), (157,), mode=mode),
        problem_of(1, 1, (500,), (400,), (399,), mode=mode),
        problem_of(18, 1, (12, 9), (5, 3), mode=mode),
        problem_of(3, 2, (14, 14), (13, 13), mode=mode),
        problem_of(2, 1, (40, 37), (5, 7), dilation=(2, 3), mode=mode),
        problem_of(5, 1, (9, 8), (3, 3), (-1, 2), out=(5, 9), mode=mode),
        problem_of(1, 1, (1, 40), (1, 5), (0, 2), mode=mode),
        problem_of(1, 1, (40, 70), (15, 9), mode=mode),
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", MODES)
def test_every_border(isa: str, dtype: str, mode: str) -> None:
    for problem in shapes_with(mode):
        check_rounding(problem, isa, dtype, batch=2)


def test_the_shapes_differ() -> None:
    found = [spectral_shape("float32", available_isas()[-1], native_problem(problem)) for problem in shapes_with("zeros")]
    assert {shape.rows_in_lanes for shape in found} == {shape.folds for shape in found} == {True, False}
    assert {shape.row_taps > 1 for shape in found if shape.folds} == {True, False}


@pytest.mark.parametrize("dtype", DTYPES)
def test_edges_of_blocks(isa: str, dtype: str) -> None:
    for length in (*range(11, 45, 3), 63, 64, 65, 127, 129, 1000):
        check_rounding(problem_of(1, 1, (length,), (11,), (0,)), isa, dtype)
    for rows, columns in itertools.product((5, 15, 16, 17, 33), (6, 16, 17, 40)):
        check_rounding(problem_of(1, 1, (rows, columns), (5, 6)), isa, dtype)
    for groups in (3, 4, 5, 8, 9, 16, 17):
        check_rounding(problem_of(groups, 1, (7, 9), (5, 5)), isa, dtype)
    for taps in (2, 5, 63, 64, 65, 333):
        check_rounding(problem_of(2, 1, (400,), (taps,)), isa, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_bands_of_rows(isa: str, dtype: str) -> None:
    for problem in (problem_of(1, 1, (330, 40), (9, 13)), problem_of(17, 1, (40, 60), (21, 31)), problem_of(1, 1, (9000,), (40,), (0,))):
        check_rounding(problem, isa, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_any_strides(isa: str, dtype: str) -> None:
    for problem in (problem_of(3, 2, (20, 22), (7, 9)), problem_of(18, 1, (20, 22), (7, 9)), problem_of(2, 1, (300,), (41,))):
        x, weight, bias, y = arrays_of(problem, 2, dtype, whole=False)
        expected = run(problem, isa, x, weight, bias)
        kernel = Correlation("spectral", dtype, isa, native_problem(problem))
        for arrange in (np.asfortranarray, lambda array: array[::-1].copy()[::-1], lambda array: np.repeat(array, 2, -1)[..., ::2]):
            result = arrange(np.full_like(y, np.nan))
            kernel.run(arrange(x), kernel.pack(arrange(weight)), bias, result, False, 1)
            check_same(np.ascontiguousarray(result), expected, bits=True)


@pytest.mark.parametrize("dtype", DTYPES)
def test_same_bits_for_any_threads_and_batch(isa: str, dtype: str) -> None:
    for problem in (problem_of(40, 1, (20, 20), (13, 13)), problem_of(1, 1, (150, 150), (9, 9)), problem_of(3, 2, (3000,), (200,))):
        x, weight, bias, _ = arrays_of(problem, 3, dtype, whole=False)
        expected = run(problem, isa, x, weight, bias)
        for threads in (2, 3, 8):
            check_same(run(problem, isa, x, weight, bias, threads=threads), expected, bits=True)
        for sample in range(3):
            check_same(run(problem, isa, x[sample : sample + 1], weight, bias, threads=2), expected[sample : sample + 1], bits=True)


def test_what_it_refuses() -> None:
    problem = problem_of(4, 1, (9, 9), (5, 5))
    assert refusal(problem, "float32") is None
    cases = {
        "integers": (problem, "uint64"),
        "2 input channels": (Problem(2, 2, 1, (9,), (9,), (3,), (1,), (1,), (1,), "zeros"), "float32"),
        "stride 2": (Problem(2, 1, 1, (9,), (5,), (3,), (2,), (1,), (1,), "zeros"), "float32"),
        "nothing": (Problem(2, 1, 1, (0,), (2,), (3,), (1,), (1,), (2,), "zeros"), "float32"),
        "two axes": (problem_of(1, 1, (9, 9, 9), (3, 3, 3)), "float32"),
        "one column": (problem_of(1, 1, (9, 9), (3, 1)), "float32"),
    }
    for part, (refused, dtype) in cases.items():
        assert part in str(refusal(refused, dtype))
        with pytest.raises(ValueError, match="does not serve"):
            Correlation("spectral", dtype, available_isas()[-1], native_problem(refused))


def test_cost_grows_with_the_work() -> None:
    small, large = problem_of(64, 1, (28, 28), (29, 29)), problem_of(64, 1, (56, 56), (29, 29))
    assert 0 < cycles(small, "float32") < cycles(large, "float32")
    assert packing_cycles(small, "float32") > 0
    assert fl.plan("conv2d(64, 64, 31, padding=15, groups=64)", (1, 64, 56, 56)).algorithm == "spectral"


# -- the bound and its guard -----------------------------------------------------------------------


def guarded(problem: Problem, x: np.ndarray, weight: np.ndarray) -> bool:
    kernel = Correlation("spectral", x.dtype.name, available_isas()[-1], native_problem(problem))
    return bool(kernel.keeps_bound(x, kernel.pack(weight), 2))


GUARDED = [
    problem_of(8, 1, (28, 28), (29, 29)),
    problem_of(1, 1, (200, 300), (15, 15), mode="reflect"),
    problem_of(1, 1, (5000,), (400,), (399,), out=(5000,)),
    problem_of(20, 2, (14, 14), (13, 13), mode="circular"),
]


def test_ordinary_data_pass() -> None:
    rng = np.random.default_rng(0)
    for problem in GUARDED:
        x, weight, _, _ = arrays_of(problem, 1, "float32", whole=False)
        spike = np.zeros_like(x)
        spike[..., 5] = 1
        for data in (x, np.maximum(x, 0), np.abs(x) + 100, x * np.exp(0.4 * rng.standard_normal(x.shape)).astype("f"), spike, 0 * x):
            with labelled(problem):
                assert guarded(problem, data, weight)


def test_data_that_would_drown_are_summed_directly() -> None:
    """A huge cell in the corner that meets small taps alone."""
    spec = fl.ConvSpec(4, 4, 15, padding=3, groups=4, ndim=2)
    x, weight, bias = normals((2, 4, 24, 24), 1, "float32"), normals(spec.weight_shape, 2, "float32"), normals((4,), 3, "float32")
    x[0, :, 0, 0] = 1e9
    weight[..., :4, :4] = 1e-9
    problem = Problem(4, 1, 1, (24, 24), (16, 16), (15, 15), (1, 1), (1, 1), (3, 3), "zeros")
    assert not guarded(problem, x[:1].reshape(1, 4, 1, 24, 24), weight.reshape(4, 1, 1, 15, 15))
    assert guarded(problem, x[1:].reshape(1, 4, 1, 24, 24), weight.reshape(4, 1, 1, 15, 15))
    plan = fl.plan(spec, x.shape, algorithm="spectral")
    y = plan(x, weight, bias)
    wide = [array.astype(np.float64) for array in (x, weight, bias)]
    for sample in range(2):
        part = slice(sample, sample + 1)
        expected = expected_forward(spec, wide[0][part], *wide[1:])
        scale = float(expected_forward(spec, np.abs(wide[0][part]), np.abs(wide[1]), np.abs(wide[2])).max())
        check_within(y[part], expected, plan.error_bound * scale, dtype=np.float32)
    check_same(y[:1], fl.conv(spec, x[:1], weight, bias, accuracy="exact"), bits=True)


def test_the_bound_covers_structured_data() -> None:
    for problem in GUARDED:
        growth = error_growth(problem, "float32")
        shape, taps = (1, problem.groups, 1, *problem.in_size), (problem.groups, problem.out_channels, 1, *problem.kernel_size)
        t, k = np.arange(shape[-1]), np.arange(taps[-1])
        for xs, ws in itertools.product(
            (np.ones(shape), np.broadcast_to(np.sin(0.37 * t) + 1.1, shape), np.broadcast_to((-1.0) ** t, shape)),
            (np.full(taps, 0.7), np.broadcast_to(np.sin(0.37 * k), taps), np.broadcast_to((-1.0) ** k, taps)),
        ):
            x, weight = xs.astype("f"), ws.astype("f")
            isa = available_isas()[-1]
            expected = run(problem, isa, x.astype("d"), weight.astype("d"), algorithm="depthwise")
            scale = float(run(problem, isa, np.abs(x).astype("d"), np.abs(weight).astype("d"), algorithm="depthwise").max())
            bound = growth * (problem.terms + 1) * 2.0**-24 * scale
            with labelled(problem):
                check_within(run(problem, isa, x, weight), expected, bound, dtype=np.float32)


def test_it_is_no_direct_sum() -> None:
    assert not BY_NAME["spectral"].is_direct
    assert all(not entry.chosen for entry in fl.plan("conv2d(64, 64, 31, padding=15, groups=64)", (1, 64, 56, 56), accuracy="exact").why
               if entry.algorithm == "spectral")  # fmt: skip
