"""The same numbers laid in memory in other ways."""

from __future__ import annotations

import numpy as np


def channels_last(array: np.ndarray, axis: int = 1) -> np.ndarray:
    """What lies along `axis` side by side; by default the channels of each position."""
    axis = min(axis, array.ndim - 1)
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(array, axis, -1)), -1, axis)


def reversed_axes(array: np.ndarray) -> np.ndarray:
    """Negative strides."""
    every_axis = tuple(range(array.ndim))
    return np.flip(np.ascontiguousarray(np.flip(array, every_axis)), every_axis)


def every_other(array: np.ndarray, between: float = 99) -> np.ndarray:
    """With other cells in between, which nobody is to read or write."""
    spread = np.full(tuple(2 * size + 1 for size in array.shape), between, array.dtype)
    view = spread[(..., *(slice(1, None, 2) for _ in array.shape))]
    view[...] = array
    return view


def unaligned(array: np.ndarray) -> np.ndarray:
    """One byte past where an element may begin."""
    view = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    assert not view.flags.aligned or array.itemsize == 1 or not array.size
    return view
