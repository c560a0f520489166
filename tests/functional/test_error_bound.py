"""Rounded sums stay within the bound that the plan states, and the bound is tight enough to notice a mistake."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
from checks import rounding
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from faltung import reference
from faltung.engine.catalog import ALGORITHMS
from tests.support.check import check_within
from tests.support.engine import examples, labelled, magnitude, normal_arrays, normals
from tests.support.strategies import Problem, problems

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
DTYPES = ["float16", BFLOAT16, "float32", "float64", "complex64", "complex128"]
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52, "complex64": 2.0**-23, "complex128": 2.0**-52}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@examples(40)
@given(problem=problems(max_axes=3))
def test_errors_stay_within_the_bound(dtype: object, problem: Problem) -> None:
    spec = problem.spec
    x, weight, bias = normal_arrays(problem, dtype)
    expected, scale = reference.conv(spec, x, weight, bias), magnitude(spec, x, weight, bias)
    for entry in ("auto", *(entry.name for entry in ALGORITHMS)):
        try:
            plan = fl.plan(spec, x.shape, dtype, algorithm=entry)
        except fl.ConvPlanError:
            continue
        with labelled(plan.algorithm):
            check_within(plan(x, weight, bias), expected, plan.error_bound * scale, dtype=dtype)


def test_every_algorithm_stays_within_its_bound_on_layers() -> None:
    """Part of what ``checks/rounding.py`` measures."""
    worst = rounding.worst_rows(row for text, size in rounding.LAYERS for row in rounding.rows_of(text, size, "positive", 0))
    assert [row for row in worst.values() if not row.largest <= row.bound] == []
    assert set(worst) == set(rounding.expected_names())


LONG = [
    "conv2d(40, 16, 3, padding=1)",  # 360 products
    "conv2d(40, 3, 3, padding=1)",
    "conv1d(300, 8, 1)",
    "conv1d(1, 1, 60, padding='full')",
    "conv_transpose2d(40, 16, 4, stride=2, padding=1)",
    "conv_transpose1d(30, 2, 9, padding=2, padding_mode='replicate')",
    "conv3d(8, 8, 3, padding=1, padding_mode='circular')",
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("text", LONG)
def test_errors_of_long_sums_stay_within_the_bound(text: str, dtype: object) -> None:
    spec = fl.ConvSpec.parse(text)
    shape = (1, spec.in_channels, *(({1: 12, 2: 5, 3: 4}[spec.ndim],) * spec.ndim))
    x, weight, bias = normal_arrays(Problem(spec, shape[2:], 1, 7), dtype)
    expected, plan = reference.conv(spec, x, weight, bias), fl.plan(spec, shape, dtype)
    check_within(plan(x, weight, bias), expected, plan.error_bound * magnitude(spec, x, weight, bias), dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(problem=problems(transposed=False) | problems(transposed=True, modes=["zeros"]))
def test_the_bound_is_not_loose(dtype: object, problem: Problem) -> None:
    """At most (terms + 2)·eps, where every tap of every input channel is a term; of complex numbers twice that."""
    spec, name = problem.spec, np.dtype(dtype).name
    terms = spec.in_channels // spec.groups * math.prod(spec.kernel_size)
    factor = 2 if name.startswith("complex") else 1
    assert EPS[name] / 4 <= fl.plan(spec, problem.input_shape, dtype).error_bound <= factor * (terms + 2) * EPS[name]


@given(problems(), st.sampled_from(["bool", "int8", "uint16", "int64", "uint64"]))
def test_integers_have_no_error(problem: Problem, dtype: str) -> None:
    assert fl.plan(problem.spec, problem.input_shape, dtype).error_bound == 0.0


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_bound_notices_one_product_left_out(dtype: object) -> None:
    spec = fl.ConvSpec(4, 2, 3, padding=1, bias=False, ndim=2)
    x, weight = normals((1, 4, 6, 6), 1, dtype), normals(spec.weight_shape, 2, dtype)
    plan, expected = fl.plan(spec, x.shape, dtype), reference.conv(spec, x, weight)
    allowed = plan.error_bound * magnitude(spec, x, weight, None)
    without = weight.copy()
    without[1, 2, 0, 1] = 0
    with pytest.raises(AssertionError, match="above the bound"):
        check_within(plan(x, without), expected, allowed, dtype=dtype)
    coarse = (np.round(weight.astype(complex if np.dtype(dtype).kind == "c" else float) * 4) / 4).astype(dtype)
    with pytest.raises(AssertionError, match="above the bound"):  # a weight rounded to a few bits
        check_within(plan(x, coarse), expected, allowed, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@examples(40)
@given(problem=problems(max_axes=3))
def test_gradients_are_as_accurate(dtype: object, problem: Problem) -> None:
    """Of every gradient, each error is at most (terms + 2)·eps times its sum of |products|."""
    spec, size = problem.spec, problem.input_size
    x, weight, _ = normal_arrays(problem, dtype)
    grad = normals(problem.output_shape, problem.seed + 3, dtype)
    eps = EPS[np.dtype(dtype).name] * (2 if np.dtype(dtype).kind == "c" else 1)
    wide = float if np.dtype(dtype).kind != "c" else complex
    absolute = [np.abs(array.astype(wide)) for array in (x, weight, grad)]
    ones = [np.ones(array.shape, int) for array in (x, weight, grad)]
    terms, scale = reference.conv_input_grad(spec, ones[2], ones[1], size), reference.conv_input_grad(spec, absolute[2], absolute[1], size)
    found = fl.conv_input_grad(spec, grad, weight, size)
    check_within(found, reference.conv_input_grad(spec, grad, weight, size), (terms + 2) * eps * scale, dtype=dtype)
    terms, scale = reference.conv_weight_grad(spec, ones[0], ones[2]), reference.conv_weight_grad(spec, absolute[0], absolute[2])
    check_within(fl.conv_weight_grad(spec, x, grad), reference.conv_weight_grad(spec, x, grad), (terms + 2) * eps * scale, dtype=dtype)
