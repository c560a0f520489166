"""Arrays as kernels read and write them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from faltung.engine.arrays import Array, new_array
from faltung.engine.native import new_result as native_result

__all__ = ["as_read", "new_result"]

LEAST_RECYCLED_BYTES = 64 << 10
"""Of less, NumPy takes care itself."""


def new_result(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array to be written, in memory that earlier results gave back where it is large."""
    if math.prod(shape) * dtype.itemsize >= LEAST_RECYCLED_BYTES and dtype.isnative:
        found: Array | None = native_result(shape, dtype)
        if found is not None:
            return found
    return new_array("output", shape, dtype)


def as_read(x: Array) -> Array:
    """`x` of native byte order and aligned; any strides."""
    if not x.dtype.isnative:
        return x.astype(x.dtype.newbyteorder("="))
    return x if x.flags.aligned else x.copy()
