"""Each rewrite gives what the engine gives: the same integers, for specs of every kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import faltung as fl
from faltung import identities
from tests.support.check import check_same
from tests.support.strategies import Problem, integers_of_shape, problems

hundreds = settings(max_examples=300)


@hundreds
@given(problems())
def test_flip(problem: Problem) -> None:
    x, weight, bias = problem.arrays()
    rewritten = identities.flip(problem.spec, weight, bias)
    assert rewritten.spec.flip is not problem.spec.flip
    check_same(rewritten(x), fl.conv(problem.spec, x, weight, bias))
    back = identities.flip(rewritten.spec, rewritten.weight, rewritten.bias)
    assert back.spec == problem.spec
    check_same(back.weight, weight)


@hundreds
@given(problems())
def test_dilate_kernel(problem: Problem) -> None:
    x, weight, bias = problem.arrays()
    rewritten = identities.dilate_kernel(problem.spec, weight, bias)
    assert set(rewritten.spec.dilation) == {1}
    assert rewritten.spec.kernel_size == problem.spec.effective_kernel_size
    assert np.count_nonzero(rewritten.weight) == np.count_nonzero(weight)
    check_same(rewritten(x), fl.conv(problem.spec, x, weight, bias))


@hundreds
@given(problems())
def test_dense_from_grouped(problem: Problem) -> None:
    x, weight, bias = problem.arrays()
    rewritten = identities.dense_from_grouped(problem.spec, weight, bias)
    assert rewritten.spec.groups == 1
    assert rewritten.weight.size == problem.spec.groups * weight.size
    check_same(rewritten(x), fl.conv(problem.spec, x, weight, bias))


@hundreds
@given(problems(transposed=True, modes=["zeros"]))
def test_transposed_as_conv(problem: Problem) -> None:
    x, weight, bias = problem.arrays()
    rewritten = identities.transposed_as_conv(problem.spec, weight, bias)
    assert set(rewritten.spec.stride) == {1}
    assert not rewritten.spec.transposed
    check_same(rewritten(x), fl.conv(problem.spec, x, weight, bias))
    check_same(rewritten(x[0]), fl.conv(problem.spec, x[0], weight, bias))


def test_a_transposed_convolution_that_extends_needs_no_zero_mode() -> None:
    spec = fl.ConvSpec(1, 1, 3, stride=2, padding=-1, transposed=True, padding_mode="reflect", bias=False, ndim=1)
    x, weight = integers_of_shape((1, 4), 5), integers_of_shape((1, 1, 3), 6)
    check_same(identities.transposed_as_conv(spec, weight)(x), fl.conv(spec, x, weight))


@hundreds
@given(problems())
def test_as_matrix(problem: Problem) -> None:
    x, weight, bias = problem.arrays()
    spec = problem.spec
    matrix = identities.as_matrix(spec, weight, problem.input_size)
    assert matrix.format == "csr"
    result = (matrix @ x.reshape(problem.batch, -1).T).T.reshape(problem.output_shape)
    if bias is not None:
        result = result + bias.reshape(-1, *(1,) * spec.ndim)
    check_same(np.ascontiguousarray(result), fl.conv(spec, x, weight, bias))


@hundreds
@given(problems(bias=False))
def test_the_matrix_of_the_adjoint_is_the_transpose(problem: Problem) -> None:
    _, weight, _ = problem.arrays()
    spec = problem.spec
    matrix = identities.as_matrix(spec, weight, problem.input_size)
    turned = spec.adjoint(problem.input_size).input_grad
    adjoint = identities.as_matrix(turned, weight, spec.output_size(problem.input_size))
    check_same(adjoint.toarray(), np.ascontiguousarray(matrix.T.toarray()))
    grad = problem.output_grad()
    by_matrix = (matrix.T @ grad.reshape(problem.batch, -1).T).T.reshape(problem.input_shape)
    check_same(np.ascontiguousarray(by_matrix), fl.conv_input_grad(spec, grad, weight, problem.input_size))


@hundreds
@given(problems())
def test_conv_to_linear(problem: Problem) -> None:
    x, weight, bias = problem.arrays()
    layer = identities.conv_to_linear(problem.spec, weight, bias, problem.input_size)
    check_same(layer(x), fl.conv(problem.spec, x, weight, bias))
    check_same(layer(x[0]), fl.conv(problem.spec, x[0], weight, bias))


@given(st.integers(1, 4), st.lists(st.integers(1, 4), min_size=2, max_size=4), st.booleans(), st.integers(4, 2**16))
def test_linear_to_conv(outputs: int, input_shape: list[int], has_bias: bool, seed: int) -> None:
    x, weight = integers_of_shape((3, *input_shape), seed), integers_of_shape((outputs, int(np.prod(input_shape))), seed + 1)
    bias = integers_of_shape((outputs,), seed + 2) if has_bias else None
    rewritten = identities.linear_to_conv(weight, bias, input_shape)
    expected = x.reshape(3, -1) @ weight.T + (0 if bias is None else bias)
    check_same(rewritten(x).reshape(3, outputs), expected)
    back = identities.conv_to_linear(rewritten.spec, rewritten.weight, rewritten.bias, tuple(input_shape[1:]))
    check_same(back.weight, weight)
    check_same(back.bias, bias)


@hundreds
@given(problems(transposed=False, modes=["circular"]))
def test_circular_as_fft(problem: Problem) -> None:
    x, weight, bias = problem.arrays()
    fft = identities.circular_as_fft(problem.spec, weight, bias, problem.input_size)
    check_same(fft(x), fl.conv(problem.spec, x, weight, bias))
    check_same(fft(x[0]), fl.conv(problem.spec, x[0], weight, bias))


@given(problems(transposed=False, modes=["circular"], bias=False))
def test_the_ring_is_what_output_0_sees(problem: Problem) -> None:
    _, weight, _ = problem.arrays()
    spec = problem.spec
    fft = identities.circular_as_fft(spec, weight, None, problem.input_size)
    dense = identities.dense_from_grouped(spec, weight)
    rows = identities.as_matrix(dense.spec, dense.weight, problem.input_size).toarray()
    rows = rows.reshape(spec.out_channels, -1, spec.in_channels, int(np.prod(problem.input_size)))[:, 0]
    rings = np.zeros((spec.out_channels, spec.in_channels, rows.shape[-1]), rows.dtype)
    per_group = spec.in_channels // spec.groups
    for channel in range(spec.out_channels):
        first = channel // (spec.out_channels // spec.groups) * per_group
        rings[channel, first : first + per_group] = fft.ring[channel].reshape(per_group, -1)
    check_same(rings, rows)


@given(problems(transposed=False, modes=["circular"], rules=["same"], max_axes=2, max_groups=1, max_channels=1, bias=False))
def test_the_fft_diagonalises_the_circulant(problem: Problem) -> None:
    _, weight, _ = problem.arrays()
    matrix = identities.as_matrix(problem.spec, weight, problem.input_size).toarray()
    fft = identities.circular_as_fft(problem.spec, weight, None, problem.input_size)
    cells = int(np.prod(problem.input_size))
    waves = np.fft.ifftn(np.eye(cells).reshape(cells, *problem.input_size), axes=range(1, problem.spec.ndim + 1)).reshape(cells, cells).T
    # One column of `waves` for each frequency: an eigenvector, the transfer function its eigenvalue.
    assert np.abs(matrix @ waves - waves * fft.transfer.ravel()).max() <= 1e-12


@given(problems(), st.data())
def test_fold_batchnorm(problem: Problem, data: st.DataObject) -> None:
    """With deviations that are powers of two nothing is rounded."""
    x, weight, bias = problem.arrays(np.float64)
    spec = problem.spec
    mean, beta = (integers_of_shape((spec.out_channels,), problem.seed + 4 + number, np.float64) for number in range(2))
    gamma = integers_of_shape((spec.out_channels,), problem.seed + 6, np.float64)
    deviation = np.array(data.draw(st.lists(st.sampled_from([0.5, 1, 2, 4]), min_size=spec.out_channels, max_size=spec.out_channels)))
    folded = identities.fold_batchnorm(spec, weight, bias, mean, deviation**2, gamma, beta, eps=0)
    lined = (-1, *(1,) * spec.ndim)
    plain = fl.conv(spec, x, weight, bias, accuracy="exact")
    expected = (plain - mean.reshape(lined)) * (gamma / deviation).reshape(lined) + beta.reshape(lined)
    check_same(fl.conv(folded.spec, x, folded.weight, folded.bias, accuracy="exact"), expected)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "uint16", "float16", "float32", "complex64", "complex128"])
def test_every_dtype(dtype: str) -> None:
    """Results of small whole numbers are exact in every dtype, and have the engine's dtype."""
    spec = fl.ConvSpec(2, 4, 3, padding=1, groups=2, dilation=2, padding_mode="circular", ndim=1)
    x, weight, bias = (integers_of_shape(shape, seed, dtype) for seed, shape in enumerate([(1, 2, 6), (4, 1, 3), (4,)], 40))
    expected = fl.conv(spec, x, weight, bias)
    for rewrite in (identities.flip, identities.dilate_kernel, identities.dense_from_grouped):
        check_same(rewrite(spec, weight, bias)(x), expected)
    check_same(identities.conv_to_linear(spec, weight, bias, 6)(x).astype(expected.dtype), expected)
    fft = identities.circular_as_fft(spec, weight, bias, 6)(x)
    assert fft.dtype == expected.dtype
    if expected.dtype.kind in "iu":
        check_same(fft, expected)
    else:
        tolerance = 64 * np.finfo(expected.dtype).eps
        assert np.abs(fft.astype(np.complex128) - expected.astype(np.complex128)).max() <= tolerance
    matrix = identities.as_matrix(spec, weight, 6)
    check_same(matrix.dtype, np.dtype("float32") if dtype == "float16" else expected.dtype)
