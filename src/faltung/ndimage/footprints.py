"""Correlation of plain arrays with kernels of several axes, in the output's dtype."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faltung.engine.arrays import Array
from faltung.engine.native import chosen_isa, filter_footprint, get_num_threads
from faltung.ndimage.memory import as_read, new_result

__all__ = ["correlate_nd"]


def correlate_nd(x: Array, weights: NDArray[np.float64], out: Array, before: tuple[int, ...], modes: tuple[str, ...], cval: float) -> None:
    """`out` = the correlation of `x` with `weights`, both real; x and weights have the same number of axes, out may overlap x."""
    if out.size == 0:
        return
    writes_out = out.dtype.isnative and out.flags.aligned and not np.may_share_memory(x, out)
    to = out if writes_out else new_result(out.shape, out.dtype.newbyteorder("="))
    missing = (1,) * max(0, 2 - x.ndim)
    filter_footprint(
        as_read(x).reshape(missing + x.shape), to.reshape(missing + x.shape), chosen_isa(), get_num_threads(),
        np.ascontiguousarray(weights).reshape(missing + weights.shape), (0,) * len(missing) + before, ("zeros",) * len(missing) + modes,
        cval, _sums_in_double(x, out),
    )  # fmt: skip
    if to is not out:
        out[...] = to


def _sums_in_double(x: Array, out: Array) -> bool:
    return out.dtype != np.float32 or not (x.dtype == np.float32 or (x.dtype.kind in "iu" and x.dtype.itemsize <= 2))
