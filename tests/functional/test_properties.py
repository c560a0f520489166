"""What the theory promises of every convolution, exact in integers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from tests.support.check import check_same
from tests.support.engine import examples
from tests.support.strategies import Problem, integers_of_shape, problems


def inner(first: np.ndarray, second: np.ndarray) -> int:
    return int((first * second).sum())


@examples(150)
@given(problems(bias=False))
def test_the_gradients_are_the_adjoints(problem: Problem) -> None:
    """⟨A x, y⟩ = ⟨x, Aᵀ y⟩, A being linear in the input and in the weight."""
    spec = problem.spec
    x, weight, _ = problem.arrays()
    y = problem.output_grad()
    value = inner(fl.conv(spec, x, weight), y)
    assert value == inner(x, fl.conv_input_grad(spec, y, weight, problem.input_size))
    assert value == inner(weight, fl.conv_weight_grad(spec, x, y))


@examples(40)
@given(problems(max_axes=2, bias=False))
def test_the_adjoint_of_complex_numbers(problem: Problem) -> None:
    """⟨A x, y⟩ = ⟨x, Aᴴ y⟩ with ⟨a, b⟩ = Σ conj(a)·b."""
    spec = problem.spec
    x, weight, _ = problem.arrays(np.complex128)
    y = problem.output_grad(np.complex128)
    value = np.vdot(fl.conv(spec, x, weight), y)
    assert value == np.vdot(x, fl.conv_input_grad(spec, y, weight, problem.input_size))
    assert value == np.vdot(weight, fl.conv_weight_grad(spec, x, y))


@examples(60)
@given(problems())
def test_the_adjoint_specs_compute_the_input_gradient(problem: Problem) -> None:
    """`ConvSpec.adjoint`'s spec, run forward, is `conv_input_grad`; its own adjoint leads back."""
    spec, size = problem.spec, problem.input_size
    _, weight, _ = problem.arrays()
    y = problem.output_grad()
    turned = spec.adjoint(size).input_grad
    check_same(fl.conv(turned, y, weight), fl.conv_input_grad(spec, y, weight, size))
    output_size = spec.output_size(size)
    x = integers_of_shape(problem.input_shape, problem.seed)
    check_same(fl.conv_input_grad(turned, x, weight, output_size), fl.conv(spec, x, weight))


@examples(60)
@given(problems(bias=False), st.integers(-3, 3), st.integers(-3, 3))
def test_linear_in_the_input_and_in_the_weight(problem: Problem, a: int, b: int) -> None:
    spec, seed = problem.spec, problem.seed
    x, weight, _ = problem.arrays()
    other, other_weight = integers_of_shape(x.shape, seed + 20), integers_of_shape(weight.shape, seed + 21)
    check_same(fl.conv(spec, a * x + b * other, weight), a * fl.conv(spec, x, weight) + b * fl.conv(spec, other, weight))
    check_same(fl.conv(spec, x, a * weight + b * other_weight), a * fl.conv(spec, x, weight) + b * fl.conv(spec, x, other_weight))


@examples(60)
@given(problems(bias=True))
def test_the_bias_is_added_once_to_every_cell(problem: Problem) -> None:
    spec = problem.spec
    x, weight, bias = problem.arrays()
    check_same(fl.conv(spec, x, weight, bias), fl.conv(spec, x, weight) + bias.reshape(-1, *(1,) * spec.ndim))


@examples(60)
@given(problems(flip=True))
def test_flip_reverses_the_kernel_along_every_axis(problem: Problem) -> None:
    spec, size = problem.spec, problem.input_size
    plain = fl.ConvSpec(**{**spec.to_dict(), "flip": False})
    axes = tuple(range(2, spec.ndim + 2))
    x, weight, bias = problem.arrays()
    y = problem.output_grad()
    check_same(fl.conv(spec, x, weight, bias), fl.conv(plain, x, np.flip(weight, axes), bias))
    check_same(fl.conv_input_grad(spec, y, weight, size), fl.conv_input_grad(plain, y, np.flip(weight, axes), size))
    check_same(fl.conv_weight_grad(spec, x, y), np.flip(fl.conv_weight_grad(plain, x, y), axes).copy())


@examples(60)
@given(problems(rules=["same"], modes=["circular"], transposed=False), st.data())
def test_circular_convolution_commutes_with_shifts(problem: Problem, data: st.DataObject) -> None:
    spec = problem.spec
    x, weight, bias = problem.arrays()
    axes = tuple(range(2, spec.ndim + 2))
    shift = tuple(data.draw(st.integers(-9, 9)) for _ in axes)
    check_same(fl.conv(spec, np.roll(x, shift, axes), weight, bias), np.roll(fl.conv(spec, x, weight, bias), shift, axes))


def test_stride_and_zero_padding_break_the_shift() -> None:
    x, weight = integers_of_shape((1, 1, 8), 9), np.array([[[1, 2, -3]]])

    def strided(x: np.ndarray) -> np.ndarray:
        return fl.conv1d(x, weight, stride=2, padding=1, padding_mode="circular")

    check_same(strided(np.roll(x, 2)), np.roll(strided(x), 1))
    assert (strided(np.roll(x, 1)) != strided(x)).any()
    padded = fl.conv1d(x, weight, padding=1)
    shifted = fl.conv1d(np.roll(x, 1), weight, padding=1)
    check_same(shifted[..., 2:-1], padded[..., 1:-2])  # the border alone differs
    assert (shifted != np.roll(padded, 1)).any()


@examples(40)
@given(problems(max_groups=3))
def test_groups_do_not_see_each_other(problem: Problem) -> None:
    spec = problem.spec
    x, weight, bias = problem.arrays()
    alone = fl.ConvSpec(
        **{**spec.to_dict(), "groups": 1, "in_channels": spec.in_channels // spec.groups, "out_channels": spec.out_channels // spec.groups}
    )
    parts = []
    for g, (x_part, weight_part) in enumerate(zip(np.split(x, spec.groups, 1), np.split(weight, spec.groups, 0), strict=True)):
        bias_part = None if bias is None else np.split(bias, spec.groups)[g]
        parts.append(fl.conv(alone, x_part, weight_part, bias_part))
    check_same(fl.conv(spec, x, weight, bias), np.concatenate(parts, 1))


@examples(40)
@given(problems(max_axes=2, transposed=False))
def test_dilation_is_a_larger_kernel_with_zeros(problem: Problem) -> None:
    spec = problem.spec
    x, weight, bias = problem.arrays()
    sparse = np.zeros((*weight.shape[:2], *spec.effective_kernel_size), int)
    sparse[(..., *(slice(None, None, step) for step in spec.dilation))] = weight
    dense = fl.ConvSpec(**{**spec.to_dict(), "dilation": 1, "kernel_size": spec.effective_kernel_size})
    check_same(fl.conv(spec, x, weight, bias), fl.conv(dense, x, sparse, bias))


@examples(40)
@given(problems(max_axes=2))
def test_an_unbatched_input_is_a_batch_of_one(problem: Problem) -> None:
    spec, size = problem.spec, problem.input_size
    x, weight, bias = problem.arrays()
    y = problem.output_grad()
    check_same(fl.conv(spec, x[0], weight, bias), fl.conv(spec, x[:1], weight, bias)[0])
    check_same(fl.conv_input_grad(spec, y[0], weight, size), fl.conv_input_grad(spec, y[:1], weight, size)[0])
    check_same(fl.conv_weight_grad(spec, x[0], y[0]), fl.conv_weight_grad(spec, x[:1], y[:1]))


@given(st.data())
def test_full_convolution_is_commutative_and_associative(data: st.DataObject) -> None:
    ndim = data.draw(st.integers(1, 3))
    a, b, c = (integers_of_shape(data.draw(st.tuples(*[st.integers(1, 4)] * ndim)), 10 + which) for which in range(3))

    def full(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        return fl.convolve(x, kernel, mode="full")

    check_same(full(a, b), full(b, a))
    check_same(full(full(a, b), c), full(a, full(b, c)))
    check_same(full(a, c) + 5 * full(a, c), full(a, 6 * c))
    one = np.ones((1,) * ndim, int)
    check_same(full(a, one), a)


def test_correlation_is_neither() -> None:
    a, b, c = np.array([1, 2, 3]), np.array([0, 1, 5]), np.array([2, 0, 7])

    def full(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        return fl.correlate(x, kernel, mode="full")

    check_same(full(a, b), full(b, a)[::-1].copy())
    assert (full(a, b) != full(b, a)).any()
    assert (full(full(a, b), c) != full(a, full(b, c))).any()


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_the_neutral_kernel_returns_its_input(ndim: int) -> None:
    for kernel, dilation in itertools.product((1, 3, 5), (1, 2)):
        spec = fl.ConvSpec(3, 3, kernel, padding="same", dilation=dilation, groups=3, ndim=ndim, bias=False)
        weight = np.zeros(spec.weight_shape, int)
        weight[(slice(None), 0, *(kernel // 2,) * ndim)] = 1
        x = integers_of_shape((2, 3, *(4,) * ndim), 9)
        check_same(fl.conv(spec, x, weight), x)
        check_same(fl.conv_input_grad(spec, x, weight, 4), x)


def test_transposed_is_not_the_inverse() -> None:
    x, weight = np.arange(1, 7)[None, None], np.array([[[1, 2]]])
    there_and_back = fl.conv_transpose1d(fl.conv1d(x, weight, stride=2), weight, stride=2)
    check_same(there_and_back, np.array([[[5, 10, 11, 22, 17, 34]]]))
    assert (there_and_back != x).any()
