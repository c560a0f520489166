"""Bias, residual and activation on top of a convolution, against their definition on the convolution alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

import faltung as fl
from faltung.engine import native
from tests.support.check import check_error, check_same
from tests.support.engine import forced_isa, normals, num_threads
from tests.support.strategies import integers_of_shape


def silu(y: np.ndarray) -> np.ndarray:
    wide = y.astype(np.longdouble)
    with np.errstate(over="ignore", invalid="ignore"):
        return wide / (1 + np.exp(-wide))


DEFINITIONS = {
    None: lambda y: y,
    "relu": lambda y: np.where(y < 0, y.dtype.type(0), y),
    "relu6": lambda y: np.where(y < 0, y.dtype.type(0), np.where(y > 6, y.dtype.type(6), y)),
    "silu": silu,
}

# One or more specs for each algorithm; phases, taps apart, strips that fold back, channels past every vector.
SPECS = {
    "dense": (fl.ConvSpec(4, 35, 3, padding=1, ndim=2), (9, 11)),
    "pointwise": (fl.ConvSpec(5, 9, 1, ndim=2), (6, 7)),
    "depthwise": (fl.ConvSpec(7, 14, 3, padding=1, groups=7, ndim=2), (8, 19)),
    "narrow": (fl.ConvSpec(3, 2, (3, 5), ndim=2), (9, 21)),
    "stem": (fl.ConvSpec(3, 20, 7, stride=2, padding=3, ndim=2), (19, 23)),
    "long": (fl.ConvSpec(2, 3, 33, padding=16, ndim=1), (90,)),
    "volume": (fl.ConvSpec(2, 3, 3, padding=1, ndim=3), (3, 5, 6)),
    "phases": (fl.ConvSpec(3, 5, 3, stride=2, padding=1, ndim=2, transposed=True), (4, 6)),
    "holes": (fl.ConvSpec(3, 5, 2, stride=3, ndim=2, transposed=True), (4, 3)),
    "folds": (fl.ConvSpec(2, 4, 3, padding=1, ndim=2, transposed=True, padding_mode="circular"), (5, 6)),
    "apart": (fl.ConvSpec(16, 16, 3, padding=12, dilation=12, ndim=2), (13, 13)),
}


def served(spec: fl.ConvSpec, shape: tuple[int, ...], dtype: str) -> list[str]:
    decisions = fl.plan(spec, shape, dtype).why
    return ["auto", *(decision.algorithm for decision in decisions if decision.fits)]


def strided(array: np.ndarray) -> np.ndarray:
    """The same numbers, backwards in memory, every second cell, channels last."""
    held = np.zeros((*(2 * size for size in array.shape[::-1]),), array.dtype)
    view = held[(slice(None, None, -2),) * array.ndim].T
    view[...] = array
    return view


def check_close(result: np.ndarray, expected: np.ndarray) -> None:
    rounded = expected.astype(result.dtype)
    with np.errstate(invalid="ignore"):
        error = np.abs(result.astype(np.longdouble) - expected) / np.spacing(np.abs(rounded))
    assert np.all((error <= 2) | (result == rounded) | (np.isnan(result) & np.isnan(rounded))), np.nanmax(error)


def check_finished(result: np.ndarray, sums: np.ndarray, activation: str | None) -> None:
    if activation == "silu":
        check_close(result, silu(sums))
    else:
        check_same(np.ascontiguousarray(result), DEFINITIONS[activation](sums))


@pytest.mark.parametrize("isa", native.available_isas())
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint64"])
@pytest.mark.parametrize("case", SPECS)
def test_every_algorithm(case: str, dtype: str, isa: str) -> None:
    spec, size = SPECS[case]
    shape = (2, spec.in_channels, *size)
    shapes = shape, spec.weight_shape, (spec.out_channels,), spec.output_shape(shape)
    x, weight, bias, residual = (integers_of_shape(s, 3 + i, dtype) for i, s in enumerate(shapes))
    activations = [name for name in DEFINITIONS if name != "silu" or x.dtype.kind == "f"]
    with forced_isa(isa):
        for algorithm in served(spec, shape, dtype):
            plan = fl.plan(spec, shape, dtype, algorithm=algorithm)
            alone = plan.prepare(weight, bias)
            in_order, apart = alone(x), alone(strided(x), out=strided(np.zeros(shapes[3], dtype)))
            for activation in activations:
                prepared = plan.prepare(weight, bias, activation)
                for added in (None, residual, strided(residual)):
                    with num_threads(1 if added is residual else 2):
                        more = 0 if added is None else residual
                        check_finished(prepared(x, residual=added), in_order + more, activation)
                        out = strided(np.zeros_like(in_order))
                        assert prepared(strided(x), out=out, residual=added) is out
                        check_finished(out, apart + more, activation)


@pytest.mark.parametrize("dtype", ["float16", "complex64"])
def test_types_that_are_converted(dtype: str) -> None:
    """Half precision is rounded once, after the activation; complex residuals are added part by part."""
    spec = fl.ConvSpec(3, 4, 3, padding=1, ndim=2)
    shapes = (2, 3, 7, 9), spec.weight_shape, (4,), (2, 4, 7, 9)
    x, weight, bias, residual = (normals(s, 3 + i, dtype) for i, s in enumerate(shapes))
    plan = fl.plan(spec, x.shape, dtype)
    if dtype == "complex64":
        check_same(plan.prepare(weight, bias)(x, residual=strided(residual)), plan(x, weight, bias) + residual)
        return
    wide = [array.astype(np.float32) for array in (x, weight, bias, residual)]
    sums = fl.conv(spec, *wide[:3]) + wide[3]
    for activation in DEFINITIONS:
        result = plan.prepare(weight, bias, activation)(x, residual=residual)
        with np.errstate(over="ignore"):
            expected = DEFINITIONS[activation](sums).astype(np.float16)
        assert result.dtype == np.float16
        np.testing.assert_array_max_ulp(result, expected, 0 if activation != "silu" else 1)


def test_what_is_not_finite_goes_through_a_residual() -> None:
    x = np.array([[np.nan, np.inf, -np.inf, 1, -np.inf]], np.float32)
    residual = np.array([[1, 1, 1, np.nan, np.inf]], np.float32)
    plan, weight = fl.plan("conv1d(1, 1, 1, bias=False)", (1, 5)), np.ones((1, 1, 1), np.float32)
    expected = {"relu": [np.nan, np.inf, 0, np.nan, np.nan], "relu6": [np.nan, 6, 0, np.nan, np.nan]}
    expected["silu"] = [np.nan, np.inf, np.nan, np.nan, np.nan]
    for activation, values in expected.items():
        check_same(plan.prepare(weight, activation=activation)(x, residual=residual), np.array([values], np.float32))


@pytest.mark.parametrize("isa", native.available_isas())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_silu_is_within_two_units_in_the_last_place(dtype: str, isa: str) -> None:
    limit = 87 if dtype == "float32" else 708  # beyond, denormals
    grid = np.concatenate([np.linspace(-limit, limit, 20001), np.geomspace(1e-30, 1, 999), -np.geomspace(1e-30, 1, 999)])
    y = grid.astype(dtype)
    native.finish(y, isa, 1, "silu")
    check_close(y, silu(grid.astype(dtype)))
    far = np.array([-1e30, -200 if dtype == "float32" else -1000, 1e30, 0], dtype)
    native.finish(far, isa, 1, "silu")
    check_same(far, np.array([0, 0, 1e30, 0], dtype))


def sigmoid(y: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-y.astype(np.longdouble)))


def hardsigmoid(y: np.ndarray) -> np.ndarray:
    return np.clip(y.astype(np.longdouble) + 3, 0, 6) / 6


def gelu(y: np.ndarray) -> np.ndarray:
    return np.array([value / 2 * math.erfc(-value / math.sqrt(2)) for value in y.astype(float)])


OTHERS = {"sigmoid": sigmoid, "hardsigmoid": hardsigmoid, "hardswish": lambda y: y * hardsigmoid(y), "gelu": gelu}


@pytest.mark.parametrize("isa", native.available_isas())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", OTHERS)
def test_other_activations(activation: str, dtype: str, isa: str) -> None:
    """Sigmoid within two units in the last place, the others within some of their argument."""
    limit = 80 if activation == "sigmoid" else 9 if activation == "gelu" else 100
    grid = np.concatenate([np.linspace(-limit, limit, 4003), np.geomspace(1e-30, 1, 99), -np.geomspace(1e-30, 1, 99)]).astype(dtype)
    y = grid.copy()
    native.finish(y, isa, 1, activation)
    expected = OTHERS[activation](grid)
    if activation == "sigmoid":
        check_close(y, expected)
        return
    # Hard activations add 3 to their argument.
    allowed = 3 * (np.abs(grid) if activation == "gelu" else np.maximum(1, np.abs(grid)))
    assert np.all(np.abs(y - expected) <= np.finfo(dtype).eps * allowed)


@pytest.mark.parametrize("isa", native.available_isas())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_other_activations_of_what_is_not_finite(dtype: str, isa: str) -> None:
    expected = {"sigmoid": [np.nan, 1, 0, 0, 1], "hardsigmoid": [np.nan, 1, 0, 0, 1], "hardswish": [np.nan, np.inf, np.nan, 0, 1000]}
    expected["gelu"] = [np.nan, np.inf, np.nan, 0, 1000]
    for activation, values in expected.items():
        y = np.array([np.nan, np.inf, -np.inf, -1000, 1000], dtype)
        native.finish(y, isa, 1, activation)
        assert np.array_equal(y, np.array(values, dtype), equal_nan=True), activation


@pytest.mark.parametrize("activation", OTHERS)
def test_other_activations_are_fused(activation: str) -> None:
    for spec, size in SPECS.values():
        shape = (2, spec.in_channels, *size)
        x, weight, bias, residual = (
            normals(s, i, "float32") for i, s in enumerate((shape, spec.weight_shape, (spec.out_channels,), spec.output_shape(shape)))
        )
        plan = fl.plan(spec, shape)
        expected = plan.prepare(weight, bias)(x, residual=residual)
        native.finish(expected, native.chosen_isa(), 1, activation)
        check_same(plan.prepare(weight, bias, activation)(x, residual=residual), expected)
    with pytest.raises(fl.ConvTypeError):
        fl.plan("conv1d(1, 1, 3)", (1, 9), int).prepare(np.ones((1, 1, 3), int), activation=activation)


@pytest.mark.parametrize("shape", [(1,), (0, 3), (5,), (70000,), (3, 40000), (2, 3, 2, 3, 31, 67)])
def test_finishing_whole_arrays(shape: tuple[int, ...]) -> None:
    y, residual = (integers_of_shape(shape, seed, "float32") for seed in (1, 2))
    for added in (residual, strided(residual)):
        for target in (y.copy(), strided(y)):
            native.finish(target, native.chosen_isa(), 2, "relu", added)
            check_same(np.ascontiguousarray(target), np.maximum(y + residual, 0))


def test_result_may_take_the_place_of_the_residual() -> None:
    spec = fl.ConvSpec(4, 4, 3, padding=1, ndim=2)
    x, weight, y = (integers_of_shape(s, i, "float32") for i, s in enumerate(((2, 4, 8, 8), spec.weight_shape, (2, 4, 8, 8))))
    prepared = fl.plan(spec, x.shape).prepare(weight, activation="relu")
    expected = prepared(x, residual=y.copy())
    assert prepared(x, out=y, residual=y) is y
    check_same(y, expected)


PLAN = fl.plan("conv2d(2, 3, 3, padding=1)", (1, 2, 4, 5))
WEIGHT = np.ones((3, 2, 3, 3), np.float32)


@pytest.mark.parametrize(
    ("residual", "error", "message"),
    [
        (
            np.ones((1, 3, 4, 4), np.float32),
            fl.ConvShapeError,
            "residual has shape (1, 3, 4, 4), the result (1, 3, 4, 5).\n  Give one number for each of the result's.",
        ),
        (
            np.ones((3, 4, 5), np.float32),
            fl.ConvShapeError,
            "residual has shape (3, 4, 5), the result (1, 3, 4, 5).\n  Give one number for each of the result's.",
        ),
        (
            np.ones((1, 3, 4, 5)),
            fl.ConvTypeError,
            "residual of dtype float64 would make the result float64, the plan was made for float32.\n"
            "  Plan with dtype='float64', or convert with astype('float32').",
        ),
    ],
)
def test_residuals_that_do_not_fit(residual: np.ndarray, error: type[Exception], message: str) -> None:
    check_error(lambda: PLAN.prepare(WEIGHT)(np.ones((1, 2, 4, 5), np.float32), residual=residual), error, message)
