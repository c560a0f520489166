"""`fl.unfold` and `fl.fold`: PyTorch's numbers, each the other's adjoint, and convolution as a matrix product."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung as fl
from tests.support.check import check_error, check_same
from tests.support.engine import examples
from tests.support.strategies import integers_of_shape

PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))


@examples(120)
@given(kernel=PAIR, dilation=PAIR, padding=st.tuples(st.integers(0, 3), st.integers(0, 3)), stride=PAIR, seed=st.integers(4, 2**16))
def test_the_same_as_pytorch(torch: Any, kernel: Any, dilation: Any, padding: Any, stride: Any, seed: int) -> None:
    x = integers_of_shape((2, 3, 7, 8), seed, "float32")
    columns = torch.nn.functional.unfold(torch.tensor(x), kernel, dilation, padding, stride)
    check_same(fl.unfold(x, kernel, dilation, padding, stride), columns.numpy())
    check_same(fl.unfold(x[0], kernel, dilation, padding, stride), columns[0].numpy())
    columns = torch.tensor(integers_of_shape(columns.shape, seed + 1, "float32"))
    folded = torch.nn.functional.fold(columns, (7, 8), kernel, dilation, padding, stride)
    check_same(fl.fold(columns.numpy(), (7, 8), kernel, dilation, padding, stride), folded.numpy())
    check_same(fl.fold(columns[0].numpy(), (7, 8), kernel, dilation, padding, stride), folded[0].numpy())


@st.composite
def windows(draw: st.DrawFn) -> tuple[tuple[int, ...], dict[str, Any]]:
    """A spatial size, and the arguments of a window that fits into it."""
    ndim = draw(st.integers(1, 3))
    each = {"kernel_size": st.integers(1, 3), "dilation": st.integers(1, 2), "stride": st.integers(1, 3)}
    arguments: dict[str, Any] = {name: tuple(draw(values) for _ in range(ndim)) for name, values in each.items()}
    arguments["padding"] = tuple((draw(st.integers(-2, 3)), draw(st.integers(-2, 3))) for _ in range(ndim))
    extents = (d * (k - 1) + 1 for k, d in zip(arguments["kernel_size"], arguments["dilation"], strict=True))
    least = (max(extent - sum(sides), 1) for extent, sides in zip(extents, arguments["padding"], strict=True))
    return tuple(smallest + draw(st.integers(0, 3)) for smallest in least), arguments


@examples(120)
@given(windows(), st.integers(4, 2**16), st.integers(0, 2))
def test_convolution_is_unfolding_and_a_matrix_product(window: tuple[tuple[int, ...], dict[str, Any]], seed: int, batch: int) -> None:
    size, arguments = window
    spec = fl.ConvSpec(2, 3, bias=False, **arguments)
    x, weight = integers_of_shape((batch, 2, *size), seed), integers_of_shape(spec.weight_shape, seed + 1)
    product = weight.reshape(3, -1) @ fl.unfold(x, **arguments)
    check_same(product.reshape(batch, 3, *spec.output_size(size)), fl.conv(spec, x, weight))
    grad = integers_of_shape((batch, 3, *spec.output_size(size)), seed + 2)
    back = weight.reshape(3, -1).T @ grad.reshape(batch, 3, product.shape[-1])
    check_same(fl.fold(back, size, **arguments), fl.conv_input_grad(spec, grad, weight, size))


@examples(60)
@given(windows(), st.integers(4, 2**16))
def test_fold_is_the_adjoint_of_unfold(window: tuple[tuple[int, ...], dict[str, Any]], seed: int) -> None:
    size, arguments = window
    x = integers_of_shape((1, 2, *size), seed)
    columns = fl.unfold(x, **arguments)
    other = integers_of_shape(columns.shape, seed + 1)
    assert (columns * other).sum() == (x * fl.fold(other, size, **arguments)).sum()


@pytest.mark.parametrize("kernel", [3, 5])
def test_shapes(kernel: int) -> None:
    outputs = (6 - kernel + 1) * (7 - kernel + 1)
    assert fl.unfold(np.zeros((2, 3, 6, 7)), kernel).shape == (2, 3 * kernel**2, outputs)
    assert fl.unfold(np.zeros((3, 6, 7)), kernel).shape == (3 * kernel**2, outputs)
    assert fl.unfold(np.zeros((3, 7)), (kernel,)).shape == (3 * kernel, 7 - kernel + 1)
    assert fl.unfold(np.zeros((2, 3, 6, 7, 6)), kernel).shape == (2, 3 * kernel**3, outputs * (6 - kernel + 1))


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "float16", "complex64"])
def test_the_dtype_stays(dtype: str) -> None:
    x = integers_of_shape((1, 1, 4, 4), 5, dtype)
    columns = fl.unfold(x, 2)
    assert columns.dtype == dtype
    assert fl.fold(columns, (4, 4), 2).dtype == dtype


@pytest.mark.parametrize(("size", "stride"), [((0, 5), 1), ((0, 5), 2), ((5, 0), 3), ((0, 0), 1)])
def test_axes_of_no_cells(size: tuple[int, int], stride: int) -> None:
    for padding in (0, 1):
        x = np.zeros((2, 3, *size), np.float32)
        spec = fl.ConvSpec(3, 1, 4, stride, padding, ndim=2)
        outputs = int(np.prod(spec.output_size(size)))
        columns = fl.unfold(x, 4, padding=padding, stride=stride)
        check_same(columns, np.zeros((2, 3 * 16, outputs), np.float32))
        check_same(fl.fold(columns, size, 4, padding=padding, stride=stride), x)


def test_fold_sums_what_overlaps() -> None:
    check_same(fl.fold(np.ones((2, 3), int), (4,), (2,)), np.array([[1, 2, 2, 1]]))
    counts = fl.fold(fl.unfold(np.ones((1, 4, 4), int), 3), (4, 4), 3)
    check_same(counts, np.array([[[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]]))


def test_fold_takes_one_number_for_a_square() -> None:
    columns = integers_of_shape((1, 4, 9), 5)
    check_same(fl.fold(columns, 4, 2), fl.fold(columns, (4, 4), 2))
    check_same(fl.fold(columns, 4, (2, 2)), fl.fold(columns, (4, 4), 2))
    check_same(fl.fold(np.ones((1, 2, 3), int), (4,), 2), np.array([[[1, 2, 2, 1]]]))


ERRORS = {
    "columns": (
        lambda: fl.fold(np.ones((1, 4, 8)), (4, 4), 2),
        fl.ConvShapeError,
        "x has shape (1, 4, 8), expected (N, C*4, 9) with 4 = prod(kernel_size) and 9 = 3*3 windows.\n"
        "  output_size=(4, 4) with this kernel, stride, padding and dilation has 9 windows.",
    ),
    "rank": (
        lambda: fl.unfold(np.ones((1, 1, 1, 4, 4)), (2, 2)),
        fl.ConvShapeError,
        "x has shape (1, 1, 1, 4, 4), 5 axes; a window of 2 axes takes 4 (N, C, …) or 3 (C, …).\n"
        "  Give kernel_size one entry per spatial axis.",
    ),
    "window": (
        lambda: fl.unfold(np.ones((1, 4, 4)), 5),
        fl.ConvShapeError,
        "no output along axis 0: floor((4 + 0 + 0 - 1*(5-1) - 1) / 1) + 1 = 0.\n"
        "  Input plus padding must be at least 5, it is 4. Add 1 of padding, or use a kernel of 4 or less.",
    ),
}


@pytest.mark.parametrize("what", ERRORS)
def test_errors(what: str) -> None:
    check_error(*ERRORS[what])
