"""Correlation of plain arrays with kernels of several axes, in the output's dtype: which kernels sum it, and what they are given.

float32 and float64 go through the engine, which knows outer products and Fourier transforms; everything else is summed tap by tap,
in float64 and in SciPy's order. `Footprint` is what both are asked for.
"""

from __future__ import annotations

import functools
import math
import operator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from faltung.engine.arrays import Array
from faltung.engine.native import chosen_isa, cut_off, filter_footprint, get_num_threads, is_within
from faltung.engine.run import run_again, run_conv
from faltung.ndimage.memory import as_read, new_result
from faltung.spec import ConvSpec

__all__ = ["Footprint", "correlate_nd"]

EPSILON = float(np.finfo(np.float64).eps)
"""A weight up to this is no tap, as in SciPy."""

FEW_TAPS = 25
"""Short integers become float32 first where there are more."""

MANY_TAPS = 150
"""Integers go through the engine first where there are as many."""

ROUNDING = 2.0**-48
"""What a sum of the engine and SciPy's may differ by, as a fraction of the largest sum, for each tap: sixteen times the error of
direct sums of both, and more than that of any transform in float64 for so many taps."""


@dataclass(frozen=True)
class Footprint:
    """What is summed: ``y[i] = sum over k of weights[k] * x[i - before + k]``, with an entry for each axis.

    Attributes
    ----------
    weights : array of float64
        Of as many axes as x.
    before : tuple of int
    mode : str
        A value of `arguments.MODES`.
    cval : float
        What stands beyond the border in mode "zeros".
    """

    weights: NDArray[np.float64]
    before: tuple[int, ...]
    mode: str
    cval: float

    @property
    def has_gaps(self) -> bool:
        """Whether a weight is no tap: what lies below it may be NaN."""
        return _has_gaps(self.weights.tobytes()) if self.weights.size <= FEW_TAPS else bool(np.any(np.abs(self.weights) <= EPSILON))

    def weights_in(self, dtype: np.dtype[Any]) -> Array:
        """The weights as numbers of `dtype`, infinite past its range."""
        if dtype == np.float64:
            return self.weights
        if self.weights.size <= FEW_TAPS:
            return _in_float32(self.weights.tobytes())
        with np.errstate(over="ignore"):
            return self.weights.astype(dtype)

    @property
    def pads_zeros(self) -> bool:
        """Whether what stands beyond the border is a zero."""
        return self.mode == "zeros" and self.cval == 0


def correlate_nd(x: Array, footprint: Footprint, out: Array, accuracy: str = "default") -> None:
    """`out` = the correlation of `x`, both real, of one shape; they may overlap.

    With `accuracy` "exact" every sum is taken directly and in one order: a part of an array has the bits of the whole. Without it that is
    so, too, but for float32 and float64, of which only an error is known: that of the engine's plan.
    """
    if out.size == 0:
        return
    if out.ndim == 0:
        alone = Footprint(footprint.weights.reshape(1), (0,), footprint.mode, footprint.cval)
        correlate_nd(x.reshape(1), alone, out.reshape(1), accuracy)
        return
    writes_out = out.dtype.isnative and out.flags.aligned and not np.may_share_memory(x, out)
    to = out if writes_out else new_result(out.shape, out.dtype.newbyteorder("="))
    source = as_read(x)
    if to.dtype == np.float32 and source.dtype.itemsize <= 2 and source.dtype.kind in "iu" and footprint.weights.size > FEW_TAPS:
        source = source.astype(np.float32)
    if _is_for_engine(source, to, footprint):
        _by_engine(source, footprint, to, accuracy)
    elif not (_is_for_sums(source, to, footprint) and _by_sums(source, footprint, to)):
        _tap_by_tap(source, footprint, to)
    if to is not out:
        out[...] = to


@functools.lru_cache(maxsize=64)
def _in_float32(weights: bytes) -> Array:
    with np.errstate(over="ignore"):
        found = np.frombuffer(weights).astype(np.float32)
    found.flags.writeable = False
    return found


@functools.lru_cache(maxsize=64)
def _has_gaps(weights: bytes) -> bool:
    return bool(np.any(np.abs(np.frombuffer(weights)) <= EPSILON))


def _is_for_engine(x: Array, out: Array, footprint: Footprint) -> bool:
    if x.dtype != out.dtype or x.dtype not in (np.float32, np.float64):
        return False
    if not all(map(operator.le, footprint.weights.shape, x.shape)):
        return False
    # Zero times infinity: SciPy leaves out what has no weight.
    return not footprint.has_gaps or is_within(x, math.inf if x.dtype == np.float64 else 3.5e38, chosen_isa(), get_num_threads())


def _is_for_sums(x: Array, out: Array, footprint: Footprint) -> bool:
    if any(array.dtype.kind not in "iu" or array.dtype.itemsize > 2 for array in (x, out)) or not out.flags.c_contiguous:
        return False
    fits = all(size <= n for size, n in zip(footprint.weights.shape, x.shape, strict=True))
    return fits and footprint.weights.size >= MANY_TAPS and math.isfinite(footprint.cval) and _largest_sum(x, footprint) < 2**31


def _largest_sum(x: Array, footprint: Footprint) -> float:
    return float(np.abs(footprint.weights).sum()) * max(2.0 ** (8 * x.itemsize), abs(footprint.cval))


def _by_sums(x: Array, footprint: Footprint, out: Array) -> bool:
    """Whether the engine's sums in float64 tell where SciPy's are cut off; then `out` has them.

    They differ from SciPy's by rounding. Only a sum that is as close to a whole number might be cut off otherwise.
    """
    wide, sums = (new_result(x.shape, np.dtype(np.float64)) for _ in range(2))
    np.copyto(wide, x)
    _by_engine(wide, footprint, sums, "default")
    distance = ROUNDING * footprint.weights.size * _largest_sum(x, footprint)
    are_whole = distance < 0.25 and bool(np.all(footprint.weights == np.rint(footprint.weights))) and footprint.cval == int(footprint.cval)
    if are_whole:
        np.rint(sums, out=sums)
    is_close = cut_off(sums, out, distance, chosen_isa(), get_num_threads())
    return are_whole or not is_close


def _by_engine(x: Array, footprint: Footprint, out: Array, accuracy: str) -> None:
    sizes, before, mode = footprint.weights.shape, footprint.before, footprint.mode
    if mode == "zeros" and not footprint.pads_zeros:
        sides = [(b, size - 1 - b) for b, size in zip(before, sizes, strict=True)]
        x = np.pad(x, sides, constant_values=footprint.cval)
        before = ()
    way = _way(sizes, before, mode)
    weight = footprint.weights_in(x.dtype).reshape(way.spec.weight_shape)
    batch, result = way.batched(x), way.batched(out)
    if not way.apart or np.may_share_memory(result, out):
        kind = ("ndimage", way.spec.kernel_size, way.spec.padding, mode, batch.shape, batch.dtype, accuracy)
        if run_again(kind, batch, weight, None, result, way.spec) is None:
            run_conv(way.spec, batch, weight, None, out=result, accuracy=accuracy, kind=kind)
    else:
        result = run_conv(way.spec, batch, weight, None, accuracy=accuracy)
        out.transpose(way.order)[...] = result.reshape(tuple(out.shape[axis] for axis in way.order))


class _Way(NamedTuple):
    """How the engine is to see an array: the axes with one tap `apart`, in front, as samples."""

    order: tuple[int, ...]
    apart: int
    spec: ConvSpec

    def batched(self, x: Array) -> Array:
        """As (N, 1, *size)."""
        if not self.apart:
            return x[None, None]
        x = x.transpose(self.order)
        return x.reshape(math.prod(x.shape[: self.apart]), 1, *x.shape[self.apart :])


@functools.lru_cache(maxsize=256)
def _way(sizes: tuple[int, ...], before: tuple[int, ...], mode: str) -> _Way:
    """Of a kernel of these sizes; without `before` no cell beyond the border is read."""
    spatial = [axis for axis, size in enumerate(sizes) if size > 1] or [len(sizes) - 1]
    apart = [axis for axis in range(len(sizes)) if axis not in spatial]
    padding: Any = tuple((before[axis], sizes[axis] - 1 - before[axis]) for axis in spatial) if before else 0
    kernel_size = tuple(sizes[axis] for axis in spatial)
    return _Way((*apart, *spatial), len(apart), ConvSpec(1, 1, kernel_size, padding=padding, padding_mode=mode, bias=False))


def _tap_by_tap(x: Array, footprint: Footprint, out: Array) -> None:
    missing = (1,) * max(0, 2 - x.ndim)
    before = (0,) * len(missing) + footprint.before
    weights = np.ascontiguousarray(footprint.weights).reshape(missing + footprint.weights.shape)
    filter_footprint(
        x.reshape(missing + x.shape), out.reshape(missing + x.shape), chosen_isa(), get_num_threads(), weights, before,
        (footprint.mode,) * len(before), footprint.cval, _sums_in_double(x, out),
    )  # fmt: skip


def _sums_in_double(x: Array, out: Array) -> bool:
    return out.dtype != np.float32 or not (x.dtype == np.float32 or (x.dtype.kind in "iu" and x.dtype.itemsize <= 2))
