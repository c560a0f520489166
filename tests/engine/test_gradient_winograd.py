"""Winograd's weight gradient: within its bound at the edges of its tiles, the same bits always, on finite moderate values alone."""

from __future__ import annotations

import numpy as np
import pytest

import faltung as fl
from faltung import reference
from faltung.engine.gradient_catalog import choose_gradient
from faltung.engine.gradient_winograd import error_growth, refusal
from faltung.engine.native import WeightGradient, available_isas
from faltung.engine.problem import Problem
from tests.support.check import check_same, check_within
from tests.support.engine import labelled, num_threads

DTYPES = ["float32", "float64"]


def problem_of(inside: int, outside: int, size: tuple[int, int], padding: tuple[int, int] = (1, 1), groups: int = 1) -> Problem:
    out = tuple(n + 2 * p - 2 for n, p in zip(size, padding, strict=True))
    return Problem(groups, inside, outside, size, out, (3, 3), (1, 1), (1, 1), padding, "zeros")


def arrays_of(problem: Problem, batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(len(str(problem)) + batch)
    group = (batch, problem.groups)
    return (
        rng.standard_normal((*group, problem.in_channels, *problem.in_size)),
        rng.standard_normal((*group, problem.out_channels, *problem.out_size)),
    )


def run(problem: Problem, name: str, isa: str, x: np.ndarray, grad: np.ndarray, threads: int = 1) -> np.ndarray:
    shape = (problem.groups, problem.out_channels, problem.in_channels, 3, 3)
    result = np.full(shape, 99, x.dtype)
    WeightGradient(name, x.dtype.name, isa, *problem.arguments).run(x, grad, result, threads)
    return result


def largest_sum(problem: Problem, x: np.ndarray, grad: np.ndarray) -> float:
    """Of |x| |grad| at any distance that a tile's cells and outputs can have: three further than the taps, each way."""
    wide = Problem(
        problem.groups, problem.in_channels, problem.out_channels, problem.in_size, problem.out_size, (9, 9), (1, 1), (1, 1),
        (problem.before[0] + 3, problem.before[1] + 3), "zeros",
    )  # fmt: skip
    sums = np.empty((problem.groups, problem.out_channels, problem.in_channels, 9, 9))
    WeightGradient("general", "float64", available_isas()[-1], *wide.arguments).run(np.abs(x), np.abs(grad), sums, 1)
    return float(sums.max(initial=0))


def check_problem(problem: Problem, batch: int, isa: str) -> None:
    x, grad = arrays_of(problem, batch)
    expected = run(problem, "general", isa, x, grad)
    scale = largest_sum(problem, x, grad)
    count = batch * int(np.prod(problem.out_size)) + 1
    for dtype in DTYPES:
        rounding = float(np.finfo(dtype).eps) / 2
        given = [array.astype(dtype) for array in (x, grad)]
        if dtype == "float32":
            expected = run(problem, "general", isa, *(array.astype("float64") for array in given))
        bound = error_growth(problem) * count * rounding * scale
        with labelled((problem, batch, dtype)):
            results = [run(problem, "winograd", isa, *given, threads) for threads in (1, 2, 5)]
            check_within(results[0], expected, bound, dtype=np.dtype(dtype))
            check_same(results[1], results[0], bits=True)
            check_same(results[2], results[0], bits=True)
        expected = run(problem, "general", isa, x, grad)


@pytest.mark.parametrize("isa", available_isas())
def test_edges_of_tiles(isa: str) -> None:
    for rows in (1, 3, 4, 5, 8, 9):
        for columns in (1, 4, 5, 6, 13):
            check_problem(problem_of(3, 2, (rows, columns)), 1 + rows % 2, isa)


@pytest.mark.parametrize("isa", available_isas())
def test_blocks_of_channels(isa: str) -> None:
    for inside, outside in ((1, 1), (15, 17), (16, 33), (31, 8), (32, 32), (33, 65), (70, 3)):
        check_problem(problem_of(inside, outside, (6, 7)), 2, isa)
    check_problem(problem_of(5, 9, (6, 7), groups=3), 2, isa)


@pytest.mark.parametrize("isa", available_isas())
def test_paddings(isa: str) -> None:
    for padding in ((0, 0), (2, 0), (5, 7), (-1, -2)):
        check_problem(problem_of(3, 4, (9, 11), padding), 2, isa)


@pytest.mark.parametrize("isa", available_isas())
def test_several_blocks_of_tiles(isa: str) -> None:
    check_problem(problem_of(2, 1, (16, 4000)), 1, isa)


@pytest.mark.parametrize("isa", available_isas())
def test_an_empty_batch(isa: str) -> None:
    problem = problem_of(3, 4, (5, 6))
    check_same(run(problem, "winograd", isa, *arrays_of(problem, 0)), np.zeros((1, 4, 3, 3, 3)))


def test_any_strides_of_the_arrays() -> None:
    problem, isa = problem_of(5, 6, (9, 10)), available_isas()[-1]
    x, grad = arrays_of(problem, 2)
    expected = run(problem, "winograd", isa, x, grad)
    x_, grad_ = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 2, -1)), -1, 2), np.ascontiguousarray(grad[..., ::-1])[..., ::-1]
    result = np.zeros((1, 6, 5, 3, 6))[..., ::-2]
    WeightGradient("winograd", "float64", isa, *problem.arguments).run(x_, grad_, result, 2)
    check_same(result.copy(), expected, bits=True)


def test_what_it_refuses() -> None:
    layer = problem_of(8, 8, (9, 9))
    assert refusal(layer, "float32") is None
    assert refusal(layer, "uint64") == "it rounds, and uint64 is summed exactly"
    circular = Problem(1, 8, 8, (9, 9), (9, 9), (3, 3), (1, 1), (1, 1), (1, 1), "circular")
    assert refusal(circular, "float32") == "it pads with zeros alone, not by mode 'circular'"
    huge = problem_of(2048, 2048, (9, 9))
    assert "would need" in str(refusal(huge, "float32"))
    with pytest.raises(ValueError, match="does not serve this problem: it pads with zeros alone"):
        WeightGradient("winograd", "float32", available_isas()[0], *circular.arguments)


def test_it_is_taken_where_it_pays_and_never_for_exact_results() -> None:
    layer = problem_of(64, 64, (56, 56))
    assert choose_gradient(layer, "float32", 1, is_exact=False).name == "winograd"
    assert choose_gradient(layer, "float32", 1, is_exact=True).name == "direct"
    assert choose_gradient(problem_of(2, 2, (5, 5)), "float32", 1, is_exact=False).name != "winograd"


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e30])
@pytest.mark.parametrize("where", ["x", "grad"])
def test_values_that_it_does_not_serve_are_summed_directly(value: float, where: str) -> None:
    spec = fl.ConvSpec.parse("conv2d(64, 64, 3, padding=1)")
    rng = np.random.default_rng(3)
    x, grad = (rng.standard_normal((1, 64, 28, 28)).astype("float32") for _ in range(2))
    assert not np.array_equal(fl.conv_weight_grad(spec, x, grad), fl.conv_weight_grad(spec, x, grad, accuracy="exact"))
    (x if where == "x" else grad)[0, 5, 0, 3] = value
    check_same(fl.conv_weight_grad(spec, x, grad), fl.conv_weight_grad(spec, x, grad, accuracy="exact"), bits=True)


def test_the_function_equals_the_reference_within_the_bound() -> None:
    spec = fl.ConvSpec.parse("conv2d(24, 40, 3, padding=1)")
    rng = np.random.default_rng(4)
    x, grad = rng.standard_normal((2, 24, 20, 21)), rng.standard_normal((2, 40, 20, 21))
    problem = problem_of(24, 40, (20, 21))
    assert choose_gradient(problem, "float64", 2, is_exact=False).name == "winograd"
    bound = error_growth(problem) * (2 * 420 + 1) * 2.0**-53 * largest_sum(problem, x[:, None], grad[:, None])
    for threads in (1, 2):
        with num_threads(threads):
            check_within(fl.conv_weight_grad(spec, x, grad), reference.conv_weight_grad(spec, x, grad), bound, dtype=np.dtype("float64"))
