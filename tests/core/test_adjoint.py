"""The adjoint specs really compute both gradients, to the last bit in integers."""

from __future__ import annotations

import dataclasses
import math
from types import ModuleType

import numpy as np
import pytest
from hypothesis import assume, given, settings

from faltung import reference
from faltung.adjoint import Adjoint
from faltung.spec import ConvSpec
from tests.support.check import check_same
from tests.support.strategies import Problem, problems


def channels_as_batch(array: np.ndarray, groups: int) -> np.ndarray:
    """(N, groups*c, …) as (c, groups*N, …): channels ordered by group, then sample."""
    n, channels, *size = array.shape
    return (
        np.moveaxis(array.reshape(n, groups, channels // groups, *size), 2, 0).swapaxes(1, 2).reshape(channels // groups, groups * n, *size)
    )


def weight_grad_by_adjoint(spec: ConvSpec, adjoint: Adjoint, x: np.ndarray, grad: np.ndarray) -> np.ndarray:
    """The weight's gradient put together as `Adjoint` says."""
    assert adjoint.weight_grad is not None
    large, small = (grad, x) if spec.transposed else (x, grad)
    found = reference.conv(adjoint.weight_grad, channels_as_batch(large, spec.groups), small.swapaxes(0, 1))
    spatial = tuple(range(2, 2 + spec.ndim))
    return (np.flip(found, spatial) if spec.flip else found).swapaxes(0, 1)


@given(problems())
@settings(max_examples=300)
def test_both_gradients_are_convolutions(problem: Problem) -> None:
    spec = problem.spec
    x, weight, _ = problem.arrays()
    grad = problem.output_grad()
    adjoint = spec.adjoint(problem.input_size, batch=problem.batch)
    assert adjoint.input_grad.weight_shape == spec.weight_shape
    assert adjoint.input_grad.output_size(grad.shape[2:]) == problem.input_size
    check_same(reference.conv(adjoint.input_grad, grad, weight), reference.conv_input_grad(spec, grad, weight, problem.input_size))
    check_same(weight_grad_by_adjoint(spec, adjoint, x, grad), reference.conv_weight_grad(spec, x, grad))


@given(problems(bias=False))
@settings(max_examples=300)
def test_adjoint_identity(problem: Problem) -> None:
    """⟨Ax, y⟩ = ⟨x, Aᵀy⟩, for the input and for the weight."""
    spec = problem.spec
    x, weight, _ = problem.arrays()
    y = problem.output_grad()
    product = int((reference.conv(spec, x, weight) * y).sum())
    assert product == int((x * reference.conv_input_grad(spec, y, weight, problem.input_size)).sum())
    assert product == int((weight * reference.conv_weight_grad(spec, x, y)).sum())
    adjoint = spec.adjoint(problem.input_size, batch=problem.batch)
    assert product == int((x * reference.conv(adjoint.input_grad, y, weight)).sum())


@given(problems(bias=False))
def test_the_adjoint_of_the_adjoint_is_the_convolution(problem: Problem) -> None:
    spec = problem.spec
    x, weight, _ = problem.arrays()
    once = spec.adjoint(problem.input_size).input_grad
    twice = once.adjoint(spec.output_size(problem.input_size)).input_grad
    assert twice.transposed == spec.transposed
    check_same(reference.conv(twice, x, weight), reference.conv(spec, x, weight))


@given(problems())
def test_without_an_input_size(problem: Problem) -> None:
    spec = problem.spec
    assume(not any(spec.output_padding))
    adjoint = spec.adjoint()
    turned = {"in_channels": spec.out_channels, "out_channels": spec.in_channels, "transposed": not spec.transposed, "bias": False}
    assert adjoint == Adjoint(ConvSpec(**{**spec.to_dict(), **turned}), None)
    assert adjoint.input_grad.adjoint().input_grad == ConvSpec(**{**spec.to_dict(), "bias": False})


def test_output_padding_restores_the_cells_that_no_window_reached() -> None:
    spec = ConvSpec.parse("conv2d(3, 8, 3, stride=(2, 3))")
    for height in range(5, 11):
        for width in range(5, 11):
            adjoint = spec.adjoint((height, width))
            assert adjoint.input_grad.output_size(spec.output_size((height, width))) == (height, width)
            assert adjoint.input_grad.output_padding == ((height - 3) % 2, (width - 3) % 3)


def test_an_adjoint_is_a_value() -> None:
    adjoint = ConvSpec(1, 1, 3, ndim=1).adjoint((5,))
    assert not hasattr(adjoint, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        adjoint.weight_grad = None  # type: ignore[misc]


@pytest.mark.parametrize("text", ["conv2d(2, 3, 3)", "conv_transpose2d(2, 3, 3)"])
def test_an_empty_axis_has_no_gradient_of_the_weight(text: str) -> None:
    spec = ConvSpec.parse(text)
    for size in ((0, 5), (5, 0)):
        adjoint = spec.adjoint(size)
        assert adjoint.weight_grad is None
        assert adjoint.input_grad == spec.adjoint().input_grad


def test_known_adjoints() -> None:
    adjoint = ConvSpec.parse("conv2d(16, 32, 3, padding=1, groups=4)").adjoint((7, 9), batch=5)
    assert str(adjoint.input_grad) == "conv_transpose2d(32, 16, (3, 3), padding=(1, 1), groups=4, bias=False)"
    assert str(adjoint.weight_grad) == "conv2d(20, 32, (7, 9), padding=(1, 1), groups=4, bias=False)"
    adjoint = ConvSpec.parse("conv_transpose1d(2, 3, 4, stride=2, padding=1)").adjoint((5,))
    assert str(adjoint.input_grad) == "conv1d(3, 2, (4,), stride=(2,), padding=(1,), bias=False)"
    assert str(adjoint.weight_grad) == "conv1d(1, 2, (5,), padding=(1,), dilation=(2,), bias=False)"


@pytest.mark.parametrize("transposed", [False, True])
def test_the_adjoint_is_pytorchs_transposed_convolution(torch: ModuleType, transposed: bool) -> None:
    """`adjoint().input_grad`, fed to PyTorch's other function, is PyTorch's own gradient."""
    spec = ConvSpec(4, 6, (3, 2), stride=(2, 3), padding=(1, 0), dilation=(1, 2), groups=2, transposed=transposed, bias=False)
    input_size = (8, 9)
    turned = spec.adjoint(input_size).input_grad
    functions = torch.nn.functional.conv2d, torch.nn.functional.conv_transpose2d
    generator = torch.Generator().manual_seed(3)
    x = torch.randint(-4, 5, (2, 4, *input_size), generator=generator).double().requires_grad_()
    weight = torch.randint(-4, 5, spec.weight_shape, generator=generator).double()
    out = functions[transposed](x, weight, stride=spec.stride, padding=(1, 0), dilation=spec.dilation, groups=2)
    grad = torch.randint(-4, 5, out.shape, generator=generator).double()
    (expected,) = torch.autograd.grad(out, x, grad)
    padding = tuple(before for before, _ in turned.padding)
    options = {"output_padding": turned.output_padding} if turned.transposed else {}
    found = functions[turned.transposed](grad, weight, stride=turned.stride, padding=padding, dilation=turned.dilation, groups=2, **options)
    check_same(found[..., : input_size[0], : input_size[1]].numpy(), expected.numpy())


@given(problems())
def test_macs_of_the_gradients_are_those_of_the_convolution(problem: Problem) -> None:
    """Each product of the forward pass is one product of either gradient."""
    spec = problem.spec
    adjoint = spec.adjoint(problem.input_size, batch=problem.batch)
    macs = spec.macs(problem.input_size)
    output_size = spec.output_size(problem.input_size)
    assert adjoint.input_grad.macs(output_size) == macs
    assert adjoint.weight_grad is not None
    large = output_size if spec.transposed else problem.input_size
    channels = (spec.out_channels if spec.transposed else spec.in_channels) // spec.groups
    assert adjoint.weight_grad.macs(large) * channels == macs * problem.batch
    assert math.prod(adjoint.weight_grad.output_size(large)) == math.prod(spec.kernel_size)
