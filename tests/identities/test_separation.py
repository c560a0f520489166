"""Low rank: the error that is stated is the error that is made, and no rank-r kernel is nearer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from faltung import identities
from tests.support.check import check_same
from tests.support.strategies import integers_of_shape

EPS = np.finfo(float).eps


@given(st.integers(1, 5), st.integers(1, 5), st.integers(4, 2**16), st.data())
def test_separate(height: int, width: int, seed: int, data: st.DataObject) -> None:
    kernel = integers_of_shape((height, width), seed)
    rank = data.draw(st.integers(1, min(height, width)))
    found = identities.separate(kernel, rank)
    assert found.macs == rank * (height + width)
    assert found.dense_macs == height * width
    assert found.saving == 1 - found.macs / found.dense_macs
    left_out = np.linalg.svd(kernel, compute_uv=False)[rank:]
    norm = float(np.linalg.norm(kernel))
    assert abs(found.error - np.sqrt((left_out**2).sum())) <= 32 * EPS * norm
    assert found.relative_error == (found.error / norm if norm else 0)
    x = integers_of_shape((1, height + 3, width + 2), seed + 1)
    check_within_bound(found, x, fl.correlate(x[0], kernel)[None])
    # One convolution again: the approximation itself.
    both = identities.compose(*found.specs, *found.weights)
    np.testing.assert_allclose(both.weight[0, 0], found.approximation, rtol=0, atol=32 * EPS * max(norm, 1))


def check_within_bound(found: identities.Separation, x: np.ndarray, exact: np.ndarray) -> None:
    rounding = 64 * EPS * np.abs(x).max() * max(np.abs(found.approximation).sum(), 1)
    assert np.abs(found(x) - exact).max() <= found.output_bound * np.abs(x).max() + rounding


@given(st.integers(1, 4), st.integers(1, 3), st.sampled_from([(3,), (3, 2), (2, 2, 2)]), st.integers(4, 2**16), st.data())
def test_depthwise_separate(outputs: int, inputs: int, size: tuple[int, ...], seed: int, data: st.DataObject) -> None:
    weight = integers_of_shape((outputs, inputs, *size), seed)
    taps = int(np.prod(size))
    rank = data.draw(st.integers(1, min(outputs, taps)))
    found = identities.depthwise_separate(weight, rank)
    assert found.macs == inputs * rank * (taps + outputs)
    assert found.dense_macs == outputs * inputs * taps
    assert found.specs[0].groups == inputs
    left_out = [np.linalg.svd(weight[:, channel].reshape(outputs, taps), compute_uv=False)[rank:] for channel in range(inputs)]
    assert abs(found.error - np.sqrt((np.concatenate(left_out) ** 2).sum())) <= 64 * EPS * max(np.linalg.norm(weight), 1)
    x = integers_of_shape((2, inputs, *(extent + 2 for extent in size)), seed + 1)
    check_within_bound(found, x, fl.conv(fl.ConvSpec(inputs, outputs, size), x, weight))
    if len(size) == 2:
        np.testing.assert_allclose(found(x), fl.depthwise_separable_conv2d(x, *found.weights), rtol=0, atol=1e-12)


def test_the_bound_is_reached() -> None:
    """By the input that has the residual's signs."""
    kernel = integers_of_shape((4, 3), 11)
    found = identities.separate(kernel, 1)
    residual = kernel - found.approximation
    x = np.sign(residual)[None]
    off = np.abs(found(x) - fl.correlate(x[0], kernel)[None]).max()
    assert found.error > 1
    assert abs(off - found.output_bound) <= 1e-12


def test_full_rank_is_exact_up_to_rounding() -> None:
    kernel = integers_of_shape((5, 4), 12)
    assert identities.separate(kernel, 4).relative_error <= 16 * EPS
    weight = integers_of_shape((6, 3, 2, 2), 13)
    assert identities.depthwise_separate(weight, 4).relative_error <= 16 * EPS


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "int8"])
def test_the_error_counts_the_rounding_of_the_factors(dtype: str) -> None:
    kernel = integers_of_shape((3, 3), 14, dtype)
    found = identities.separate(kernel, 3)
    result = np.dtype("float64") if dtype == "int8" else np.dtype(dtype)
    assert {weight.dtype for weight in found.weights} == {result}
    assert found.relative_error <= 8 * np.finfo(result).eps
    column, row = (weight.astype(np.complex128) for weight in found.weights)
    again = np.einsum("rh,rw->hw", column[:, 0, :, 0], row[0, :, 0, :])
    assert abs(np.linalg.norm(kernel - again) - found.error) <= 1e-14 * np.linalg.norm(kernel.astype(np.complex128))


def test_a_kernel_of_zeros() -> None:
    found = identities.separate(np.zeros((3, 3)), 1)
    assert (found.error, found.relative_error) == (0, 0)
    check_same(found.approximation, np.zeros((3, 3)))
