"""Weight gradients of half precision: summed in float32, rounded once, in one native call however the arrays lie."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest

import faltung as fl
from faltung.engine import gradient
from tests.support.check import check_same
from tests.support.layouts import channels_last

HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))

LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": np.ascontiguousarray,
    "channels last": channels_last,
    "spread": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "turned around": lambda a: np.ascontiguousarray(a[::-1, ..., ::-1])[::-1, ..., ::-1],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "text",
    [
        "conv2d(6, 10, 3, padding=1)",
        "conv2d(6, 10, (1, 2), stride=2, padding_mode='reflect', padding=1)",
        "conv2d(6, 6, 3, padding=1, groups=6)",
        "conv2d(6, 4, 3, groups=2, dilation=2)",
        "conv_transpose2d(6, 4, 3, stride=2)",
        "conv2d(6, 4, 3, flip=True)",
    ],
)
@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_integers_are_exact(dtype: np.dtype, text: str, layout: str) -> None:
    spec, lay = fl.ConvSpec.parse(text), LAYOUTS[layout]
    rng = np.random.default_rng(0)
    x = rng.integers(-2, 3, (2, spec.in_channels, 9, 8))
    grad = rng.integers(-2, 3, spec.output_shape(x.shape))
    expected = fl.conv_weight_grad(spec, x, grad).astype(np.float32).astype(dtype)
    check_same(fl.conv_weight_grad(spec, lay(x.astype(dtype)), lay(grad.astype(dtype))), expected)
    alone = fl.conv_weight_grad(spec, x[:1], grad[:1]).astype(np.float32).astype(dtype)
    check_same(fl.conv_weight_grad(spec, x[0].astype(dtype), grad[0].astype(dtype)), alone)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_one_native_call(dtype: np.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient, "allocate", None)
    spec = fl.ConvSpec.parse("conv2d(6, 10, 3, padding=1)")
    ones = np.ones((2, 6, 5, 5), dtype)
    assert fl.conv_weight_grad(spec, ones, np.ones((2, 10, 5, 5), dtype))[0, 0, 1, 1] == 50


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_nothing_to_sum(dtype: np.dtype) -> None:
    spec = fl.ConvSpec.parse("conv2d(6, 10, 3, padding=1)")
    result = fl.conv_weight_grad(spec, np.ones((0, 6, 5, 5), dtype), np.ones((0, 10, 5, 5), dtype))
    check_same(result, np.zeros(spec.weight_shape, dtype))


@pytest.mark.parametrize("value", [np.inf, np.nan, 3e38])
def test_numbers_that_are_summed_directly(value: float) -> None:
    spec = fl.ConvSpec.parse("conv2d(16, 16, 3, padding=1)")
    x, grad = np.zeros((1, 16, 14, 14), HALVES[1]), np.ones((1, 16, 14, 14), HALVES[1])
    x[0, 3, 0, 0] = value
    result = fl.conv_weight_grad(spec, x, grad).astype(np.float32)
    touched = np.zeros((3, 3), bool)
    touched[:2, :2] = True
    stored = np.float32(HALVES[1].type(value))
    np.testing.assert_array_equal(result[:, 3][:, touched], np.full((16, 4), stored))
    others = result.copy()
    others[:, 3][:, touched] = 0
    assert not others.any()
