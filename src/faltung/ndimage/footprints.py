"""Correlation of plain arrays with kernels of several axes, in the output's dtype."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from faltung.engine.arrays import Array
from faltung.ndimage.passes import EPSILON, _cells

__all__ = ["correlate_nd"]


def correlate_nd(x: Array, weights: NDArray[np.float64], out: Array, before: tuple[int, ...], modes: tuple[str, ...], cval: float) -> None:
    """`out` = the correlation of `x` with `weights`, both real; x and weights have the same number of axes, out may overlap x."""
    if out.size == 0:
        return
    wide = x.astype(np.float64)
    outside = np.zeros(x.shape, bool)
    for axis, (b, size, mode) in enumerate(zip(before, weights.shape, modes, strict=True)):
        n = x.shape[axis]
        at = np.arange(-b, n + size - 1 - b)
        if mode == "constant":
            shape = [1] * x.ndim
            shape[axis] = -1
            outside = np.take(outside, np.clip(at, 0, max(n - 1, 0)), axis) | ((at < 0) | (at >= n)).reshape(shape)
            at = np.clip(at, 0, max(n - 1, 0))
        else:
            at = _cells(at, n, mode)
            outside = np.take(outside, at, axis)
        wide = np.take(wide, at, axis)
    wide[outside] = cval
    total = np.zeros(x.shape)
    for place in itertools.product(*map(range, weights.shape)):
        if abs(weights[place]) > EPSILON:
            total += weights[place] * wide[tuple(slice(k, k + n) for k, n in zip(place, x.shape, strict=True))]
    with np.errstate(invalid="ignore"):
        out[...] = total.astype(out.dtype)
