"""Small whole numbers for a convolution of any size, so that a sum can be followed by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided

from faltung.engine.arrays import Array
from faltung.errors import ConvShapeError
from faltung.spec import ConvSpec

__all__ = ["example_data"]

# From the last axis on; none is a multiple of a cycle's length, so that neighbours along every axis differ.
_STEPS = (1, 5, 3, 7, 9, 11, 13)
_LARGEST = 2**26


def example_data(spec: ConvSpec, shape: Sequence[int]) -> tuple[Array, Array, Array | None]:
    """An input of `shape` with 0 to 9, a weight with −3 to 4, a bias of 1, 2, 3, …, where the spec has one.

    >>> example_data(ConvSpec(1, 1, 2, ndim=2), (1, 1, 2, 3))[0]
    array([[[[1, 2, 3],
             [6, 7, 8]]]])
    """
    x = _counting(shape, (1, 2, 3, 4, 5, 6, 7, 8, 9, 0))
    weight = _counting(spec.weight_shape, (1, 2, 0, -1, 3, -2, -3, 4))
    return x, weight, np.arange(1, spec.out_channels + 1) if spec.bias else None


def _counting(shape: Sequence[int], cycle: Sequence[int]) -> Array:
    """Cell (…, i, j) holds number ``… + 5*i + j`` of the cycle; a view, so that large arrays take little memory."""
    steps = [_STEPS[axis % len(_STEPS)] for axis in range(len(shape))][::-1]
    length = 1 + sum(max(size - 1, 0) * step for size, step in zip(shape, steps, strict=True))
    too_large = ConvShapeError(f"an array of shape {tuple(shape)} is too large for example data.", "Use a smaller --input with --at.")
    if length > _LARGEST:
        raise too_large
    numbers = np.resize(np.array(cycle), length)
    try:
        return as_strided(numbers, tuple(shape), [step * numbers.itemsize for step in steps], writeable=False)
    except ValueError:  # more cells than an array can have
        raise too_large from None
