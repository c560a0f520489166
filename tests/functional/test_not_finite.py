"""NaN and infinity stand exactly where the definition puts them, forward and in both gradients.

A zero of the padding takes part (0 * inf is NaN); an output that a transposed convolution crops does not.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from tests.support.check import check_same
from tests.support.engine import check_all_directions, examples, num_threads
from tests.support.strategies import Problem, integers_of_shape, problems

SPECIAL = [np.nan, np.inf, -np.inf]


@st.composite
def sprinkled(draw: st.DrawFn, array: np.ndarray) -> np.ndarray:
    """`array` with up to three of its numbers no longer finite."""
    array = array.copy()
    parts = [array.real, array.imag] if array.dtype.kind == "c" else [array]
    for part in parts:
        for _ in range(draw(st.integers(0, 3))):
            part.flat[draw(st.integers(0, part.size - 1))] = draw(st.sampled_from(SPECIAL))
    return array


def check_sprinkled(problem: Problem, dtype: object, data: st.DataObject) -> None:
    x, weight, bias = problem.arrays(dtype)
    arrays = [None if array is None else data.draw(sprinkled(array)) for array in (x, weight, bias, problem.output_grad(dtype))]
    check_all_directions(problem.spec, *arrays)


@examples(300)
@given(problems(), st.sampled_from(["float32", "float64"]), st.data())
def test_every_spec(problem: Problem, dtype: str, data: st.DataObject) -> None:
    check_sprinkled(problem, dtype, data)


@pytest.mark.parametrize("dtype", ["float16", np.dtype(ml_dtypes.bfloat16), "complex64", "complex128"], ids=str)
@examples(60)
@given(problem=problems(max_axes=2), data=st.data())
def test_every_dtype(dtype: object, problem: Problem, data: st.DataObject) -> None:
    check_sprinkled(problem, dtype, data)


WIDE = [  # sizes at which blocked kernels have full tiles and tails
    "conv2d(3, 33, 3, padding=1)",
    "conv2d(3, 33, 3, stride=2, padding=2)",
    "conv2d(20, 2, 3, padding=1, padding_mode='circular')",
    "conv2d(20, 17, 1)",
    "conv2d(20, 20, 3, padding=1, groups=20)",
    "conv_transpose2d(3, 33, 3, padding=1)",
    "conv_transpose2d(17, 3, 4, stride=2, padding=1)",
    "conv_transpose2d(3, 20, 3, stride=2, padding=3, padding_mode='reflect')",
]


@pytest.mark.parametrize("text", WIDE)
@examples(12)
@given(seed=st.integers(4, 2**16), data=st.data())
def test_wide_layers(text: str, seed: int, data: st.DataObject) -> None:
    spec = fl.ConvSpec.parse(text)
    with num_threads(2):
        check_sprinkled(Problem(spec, (4, 19), 1, seed), "float32", data)


def test_a_zero_of_the_padding_times_infinity_is_nan() -> None:
    weight = np.array([[[np.inf, 1.0, 1.0]]])
    check_same(fl.conv1d(np.array([[[1.0, 2.0, 3.0]]]), weight, padding=1), np.array([[[np.nan, np.inf, np.inf]]]))
    check_same(fl.conv1d(np.array([[[1.0, 2.0, 3.0]]]), weight, padding=1, padding_mode="replicate"), np.full((1, 1, 3), np.inf))


def test_a_cropped_output_takes_no_part() -> None:
    """Inf where only the cropped cell is written, and in every output's gradient alike."""
    spec = fl.ConvSpec(1, 1, 3, padding=1, transposed=True, bias=False, ndim=1)
    weight = np.array([[[np.inf, 1.0, 1.0]]])
    check_same(fl.conv(spec, np.array([[[1.0, 0.0]]]), weight), np.array([[[np.nan, 1.0]]]))
    check_same(fl.conv(spec, np.array([[[5.0]]]), weight), np.array([[[5.0]]]))
    check_same(fl.conv_input_grad(spec, np.array([[[5.0]]]), weight, 1), np.array([[[5.0]]]))
    check_same(fl.conv_weight_grad(spec, np.array([[[np.inf]]]), np.array([[[2.0]]])), np.array([[[0.0, np.inf, 0.0]]]))


def test_an_unused_cell_takes_no_part() -> None:
    """Stride 2 never looks at the last of four cells: a NaN there changes nothing, and its gradient is 0."""
    spec = fl.ConvSpec(1, 1, 1, stride=2, bias=False, ndim=1)
    x, weight = np.array([[[1.0, np.nan, 2.0, np.nan]]]), np.array([[[3.0]]])
    check_same(fl.conv(spec, x, weight), np.array([[[3.0, 6.0]]]))
    check_same(fl.conv_input_grad(spec, np.array([[[np.inf, 1.0]]]), weight, 4), np.array([[[np.inf, 0.0, 3.0, 0.0]]]))
    check_same(fl.conv_weight_grad(spec, x, np.ones((1, 1, 2))), np.array([[[3.0]]]))


def test_nothing_leaks_to_another_sample_channel_or_group() -> None:
    spec = fl.ConvSpec(40, 40, 3, padding=1, groups=2, ndim=2)
    x, weight = integers_of_shape((3, 40, 9, 9), 5, "float32"), integers_of_shape(spec.weight_shape, 6, "float32")
    clean = fl.conv(spec, x, weight)
    x[1, 25] = np.nan
    dirty = fl.conv(spec, x, weight)
    assert np.isnan(dirty[1, 20:]).all()
    dirty[1, 20:] = clean[1, 20:]
    check_same(dirty, clean)


def test_large_numbers_overflow_only_in_their_own_output() -> None:
    x, weight = np.array([[[3e38, 3e38, 1.0, 1.0]]], np.float32), np.ones((1, 1, 2), np.float32)
    check_same(fl.conv1d(x, weight), np.array([[[np.inf, np.float32(3e38) + np.float32(1), 2]]], np.float32))
