"""PyTorch as a second opinion: output and both gradients of hundreds of specs, exact in whole numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given

import faltung as fl
from tests.support.check import check_same
from tests.support.engine import examples
from tests.support.pytorch import arrays_and_gradients, is_known_to_pytorch
from tests.support.strategies import Problem, integers_of_shape, problems


def check_against_pytorch(torch: Any, problem: Problem, dtype: str) -> None:
    spec, size = problem.spec, problem.input_size
    x, weight, bias = problem.arrays(dtype)
    grad = problem.output_grad(dtype)
    y, x_grad, weight_grad = arrays_and_gradients(torch, spec, x, weight, bias, grad)
    check_same(fl.conv(spec, x, weight, bias), y)
    check_same(fl.conv_input_grad(spec, grad, weight, size), x_grad)
    check_same(fl.conv_weight_grad(spec, x, grad), weight_grad)


@examples(300)
@given(problem=problems(max_axes=3, modes=["zeros"]))
def test_zero_padding(torch: Any, problem: Problem) -> None:
    check_against_pytorch(torch, problem, "float64")


@examples(150)
@given(problem=problems(max_axes=3, modes=["circular", "reflect", "replicate"]))
def test_padding_that_repeats(torch: Any, problem: Problem) -> None:
    large = problem.spec.output_size(problem.input_size) if problem.spec.transposed else problem.input_size
    assume(is_known_to_pytorch(problem.spec, large))
    check_against_pytorch(torch, problem, "float64")


@examples(60)
@given(problem=problems(max_axes=3, modes=["zeros"]))
def test_complex_numbers(torch: Any, problem: Problem) -> None:
    check_against_pytorch(torch, problem, "complex128")


ARGUMENTS = [  # after x, weight, bias: the order of torch.nn.functional.conv*
    (),
    (2,),
    (1, 1),
    (2, 1, 2),
    (1, 0, 1, 2),
    (2, 1, 2, 2),
    (1, "same"),
    (1, "valid", 2),
    (1, "same", 2, 2),
]
TRANSPOSED_ARGUMENTS = [(), (2,), (2, 1), (2, 1, 1), (1, 0, 0, 2), (3, 1, 2, 2, 2), (2, 0, 1, 1, 3)]


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=str)
def test_the_same_arguments_in_the_same_order(torch: Any, ndim: int, arguments: tuple[Any, ...]) -> None:
    groups = arguments[3] if len(arguments) > 3 else 1
    check_same_call(torch, f"conv{ndim}d", (2, 4, *(7,) * ndim), (6, 4 // groups, *(3,) * ndim), 6, arguments)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("arguments", TRANSPOSED_ARGUMENTS, ids=str)
def test_the_same_transposed_arguments_in_the_same_order(torch: Any, ndim: int, arguments: tuple[Any, ...]) -> None:
    groups = arguments[3] if len(arguments) > 3 else 1
    check_same_call(torch, f"conv_transpose{ndim}d", (2, 4, *(5,) * ndim), (4, 6 // groups, *(3,) * ndim), 6, arguments)


def check_same_call(
    torch: Any, name: str, shape: tuple[int, ...], weight_shape: tuple[int, ...], out: int, arguments: tuple[Any, ...]
) -> None:
    x, weight, bias = (integers_of_shape(one, 5 + which, "float32") for which, one in enumerate((shape, weight_shape, (out,))))
    expected = getattr(torch.nn.functional, name)(*map(torch.tensor, (x, weight, bias)), *arguments).numpy()
    check_same(getattr(fl, name)(x, weight, bias, *arguments), expected)
    lists = tuple(
        [argument] * (len(shape) - 2) if isinstance(argument, int) and place != 3 else argument for place, argument in enumerate(arguments)
    )
    check_same(getattr(fl, name)(x, weight, bias, *lists), expected)
    unbatched = getattr(torch.nn.functional, name)(torch.tensor(x[0]), torch.tensor(weight), None, *arguments).numpy()
    check_same(getattr(fl, name)(x[0], weight, None, *arguments), unbatched)


def test_a_large_layer_agrees(torch: Any) -> None:
    x, weight = integers_of_shape((2, 64, 28, 28), 5, "float32"), integers_of_shape((96, 64, 3, 3), 6, "float32")
    spec = fl.ConvSpec(64, 96, 3, stride=2, padding=1, bias=False, ndim=2)
    grad = integers_of_shape(spec.output_shape(x.shape), 7, "float32")
    y, x_grad, weight_grad = arrays_and_gradients(torch, spec, x, weight, None, grad)
    check_same(fl.conv(spec, x, weight), y)
    check_same(fl.conv_input_grad(spec, grad, weight, 28), x_grad)
    check_same(fl.conv_weight_grad(spec, x, grad), weight_grad)


def test_single_precision_is_close(torch: Any) -> None:
    rng = np.random.default_rng(5)
    x, weight = rng.normal(size=(1, 32, 20, 20)).astype("float32"), rng.normal(size=(48, 32, 3, 3)).astype("float32")
    expected = torch.nn.functional.conv2d(torch.tensor(x), torch.tensor(weight), padding=1).numpy()
    np.testing.assert_allclose(fl.conv2d(x, weight, padding=1, accuracy="exact"), expected, rtol=0, atol=1e-4)
    true = torch.nn.functional.conv2d(torch.tensor(x).double(), torch.tensor(weight).double(), padding=1).numpy()
    default, exact = (np.abs(fl.conv2d(x, weight, padding=1, accuracy=accuracy) - true).std() for accuracy in ("default", "exact"))
    assert exact > 0
    assert default < 10 * exact  # what it may cost
