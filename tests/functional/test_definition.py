"""Forward and both gradients are what the reference says, for every kind of spec and every dtype, exactly."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from faltung import reference
from faltung.errors import ConvTypeError
from tests.support.check import check_error, check_same
from tests.support.engine import (
    check_all_directions,
    examples,
    expected_forward,
    expected_input_grad,
    expected_weight_grad,
    result_dtype,
)
from tests.support.strategies import Problem, integers_of_shape, problems

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
SIGNED = ["int8", "int16", "int32", "int64"]
UNSIGNED = ["uint8", "uint16", "uint32", "uint64"]
FLOATING = ["float16", BFLOAT16, "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
DTYPES = ["bool", *SIGNED, *UNSIGNED, *FLOATING, *COMPLEX]


@examples(400)
@given(problems(), st.sampled_from(["int64", "float32", "float64"]))
def test_every_spec_in_the_kernels_own_types(problem: Problem, dtype: str) -> None:
    check_all_directions(problem.spec, *problem.arrays(dtype), problem.output_grad(dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@examples(40)
@given(problem=problems(max_axes=3))
def test_every_dtype(problem: Problem, dtype: object) -> None:
    check_all_directions(problem.spec, *problem.arrays(dtype), problem.output_grad(dtype))


@examples(60)
@given(problems(max_axes=3, allow_empty=True))
def test_axes_without_cells(problem: Problem) -> None:
    check_all_directions(problem.spec, *problem.arrays("float32"), problem.output_grad("float32"))


@examples(60)
@given(problems(max_axes=3), st.data())
def test_mixed_dtypes_follow_numpy(problem: Problem, data: st.DataObject) -> None:
    dtypes = st.sampled_from(["bool", *SIGNED, *UNSIGNED, "float16", "float32", "float64", *COMPLEX])
    x, weight, bias = (problem.arrays(data.draw(dtypes))[which] for which in range(3))
    check_all_directions(problem.spec, x, weight, bias, problem.output_grad(data.draw(dtypes)))


RESULTS = [
    ("bool", "bool", "int64"),
    ("bool", "uint8", "uint64"),
    ("uint8", "uint32", "uint64"),
    ("uint8", "int8", "int64"),
    ("int16", "int32", "int64"),
    ("uint64", "int64", "int64"),  # NumPy's float64 would not be exact
    ("uint64", "int8", "int64"),
    ("int8", "float16", "float16"),
    ("int32", "float32", "float64"),
    ("float16", "float16", "float16"),
    ("float16", "float32", "float32"),
    (BFLOAT16, BFLOAT16, BFLOAT16),
    (BFLOAT16, "float32", "float32"),
    ("float32", "complex64", "complex64"),
    ("float64", "complex64", "complex128"),
    ("int64", "complex64", "complex128"),
]


@pytest.mark.parametrize(("first", "second", "result"), RESULTS, ids=str)
def test_result_dtype(first: object, second: object, result: object) -> None:
    spec = fl.ConvSpec(1, 1, 2, ndim=1)
    for one, other in ((first, second), (second, first)):
        x, weight, grad = np.ones((1, 1, 3), one), np.ones((1, 1, 2), other), np.ones((1, 1, 2), other)
        check_same(fl.conv(spec, x, weight), np.full((1, 1, 2), 2, result))
        check_same(fl.conv(spec, x, x[..., :2], np.ones(1, other)), np.full((1, 1, 2), 3, result))
        check_same(fl.conv_input_grad(spec, grad, x[..., :2], 3), np.array([[[1, 2, 1]]], result))
        check_same(fl.conv_weight_grad(spec, x, grad), np.full((1, 1, 2), 2, result))
    assert result_dtype(first, second) == result
    assert fl.plan(spec, (1, 1, 3), first).dtype == result_dtype(first)


def test_dtypes_without_a_common_one() -> None:
    check_error(
        lambda: fl.conv1d(np.ones((1, 3), "float16"), np.ones((1, 1, 2), BFLOAT16)),
        ConvTypeError,
        "x float16, weight bfloat16: NumPy has no common dtype for these.\n  Convert them to one dtype with astype.",
    )


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@examples(30)
@given(problem=problems(max_axes=2))
def test_integers_wrap_past_64_bits(problem: Problem, dtype: str) -> None:
    spec, rng = problem.spec, np.random.default_rng(problem.seed)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    shapes = (problem.input_shape, spec.weight_shape, (spec.out_channels,), problem.output_shape)
    x, weight, bias, grad = (rng.integers(low, high, shape, dtype, endpoint=True) for shape in shapes)
    check_all_directions(spec, x, weight, bias if spec.bias else None, grad)


def test_small_integers_do_not_wrap_at_their_own_width() -> None:
    x, weight = np.full((1, 1, 300), 127, np.int8), np.full((1, 1, 300), 127, np.int8)
    check_same(fl.conv1d(x, weight), np.array([[[300 * 127 * 127]]]))
    x, weight = np.full((1, 1, 300), 2**32 - 1, np.uint32), np.full((1, 1, 300), 1, np.uint8)
    check_same(fl.conv1d(x, weight), np.array([[[300 * (2**32 - 1)]]], np.uint64))
    x, weight = np.ones((1, 1, 300), bool), np.ones((1, 1, 300), bool)
    check_same(fl.conv1d(x, weight), np.array([[[300]]]))


def test_wrapping_is_modulo_two_to_the_64() -> None:
    most = np.array([[[2**63 - 1, 1]]])
    check_same(fl.conv1d(most, np.array([[[1, 1]]])), np.array([[[-(2**63)]]]))
    all_bits = np.array([[[2**64 - 1]]], np.uint64)
    check_same(fl.conv1d(all_bits, all_bits), np.array([[[1]]], np.uint64))


def test_half_precision_sums_in_single_precision() -> None:
    """1 + 1 + … stops at 2048 in float16 and at 256 in bfloat16; a sum in float32 does not, it is rounded once."""
    for dtype, count in ((np.float16, 4099), (BFLOAT16, 517)):
        spec = fl.ConvSpec(1, 1, count, ndim=1, bias=False)
        ones = np.ones((1, 1, count), dtype)
        check_same(fl.conv(spec, ones, ones), np.array([[[count]]], np.float32).astype(dtype))
        assert count != float(np.array(count, dtype)) > 256


def test_half_precision_overflows_to_infinity() -> None:
    x, weight = np.array([[[60000.0, -60000.0, 1.0]]], np.float16), np.array([[[2.0]]], np.float16)
    check_same(fl.conv1d(x, weight), np.array([[[np.inf, -np.inf, 2.0]]], np.float16))


@examples(40)
@given(problems(max_axes=2))
def test_gradients_conjugate_as_pytorch_does(problem: Problem) -> None:
    """The input's gradient conjugates the weight, the weight's gradient the input; forward conjugates nothing."""
    spec = problem.spec
    x, weight, bias = problem.arrays(np.complex128)
    grad = problem.output_grad(np.complex128)
    by_parts = np.zeros(problem.output_shape, complex)
    for part, factor in ((x.real, 1), (x.imag, 1j)):
        for other, other_factor in ((weight.real, 1), (weight.imag, 1j)):
            by_parts += factor * other_factor * reference.conv(spec, part, other).astype(float)
    if bias is not None:
        by_parts += bias.reshape(-1, *(1,) * spec.ndim)
    check_same(fl.conv(spec, x, weight, bias), by_parts)
    # Without conjugation both would be linear in i; with it a factor of i comes out as -i.
    plain = expected_input_grad(spec, grad, weight, problem.input_size)
    check_same(fl.conv_input_grad(spec, grad, 1j * weight, problem.input_size), -1j * plain)
    plain = expected_weight_grad(spec, x, grad)
    check_same(fl.conv_weight_grad(spec, 1j * x, grad), -1j * plain)
    check_same(fl.conv_weight_grad(spec, x, 1j * grad), 1j * plain)


def test_complex_input_meets_real_weight() -> None:
    spec = fl.ConvSpec(2, 3, 2, ndim=2)
    x = integers_of_shape((2, 2, 4, 5), 9, "complex64")
    weight, bias = integers_of_shape(spec.weight_shape, 10, "float32"), integers_of_shape((3,), 11, "float32")
    check_same(fl.conv(spec, x, weight, bias), expected_forward(spec, x, weight, bias))


@pytest.mark.parametrize("dtype", ["float128", "complex256", "O", "U3", "S2", "M8[s]", "m8[s]", "V4"])
def test_other_dtypes_are_refused(dtype: str) -> None:
    x = np.zeros((1, 1, 3), dtype)
    check_error(
        lambda: fl.conv1d(x, np.ones((1, 1, 2))),
        ConvTypeError,
        f"x has dtype {x.dtype}, which cannot be convolved.\n  Convert it with astype. "
        "Served: bool, integers, float16, bfloat16, float32, float64, complex64, complex128.",
    )
