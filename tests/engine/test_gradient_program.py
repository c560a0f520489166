"""Gradients in one native call: the same as by the way that takes any array, and None where it does not serve them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung.engine import gradient
from faltung.engine.native import GradientProgram, WeightGradient, chosen_isa, native_problem

SPECS = [
    "conv2d(4, 6, 3, padding=1, bias=False)",
    "conv2d(6, 6, 5, padding=2, groups=6, bias=False)",
    "conv1d(4, 8, 3, stride=2, dilation=2, groups=2, bias=False)",
    "conv2d(3, 4, 3, padding=1, bias=False, padding_mode='circular')",
    "conv_transpose2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False)",
]


def arrays(spec: fl.ConvSpec, batch: tuple[int, ...], dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[int, ...]]:
    rng = np.random.default_rng(0)
    size = (9, 8)[: spec.ndim]
    made = [rng.integers(-9, 10, shape).astype(dtype) for shape in (
        (*batch, spec.in_channels, *size), (*batch, spec.out_channels, *spec.output_size(size)), spec.weight_shape
    )]  # fmt: skip
    return made[0], made[1], made[2], size


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Results of native calls."""
    results: list[object] = []

    class Counting:
        def __init__(self, program: Any) -> None:
            self.program = program

        def weight_grad(self, *arguments: Any) -> object:
            results.append(self.program.weight_grad(*arguments))
            return results[-1]

    original = gradient._weight_way.__wrapped__

    def way(*arguments: Any) -> Any:
        types, batch, program = original(*arguments)
        return types, batch, None if program is None else Counting(program)

    monkeypatch.setattr(gradient, "_weight_way", way)
    return results


@pytest.mark.parametrize("text", SPECS)
@pytest.mark.parametrize("batch", [(), (3,), (0,)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_same_as_by_the_general_way(text: str, batch: tuple[int, ...], dtype: str, counted: list[object]) -> None:
    spec = fl.ConvSpec.parse(text)
    x, grad, weight, size = arrays(spec, batch, dtype)
    swapped = np.dtype(dtype).newbyteorder()
    found = fl.conv_weight_grad(spec, x, grad)
    assert counted[-1] is found
    np.testing.assert_array_equal(found, fl.conv_weight_grad(spec, x.astype(swapped), grad))
    assert counted[-1] is None
    np.testing.assert_array_equal(
        fl.conv_input_grad(spec, grad, weight, size), fl.conv_input_grad(spec, grad.astype(swapped), weight, size)
    )  # fmt: skip


def test_strided_and_repeated_arrays_are_read_where_they_lie(counted: list[object]) -> None:
    spec = fl.ConvSpec.parse(SPECS[0])
    x, grad, *_ = arrays(spec, (2,), "float32")
    wide = np.repeat(x, 2, axis=-1)[..., ::-2]
    one = np.broadcast_to(grad[:, :, :1, :1], grad.shape)
    found = fl.conv_weight_grad(spec, wide, one)
    assert counted[-1] is found
    np.testing.assert_array_equal(found, fl.conv_weight_grad(spec, x[..., ::-1].copy(), one.copy()))


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e30])
def test_numbers_that_a_kernel_does_not_serve(value: float, counted: list[object]) -> None:
    spec = fl.ConvSpec.parse("conv2d(64, 64, 3, padding=1, bias=False)")
    rng = np.random.default_rng(0)
    x, grad = (rng.integers(-3, 4, (2, 64, 20, 20)).astype(np.float32) for _ in range(2))
    _, is_direct = gradient._kernel(spec, (20, 20), "float32", 2, "auto")
    assert not is_direct
    fl.conv_weight_grad(spec, x, grad)
    assert counted[-1] is not None
    x[0, 0, 10, 10] = value
    found = fl.conv_weight_grad(spec, x, grad)
    assert counted[-1] is None
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(found, fl.conv_weight_grad(spec, x, grad, accuracy="exact"))


def test_programs_refuse_what_is_not_theirs() -> None:
    spec = fl.ConvSpec.parse(SPECS[0])
    x, grad, *_ = arrays(spec, (2,), "float32")
    *_, program = gradient._weight_way(spec, x.shape, x.dtype, grad.shape, grad.dtype, False)
    assert isinstance(program, GradientProgram)
    assert program.weight_grad(x, grad, 1) is not None
    for one, other in [(x, grad[0]), (x[0], grad), (x[:1], grad), (x.astype("f8"), grad), (x[..., 1:], grad), (x, None), (x[None], grad)]:
        assert program.weight_grad(one, other, 1) is None


def test_shapes_of_no_convolution_are_refused() -> None:
    spec = fl.ConvSpec.parse(SPECS[0])
    kernel, _ = gradient._kernel(spec, (9, 8), "float32", 1, "auto")
    with pytest.raises(ValueError, match="one convolution"):
        GradientProgram(kernel, 1, (4, 9, 8), (6, 9), spec.weight_shape, np.dtype("f4"), 1.0, False, False)


@pytest.mark.parametrize(
    "text",
    [
        "conv2d(3, 64, 7, stride=2, padding=3, bias=False)",
        "conv2d(9, 40, 5, padding=2, bias=False)",
        "conv1d(8, 64, 9, dilation=3, padding='causal', bias=False)",
        "conv1d(1, 32, 1500, padding=700, bias=False)",
        "conv2d(96, 96, 1, bias=False)",
    ],
)
def test_sums_do_not_depend_on_who_shares_them_out(text: str) -> None:
    spec = fl.ConvSpec.parse(text)
    rng = np.random.default_rng(0)
    size = (1600,) if spec.ndim == 1 else (40, 40)
    x, grad = (
        rng.standard_normal(shape, np.float32)
        for shape in ((2, spec.in_channels, *size), (2, *spec.output_shape((spec.in_channels, *size))))
    )
    large, small = (gradient._grouped(array, 1) for array in (x, grad))
    kernel = WeightGradient("direct", "float32", chosen_isa(), native_problem(gradient.gradient_problem(spec, size)))
    found = []
    for threads in (1, 2, 3, 5, 16):
        result = np.empty((1, *spec.weight_shape), np.float32)
        kernel.run(large, small, result, threads)
        found.append(result.tobytes())
    assert len(set(found)) == 1
