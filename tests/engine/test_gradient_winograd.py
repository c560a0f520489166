"""Winograd's weight gradient: within its bound at the edges of its tiles, the same bits always, on finite moderate values alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import faltung as fl
from faltung import reference
from faltung.engine.gradient import gradient_problem
from faltung.engine.gradient_catalog import choose_gradient
from faltung.engine.gradient_winograd import error_growth, refusal
from faltung.engine.native import WeightGradient, available_isas, native_problem
from faltung.engine.problem import Problem
from tests.support.check import check_same, check_within
from tests.support.engine import labelled, num_threads
from tests.support.layouts import channels_last

DTYPES = ["float32", "float64"]


def problem_of(inside: int, outside: int, size: tuple[int, ...], padding: tuple[int, ...] = (1, 1), groups: int = 1) -> Problem:
    out = tuple(n + 2 * p - 2 for n, p in zip(size, padding, strict=True))
    return Problem(groups, inside, outside, size, out, (3,) * len(size), (1,) * len(size), (1,) * len(size), padding, "zeros")


def problem_in(text: str, size: tuple[int, ...]) -> Problem:
    return gradient_problem(fl.ConvSpec.parse(text), size)


def arrays_of(problem: Problem, batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(len(str(problem)) + batch)
    group = (batch, problem.groups)
    return (
        rng.standard_normal((*group, problem.in_channels, *problem.in_size)),
        rng.standard_normal((*group, problem.out_channels, *problem.out_size)),
    )


def run(problem: Problem, name: str, isa: str, x: np.ndarray, grad: np.ndarray, threads: int = 1) -> np.ndarray:
    shape = (problem.groups, problem.out_channels, problem.in_channels, *problem.kernel_size)
    result = np.full(shape, 99, x.dtype)
    WeightGradient(name, x.dtype.name, isa, native_problem(problem)).run(x, grad, result, threads)
    return result


def largest_sum(problem: Problem, x: np.ndarray, grad: np.ndarray) -> float:
    """Of |x| |grad| at any distance that a tile's cells and outputs can have: three further than the taps, each way."""
    reach = [3 if (axis.kernel, axis.stride) == (3, 1) else 0 for axis in problem.axes]
    kernel = tuple(axis.kernel + 2 * beyond for axis, beyond in zip(problem.axes, reach, strict=True))
    before = tuple(axis.before + axis.dilation * beyond for axis, beyond in zip(problem.axes, reach, strict=True))
    wide = dataclasses.replace(problem, kernel_size=kernel, before=before)
    sums = np.empty((problem.groups, problem.out_channels, problem.in_channels, *kernel))
    WeightGradient("general", "float64", available_isas()[-1], native_problem(wide)).run(np.abs(x), np.abs(grad), sums, 1)
    return float(sums.max(initial=0))


def check_problem(problem: Problem, batch: int, isa: str) -> None:
    x, grad = arrays_of(problem, batch)
    scale = largest_sum(problem, x, grad)
    count = batch * int(np.prod(problem.out_size)) + 1
    for dtype in DTYPES:
        rounding = float(np.finfo(dtype).eps) / 2
        given = [array.astype(dtype) for array in (x, grad)]
        expected = run(problem, "general", isa, *(array.astype("float64") for array in given))
        bound = error_growth(problem) * count * rounding * scale
        with labelled((problem, batch, dtype)):
            results = [run(problem, "winograd", isa, *given, threads) for threads in (1, 2, 5)]
            check_within(results[0], expected, bound, dtype=np.dtype(dtype))
            check_same(results[1], results[0], bits=True)
            check_same(results[2], results[0], bits=True)


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
    check_problem(problem_in("conv3d(33, 2, 3, padding=1)", (4, 20, 30)), 2, isa)


@pytest.mark.parametrize("isa", available_isas())
def test_one_axis(isa: str) -> None:
    for size in (1, 3, 4, 5, 127, 128, 129, 133, 400):
        check_problem(problem_in("conv1d(3, 18, 3, padding=1)", (size,)), 1 + size % 2, isa)
    for text in ("conv2d(3, 4, (1, 3), padding=(0, 1))", "conv2d(33, 4, (3, 1), padding=(1, 0))", "conv2d(2, 3, (3, 1))"):
        for size in ((3, 5), (9, 13), (6, 131)):
            check_problem(problem_in(text, size), 2, isa)
    check_problem(problem_in("conv2d(3, 4, (1, 3), stride=(2, 1), padding=(1, 1))", (5, 6)), 2, isa)  # planes beyond the border


@pytest.mark.parametrize("isa", available_isas())
def test_two_axes_of_three(isa: str) -> None:
    for text in (
        "conv3d(3, 18, 3, padding=1)",
        "conv3d(2, 3, 3, padding=(2, 0, 1), stride=(2, 1, 1))",
        "conv3d(2, 3, 3, padding=(3, 1, 1), dilation=(3, 1, 1))",
        "conv3d(2, 3, (1, 3, 3), padding=(0, 1, 1))",
        "conv3d(2, 3, (3, 1, 1), padding=(1, 0, 0))",
        "conv3d(2, 3, (3, 3, 1), padding=(1, 1, 0))",
        "conv3d(4, 6, (4, 3, 3), padding=(2, 1, 1), groups=2)",
    ):
        for size in ((4, 5, 6), (5, 8, 9)):
            check_problem(problem_in(text, size), 2, isa)
    check_problem(problem_in("conv2d(3, 4, (5, 3), padding=(2, 1))", (9, 10)), 2, isa)


@pytest.mark.parametrize("isa", available_isas())
@pytest.mark.parametrize("mode", ["circular", "reflect", "replicate", "symmetric"])
def test_padding_modes(isa: str, mode: str) -> None:
    for text, size in (
        ("conv2d(3, 4, 3, padding=1", (5, 9)),
        ("conv2d(3, 4, 3, padding=((2, 5), (4, 3))", (6, 7)),
        ("conv2d(2, 4, 3, padding=3, dilation=3", (7, 8)),
        ("conv1d(17, 4, 3, padding=2", (133,)),
        ("conv3d(2, 3, 3, padding=1", (3, 6, 5)),
        ("conv3d(2, 3, 3, padding=2, stride=(2, 1, 1)", (4, 6, 5)),
    ):
        check_problem(problem_in(f"{text}, padding_mode='{mode}')", size), 2, isa)


@pytest.mark.parametrize("isa", available_isas())
def test_dilation(isa: str) -> None:
    for dilation in ((2, 1), (1, 2), (2, 3), (9, 12)):
        check_problem(problem_in(f"conv2d(3, 4, 3, padding={dilation}, dilation={dilation})", (7, 11)), 2, isa)
    check_problem(problem_in("conv1d(3, 4, 3, padding=16, dilation=16)", (700,)), 1, isa)


@pytest.mark.parametrize("isa", available_isas())
def test_an_empty_batch(isa: str) -> None:
    problem = problem_of(3, 4, (5, 6))
    check_same(run(problem, "winograd", isa, *arrays_of(problem, 0)), np.zeros((1, 4, 3, 3, 3)))
    volume = problem_in("conv3d(3, 4, 3, padding=1)", (3, 4, 5))
    check_same(run(volume, "winograd", isa, *arrays_of(volume, 0)), np.zeros((1, 4, 3, 3, 3, 3)))


def test_any_strides_of_the_arrays() -> None:
    problem, isa = problem_of(5, 6, (9, 10)), available_isas()[-1]
    x, grad = arrays_of(problem, 2)
    expected = run(problem, "winograd", isa, x, grad)
    x_, grad_ = channels_last(x, 2), np.ascontiguousarray(grad[..., ::-1])[..., ::-1]
    result = np.zeros((1, 6, 5, 3, 6))[..., ::-2]
    WeightGradient("winograd", "float64", isa, native_problem(problem)).run(x_, grad_, result, 2)
    check_same(result.copy(), expected, bits=True)


def test_what_it_refuses() -> None:
    layer = problem_of(8, 8, (9, 9))
    assert refusal(layer, "float32") is None
    assert refusal(layer, "uint64") == "it rounds, and uint64 is summed exactly"
    huge = problem_of(2048, 2048, (9, 9))
    assert "would need" in str(refusal(huge, "float32"))
    needs = "it needs an axis of 3 taps with stride 1, and of the last axis these, or one tap in place"
    for text, size in (
        ("conv2d(8, 8, 3, stride=2, padding=1)", (9, 9)),
        ("conv2d(8, 8, (3, 5), padding=(1, 2))", (9, 9)),
        ("conv2d(8, 8, (3, 1), padding=(1, 1))", (9, 9)),
        ("conv1d(8, 8, 1)", (9,)),
    ):
        other = problem_in(text, size)
        assert refusal(other, "float32") == needs
        with pytest.raises(ValueError, match=f"does not serve this problem: {needs}"):
            WeightGradient("winograd", "float32", available_isas()[0], native_problem(other))
    deep = problem_in("conv2d(1, 1, (1025, 3))", (1030, 9))
    assert "too many pairs" in str(refusal(deep, "float32"))
    with pytest.raises(ValueError, match="too many positions meet"):
        WeightGradient("winograd", "float32", available_isas()[0], native_problem(deep))


def test_it_is_taken_where_it_pays_and_never_for_exact_results() -> None:
    layer = problem_of(64, 64, (56, 56))
    assert choose_gradient(layer, "float32", 1, is_exact=False).name == "winograd"
    assert choose_gradient(layer, "float32", 1, is_exact=True).name == "direct"
    assert choose_gradient(problem_of(2, 2, (5, 5)), "float32", 1, is_exact=False).name != "winograd"
    for text, size in (
        ("conv1d(64, 64, 3, padding=1)", (1000,)),
        ("conv2d(64, 64, (3, 1), padding=(1, 0))", (56, 56)),
        ("conv2d(64, 64, 3, padding=1, padding_mode='circular')", (56, 56)),
        ("conv2d(128, 128, 3, padding=2, dilation=2)", (28, 28)),
        ("conv3d(32, 32, 3, padding=1)", (8, 28, 28)),
    ):
        assert choose_gradient(problem_in(text, size), "float32", 1, is_exact=False).name == "winograd"
    small_phases = problem_in("conv2d(256, 64, 3, padding=12, dilation=12)", (33, 33))
    assert choose_gradient(small_phases, "float32", 1, is_exact=False).name == "direct"


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
