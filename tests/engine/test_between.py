"""What stands between the convolutions of a network: largest numbers of windows, normalisation over channels."""

from __future__ import annotations

import numpy as np
import pytest

from faltung.engine import native
from tests.support.check import check_same
from tests.support.engine import normals
from tests.support.strategies import integers_of_shape

WINDOWS = [((1, 1), (1, 1), (0, 0)), ((3, 3), (2, 2), (1, 1)), ((2, 2), (2, 2), (0, 0)), ((3, 2), (1, 3), (1, 0)), ((5, 7), (2, 1), (2, 3))]


def pooled(x: np.ndarray, kernel: tuple[int, int], stride: tuple[int, int], before: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    y = np.empty((*x.shape[:2], *size), x.dtype)
    for row in range(size[0]):
        for column in range(size[1]):
            top, left = row * stride[0] - before[0], column * stride[1] - before[1]
            window = x[:, :, max(top, 0) : top + kernel[0], max(left, 0) : left + kernel[1]]
            y[:, :, row, column] = window.max((2, 3))
    return y


def strided(array: np.ndarray) -> np.ndarray:
    held = np.zeros((*(2 * size for size in array.shape[::-1]),), array.dtype)
    view = held[(slice(None, None, -2),) * array.ndim].T
    view[...] = array
    return view


@pytest.mark.parametrize("isa", native.available_isas())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kernel", "stride", "before"), WINDOWS)
def test_max_pool(kernel: tuple[int, int], stride: tuple[int, int], before: tuple[int, int], dtype: str, isa: str) -> None:
    for width in (7, 15, 16, 17, 31, 33, 70):
        x = integers_of_shape((2, 3, 9, width), width, dtype)
        x[0, 1, 4, width // 2] = np.nan
        x[1, 2] = -np.inf
        # With windows that go past the end, as PyTorch's ceil_mode has them.
        size = tuple((n + 2 * b - k + s - 1) // s + 1 for n, b, k, s in zip(x.shape[2:], before, kernel, stride, strict=True))
        size = tuple(o if (o - 1) * s < n + b else o - 1 for o, n, b, s in zip(size, x.shape[2:], before, stride, strict=True))
        expected = pooled(x, kernel, stride, before, size)
        for source in (x, strided(x)):
            for y in (np.empty_like(expected), strided(np.empty_like(expected))):
                native.max_pool(source, y, isa, 2, kernel, stride, before)
                check_same(np.ascontiguousarray(y), expected)


@pytest.mark.parametrize("step", [8, 9, 2**30, 2**59, 2**60])
def test_steps_past_the_end(step: int) -> None:
    """Of one window, however far the next would be: memory is that of the cells."""
    x = integers_of_shape((1, 2, 6, 8), 1, "float32")
    for kernel, before in (((2, 3), (0, 0)), ((6, 8), (0, 0)), ((3, 4), (2, 3)), ((2**40, 2**60), (0, 5))):
        y = np.empty((1, 2, 1, 1), np.float32)
        native.max_pool(x, y, native.chosen_isa(), 1, kernel, (step, step), before)
        check_same(y, pooled(x, kernel, (step, step), before, (1, 1)))


@pytest.mark.parametrize(
    ("kernel", "stride", "before", "size"),
    [
        ((0, 1), (1, 1), (0, 0), (4, 4)),
        ((2, 2), (0, 1), (0, 0), (4, 4)),
        ((2, 2), (1, 1), (2, 0), (4, 4)),
        ((2, 2), (2, 2), (0, 0), (5, 2)),
    ],
)
def test_windows_that_are_refused(
    kernel: tuple[int, int], stride: tuple[int, int], before: tuple[int, int], size: tuple[int, int]
) -> None:  # fmt: skip
    with pytest.raises(ValueError, match=r"out of range|has no cell"):
        native.max_pool(np.zeros((1, 1, 4, 4)), np.zeros((1, 1, *size)), native.chosen_isa(), 1, kernel, stride, before)


@pytest.mark.parametrize("isa", native.available_isas())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normalised_channels(dtype: str, isa: str) -> None:
    for channels, positions in ((1, 3), (5, 15), (8, 16), (96, 17), (33, 63), (7, 64), (6, 65), (3, 200)):
        x, weight, bias = (normals(shape, 3, dtype) for shape in ((2, channels, positions), (channels,), (channels,)))
        wide = (x + dtype_of(x, 10)).astype(np.longdouble)
        expected = (wide - wide.mean(1, keepdims=True)) / np.sqrt(wide.var(1, keepdims=True) + 1e-3)
        for source in (x + dtype_of(x, 10), strided(x + dtype_of(x, 10))):
            for y in (np.empty_like(x), strided(np.empty_like(x))):
                for factors in ((None, None), (weight, bias)):
                    native.normalise_channels(source, y, isa, 2, *factors, 1e-3)
                    scaled = expected if factors[0] is None else expected * weight[:, None] + bias[:, None]
                    assert np.abs(y - scaled).max() <= 500 * np.finfo(dtype).eps * max(1, np.abs(scaled).max())


def dtype_of(x: np.ndarray, number: float) -> np.generic:
    return x.dtype.type(number)
