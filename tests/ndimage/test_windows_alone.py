"""Outputs are sums of their windows alone: no bit depends on the place, the size of the array, or the threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from faltung import ndimage
from faltung.engine.native import get_num_threads, set_num_threads
from faltung.ndimage.correlation import correlate_array


def exactly(x: Any, weights: Any) -> Any:
    return correlate_array(x, weights, None, "constant", 0.0, 0, None, flips=False, accuracy="exact")


FILTERS = {
    "gaussian": lambda x: ndimage.gaussian_filter(x, 1.7, mode="constant"),
    "derivative": lambda x: ndimage.gaussian_filter(x, 1.1, order=1, mode="constant"),
    "uniform": lambda x: ndimage.uniform_filter(x, 7, mode="constant"),
    "sobel": lambda x: ndimage.sobel(x, mode="constant"),
    "other": lambda x: ndimage.correlate1d(x, np.array([0.3, 1.7, -0.4, 0.01]), axis=0, mode="constant"),
    "correlate": lambda x: exactly(x, np.random.default_rng(5).standard_normal((3, 5))),
    "large kernel": lambda x: exactly(x, np.random.default_rng(6).standard_normal((15, 15))),
    "outer product": lambda x: exactly(x, np.outer(np.hanning(13), np.hanning(9))),
}
REACH = 8
"""More cells than any window has on one side of its output."""


def cells(shape: tuple[int, ...], dtype: str) -> Any:
    rng = np.random.default_rng(3)
    return (rng.standard_normal(shape) * 50).astype(dtype) if dtype[0] == "f" else rng.integers(0, 250, shape).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("name", FILTERS)
def test_parts_have_the_bits_of_the_whole(name: str, dtype: str) -> None:
    x = cells((97, 211), dtype)
    whole = FILTERS[name](x)
    rng = np.random.default_rng(7)
    for _ in range(25):
        top, left = rng.integers(0, [96 - 2 * REACH, 210 - 2 * REACH])
        bottom, right = rng.integers([top + 2 * REACH + 1, left + 2 * REACH + 1], [98, 212])
        part = FILTERS[name](x[top:bottom, left:right].copy())[REACH:-REACH, REACH:-REACH]
        assert part.tobytes() == whole[top + REACH : bottom - REACH, left + REACH : right - REACH].tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_wide_and_long_arrays(dtype: str) -> None:
    """Rows longer than a task, more columns than a block."""
    for shape in ((3, 20011), (40, 3001), (700, 5), (1, 9000)):
        x = cells(shape, dtype)
        for name, filtered in FILTERS.items():
            whole = filtered(x)
            for axis in (0, 1):
                start = shape[axis] // 3
                if shape[axis] > 3 * REACH:
                    cut, inside, outside = [slice(None)] * 2, [slice(None)] * 2, [slice(None)] * 2
                    cut[axis], inside[axis], outside[axis] = slice(start, None), slice(REACH, None), slice(start + REACH, None)
                    assert filtered(x[tuple(cut)])[tuple(inside)].tobytes() == whole[tuple(outside)].tobytes(), name


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_any_number_of_threads(dtype: str) -> None:
    x = cells((300, 211), dtype)
    before = get_num_threads()
    try:
        results = []
        for threads in (1, 2, 5):
            set_num_threads(threads)
            results.append([filtered(x).tobytes() for filtered in FILTERS.values()])
    finally:
        set_num_threads(before)
    assert results[0] == results[1] == results[2]
