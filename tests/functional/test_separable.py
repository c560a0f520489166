"""The two separable convolutions equal the convolutions that they are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from tests.support.check import check_error, check_same
from tests.support.engine import examples, result_dtype
from tests.support.strategies import integers_of_shape

SMALL = st.integers(1, 3)
PADDINGS = st.sampled_from([0, 1, (2, 0), ((1, 0), (0, 2)), "same_upper", "same_lower", "valid", "full", "causal"])
MODES = st.sampled_from(["zeros", "circular", "reflect", "replicate", "symmetric"])
OPTIONS = st.fixed_dictionaries(
    {
        "stride": st.tuples(SMALL, SMALL),
        "padding": PADDINGS,
        "dilation": st.tuples(SMALL, SMALL),
        "padding_mode": MODES,
        "flip": st.booleans(),
    }
)
SEEDS = st.integers(4, 2**16)


@examples(80)
@given(OPTIONS, st.tuples(SMALL, SMALL), SMALL, SMALL, st.booleans(), SEEDS)
def test_depthwise_separable(
    options: dict[str, Any], kernel: tuple[int, int], channels: int, multiplier: int, has_bias: bool, seed: int
) -> None:
    x = integers_of_shape((2, channels, 7, 8), seed)
    depthwise = integers_of_shape((channels * multiplier, 1, *kernel), seed + 1)
    pointwise = integers_of_shape((4, channels * multiplier, 1, 1), seed + 2)
    bias = integers_of_shape((4,), seed + 3) if has_bias else None
    middle = fl.conv2d(x, depthwise, groups=channels, **options)
    expected = fl.conv2d(middle, pointwise, bias)
    check_same(fl.depthwise_separable_conv2d(x, depthwise, pointwise, bias, **options), expected)
    check_same(fl.depthwise_separable_conv2d(x[0], depthwise, pointwise, bias, **options), expected[0])
    positional = (options["stride"], options["padding"], options["dilation"])
    named = {name: options[name] for name in ("padding_mode", "flip")}
    check_same(fl.depthwise_separable_conv2d(x, depthwise, pointwise, bias, *positional, **named), expected)
    # One dense kernel does the same: the products of the two weights.
    groups_of = np.repeat(np.arange(channels), multiplier)
    dense = np.zeros((4, channels, *kernel), int)
    for middle_channel, channel in enumerate(groups_of):
        dense[:, channel] += pointwise[:, middle_channel] * depthwise[middle_channel]
    check_same(fl.conv2d(x, dense, bias, **options), expected)


@examples(80)
@given(OPTIONS, st.tuples(SMALL, SMALL), SMALL, st.booleans(), st.booleans(), SEEDS)
def test_spatially_separable(
    options: dict[str, Any], kernel: tuple[int, int], channels: int, shared: bool, has_bias: bool, seed: int
) -> None:
    x = integers_of_shape((2, channels, 7, 8), seed)
    column, row = (integers_of_shape((k,) if shared else (channels, k), seed + 1 + axis) for axis, k in enumerate(kernel))
    bias = integers_of_shape((channels,), seed + 3) if has_bias else None
    columns, rows = (np.broadcast_to(taps, (channels, taps.shape[-1])) for taps in (column, row))
    outer = (columns[:, :, None] * rows[:, None, :])[:, None]
    expected = fl.conv2d(x, outer, bias, groups=channels, **options)
    check_same(fl.separable_conv2d(x, column, row, bias, **options), expected)
    check_same(fl.separable_conv2d(x[0], column, row, bias, **options), expected[0])
    positional = (options["stride"], options["padding"], options["dilation"])
    named = {name: options[name] for name in ("padding_mode", "flip")}
    check_same(fl.separable_conv2d(x, column, row, bias, *positional, **named), expected)
    out = np.empty(expected.shape, expected.dtype)
    assert fl.separable_conv2d(x, column, row, bias, out=out, **options) is out
    check_same(out, expected)


def test_one_of_column_and_row_may_be_per_channel() -> None:
    x, column = integers_of_shape((2, 3, 6, 6), 5), integers_of_shape((3, 3), 6)
    check_same(
        fl.separable_conv2d(x, column, np.array([1, 2, 1])), fl.separable_conv2d(x, column, np.broadcast_to(np.array([1, 2, 1]), (3, 3)))
    )


def test_sobel_and_gauss() -> None:
    x = integers_of_shape((1, 9, 9), 5)
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    check_same(fl.separable_conv2d(x, [1, 2, 1], [-1, 0, 1], padding="same_upper")[0], fl.correlate(x[0], sobel, "same"))
    binomial = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]])
    check_same(fl.separable_conv2d(x, [1, 2, 1], [1, 2, 1]), fl.conv2d(x, binomial[None, None]))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "uint8", "int16"])
def test_result_dtypes(dtype: str) -> None:
    x = integers_of_shape((2, 5, 5), 5, dtype)
    result = {"u": "uint64", "i": "int64"}.get(x.dtype.kind, dtype)
    assert fl.separable_conv2d(x, np.ones(3, dtype), np.ones(3, dtype)).dtype == result
    assert fl.depthwise_separable_conv2d(x, np.ones((2, 1, 3, 3), dtype), np.ones((3, 2, 1, 1), dtype)).dtype == result


@pytest.mark.parametrize("last", ["int8", "uint8", "float32", "complex64"])
@pytest.mark.parametrize("first", ["uint8", "bool", "int16", "float16"])
def test_mixed_dtypes_are_promoted_together(first: str, last: str) -> None:
    """The dtype of all arrays together, not of the two steps one after the other: uint64 and int8 would be float64."""
    x = integers_of_shape((2, 5, 5), 5, first)
    column, row = integers_of_shape((3,), 6, first), integers_of_shape((2,), 7, last)
    outer = (column[:, None].astype(result_dtype(first, last)) * row).astype(np.result_type(first, last))
    expected = fl.conv2d(x, np.broadcast_to(outer, (2, 1, 3, 2)), groups=2)
    assert expected.dtype == result_dtype(first, last)
    check_same(fl.separable_conv2d(x, column, row), expected)
    depthwise, pointwise = integers_of_shape((2, 1, 3, 2), 8, first), integers_of_shape((3, 2, 1, 1), 9, last)
    dense = depthwise[None, :, 0].astype(result_dtype(first, last)) * pointwise
    expected = fl.conv2d(x, dense.astype(result_dtype(first, last))).astype(result_dtype(first, last))
    check_same(fl.depthwise_separable_conv2d(x, depthwise, pointwise), expected)


X = np.ones((2, 5, 5))
ERRORS = {
    "rank": (
        lambda: fl.separable_conv2d(X[0], np.ones(3), np.ones(3)),
        fl.ConvShapeError,
        "x has shape (5, 5), 2 axes, expected 4 (N, C, H, W) or 3 (C, H, W).\n  Add axes with x[None].",
    ),
    "rank, depthwise": (
        lambda: fl.depthwise_separable_conv2d(X[0], np.ones((2, 1, 3, 3)), np.ones((3, 2, 1, 1))),
        fl.ConvShapeError,
        "x has shape (5, 5), 2 axes, expected 4 (N, C, H, W) or 3 (C, H, W).\n  Add axes with x[None].",
    ),
    "column": (
        lambda: fl.separable_conv2d(X, np.ones((3, 3)), np.ones(3)),
        fl.ConvShapeError,
        "column has shape (3, 3), expected (k,) or (2, k) = (channels, k), k at least 1.\n"
        "  Give one kernel for all channels, or one for each.",
    ),
    "row": (
        lambda: fl.separable_conv2d(X, np.ones(3), np.ones(0)),
        fl.ConvShapeError,
        "row has shape (0,), expected (k,) or (2, k) = (channels, k), k at least 1.\n  Give one kernel for all channels, or one for each.",
    ),
    "pointwise": (
        lambda: fl.depthwise_separable_conv2d(X, np.ones((2, 1, 3, 3)), np.ones((3, 2))),
        fl.ConvShapeError,
        "pointwise has shape (3, 2), expected (O, 2, 1, 1).\n  Use weight[:, :, None, None].",
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors(what: str) -> None:
    check_error(*ERRORS[what])
