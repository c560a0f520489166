"""Convolution by products of spectra along any axes, the others broadcast, in real or complex numbers (SciPy's pocketfft).

The longest axis is cut into blocks that overlap by the kernel's length (overlap-save), so that a block's transforms stay in the caches
and threads have blocks to share; the kernel is transformed once. How an array is cut follows from shapes and dtype alone, so its bits do
not depend on the number of threads.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from faltung.engine.arrays import Array, new_array
from faltung.engine.fft import keep_freed_memory, share
from faltung.engine.native import get_num_threads
from faltung.signal.long_rows import LONG, long_convolution
from faltung.signal.placing import Part, Shape

__all__ = ["cycles_along", "spectral_sums"]

TASK_CELLS = 2**16
"""Cells that one task transforms together, so that their spectra stay in L2."""

# Cycles at a nominal 3 GHz for a cell of one transform there and back with its product, measured on a Zen 4 core.
CELL = {"f": 27.0, "d": 45.0, "F": 45.0, "D": 85.0}
CALL = 60000.0


@dataclass(frozen=True, slots=True)
class Blocks:
    """How one axis is cut: `count` blocks of `transform` cells, each of which gives `outputs`."""

    transform: int
    outputs: int
    count: int
    cost: float


@functools.lru_cache(maxsize=1024)
def best_blocks(part: Part, cells: int, taps: int, rows: int, is_real: bool) -> Blocks:
    """The cheapest way to cut one axis, in transformed cells weighted by the logarithm of the transform's length."""
    whole = max(cells, taps, cells + taps - 1 - part.start, part.start + part.size)
    whole = _good(whole, is_real)
    weight = 1.6 if rows == 1 and whole >= LONG else _weight(whole)
    best = Blocks(whole, part.size, 1, 1.5 * whole * weight + 4096 if rows == 1 else (1 + 0.5 / rows) * whole * weight)
    for log in range(4, 24):
        for size in (2**log, 3 * 2 ** (log - 1)):
            outputs = size - taps + 1
            if outputs < 1 or size >= whole or outputs >= part.size:
                continue
            count = -(-part.size // outputs)
            # Blocks as equal as possible waste least in the last one.
            size = min(size, _good(-(-part.size // count) + taps - 1, is_real))
            outputs = size - taps + 1
            cost = (count + 0.5 / rows) * size * _weight(size)
            if cost < best.cost:
                best = Blocks(size, outputs, count, cost)
    return best


def _weight(size: int) -> float:
    """What a cell of a transform costs over one of 4096 cells; long ones leave the inner caches."""
    log = math.log2(size)
    return (log + 6) / 18 * (1 + 0.3 * max(0.0, log - 15))


@functools.lru_cache(maxsize=4096)
def _good(size: int, is_real: bool) -> int:
    """A length of at least `size` with small prime factors."""
    from scipy.fft import next_fast_len

    return int(next_fast_len(size, is_real))


def cycles_along(axes: Shape, parts: tuple[Part, ...], cells: Shape, taps: Shape, dtype: np.dtype[Any]) -> float:
    """Estimated for transforms along `axes` of one kernel and an array that may have other axes too, on one core."""
    rows = math.prod(part.size for axis, part in enumerate(parts) if axis not in axes)
    if len(axes) == 1:
        (axis,) = axes
        blocks = best_blocks(parts[axis], max(cells[axis], taps[axis]), min(cells[axis], taps[axis]), rows, dtype.kind == "f")
        return rows * blocks.cost * CELL[dtype.char] + CALL
    some = tuple(parts[axis] for axis in axes)
    sizes = _sizes(some, tuple(cells[axis] for axis in axes), tuple(taps[axis] for axis in axes), dtype)
    return rows * 2.2 * CELL[dtype.char] * math.prod(sizes) * max(1.0, _weight(max(sizes))) + CALL


def spectral_sums(x: Array, h: Array, axes: Shape, parts: tuple[Part, ...], dtype: np.dtype[Any]) -> Array:
    """Parts of the full convolution along `axes`; the other axes are broadcast.

    Parameters
    ----------
    x, h : array
        Of as many axes; none of size 0. Whatever casts to `dtype`.
    axes : tuple of int
        Ascending, at least one.
    parts : tuple of Part
        One for each of `axes`.
    dtype : dtype
        float32, float64, complex64 or complex128.
    """
    keep_freed_memory()
    if len(axes) == 1:
        return _along_one(x, h, axes[0], parts[0], dtype)
    return _along_several(x, h, axes, parts, dtype)


def _along_one(x: Array, h: Array, axis: int, part: Part, dtype: np.dtype[Any]) -> Array:
    """Rows are transformed several at a time, which pocketfft takes through vectors together."""
    x, h = np.moveaxis(x, axis, -1), np.moveaxis(h, axis, -1)
    if h.shape[-1] > x.shape[-1]:
        x, h = h, x
    batch = np.broadcast_shapes(x.shape[:-1], h.shape[:-1])
    rows = math.prod(batch)
    transforms = _transforms(dtype)
    blocks = best_blocks(part, x.shape[-1], h.shape[-1], max(1, rows // math.prod(h.shape[:-1])), dtype.kind == "f")
    result = new_array("the result", (*batch, part.size), dtype)
    if blocks.count == 1 and rows == 1:
        rows_of_one = x.reshape(-1), h.reshape(-1), part, blocks.transform, result.reshape(-1)
        if blocks.transform >= LONG:
            long_convolution(*rows_of_one)
        else:
            _whole(*rows_of_one, transforms)
        return np.moveaxis(result, -1, axis)
    spectrum = transforms.forward(h.astype(dtype, copy=False), blocks.transform, workers=get_num_threads())
    windows = _windows(x, part, h.shape[-1], blocks, dtype)
    spectrum = np.broadcast_to(spectrum, (*batch, spectrum.shape[-1]))
    windows = np.broadcast_to(windows, (*batch, *windows.shape[-2:]))
    first = part.start if blocks.count == 1 else h.shape[-1] - 1

    def work(task: tuple[tuple[slice, ...], slice]) -> None:
        place, run = task
        product = transforms.forward(windows[(*place, run)], blocks.transform, workers=1)
        product *= spectrum[place][..., None, :]
        back = transforms.backward(product, blocks.transform, overwrite_x=True, workers=1)[..., first : first + blocks.outputs]
        target = result[place]
        begin, end = run.start * blocks.outputs, min(run.stop * blocks.outputs, part.size)
        full = (end - begin) // blocks.outputs
        inside = target[..., begin : begin + full * blocks.outputs]
        inside.reshape(*inside.shape[:-1], full, blocks.outputs)[...] = back[..., :full, :]
        if begin + full * blocks.outputs < end:
            rest = target[..., begin + full * blocks.outputs : end]
            rest[...] = back[..., full, : rest.shape[-1]]

    share(work, _tasks(batch, blocks), get_num_threads(), rows * blocks.cost * CELL[dtype.char])
    return np.moveaxis(result, -1, axis)


def _tasks(batch: Shape, blocks: Blocks) -> list[tuple[tuple[slice, ...], slice]]:
    """Some `TASK_CELLS` each: blocks of one row, or all blocks of several rows along the last axis of the batch that has any."""
    at_once = max(1, TASK_CELLS // blocks.transform)
    if blocks.count >= at_once or not batch:
        at_once = max(at_once, 4)
        if math.prod(batch) == 1:
            at_once = min(at_once, max(1, blocks.count // 4))
        runs = [slice(begin, min(begin + at_once, blocks.count)) for begin in range(0, blocks.count, at_once)]
        return [(tuple(slice(each, each + 1) for each in place), run) for place in np.ndindex(*batch) for run in runs]
    together = max(1, at_once // blocks.count)
    last = batch[-1]
    return [
        ((*(slice(each, each + 1) for each in place), slice(begin, min(begin + together, last))), slice(0, blocks.count))
        for place in np.ndindex(*batch[:-1])
        for begin in range(0, last, together)
    ]


def _windows(x: Array, part: Part, taps: int, blocks: Blocks, dtype: np.dtype[Any]) -> Array:
    """Rows (..., count, transform) that overlap in memory: what each block reads, zeros beyond the ends of x.

    A single block holds x from its first cell on, and its outputs lie where they do in the full convolution.
    """
    lead = 0 if blocks.count == 1 else taps - 1 - part.start
    cells = (blocks.count - 1) * blocks.outputs + blocks.transform
    skipped, lead = max(0, -lead), max(0, lead)
    count = min(x.shape[-1] - skipped, cells - lead)
    if x.dtype == dtype and x.dtype.isnative and lead == 0 and count == cells:
        padded = x[..., skipped : skipped + cells]
    else:
        padded = new_array("a padded copy", (*x.shape[:-1], cells), dtype, zeros=True)
        padded[..., lead : lead + count] = x[..., skipped : skipped + count]
    step = padded.strides[-1]
    return as_strided(padded, (*padded.shape[:-1], blocks.count, blocks.transform), (*padded.strides[:-1], blocks.outputs * step, step))


def _whole(x: Array, h: Array, part: Part, size: int, result: Array, transforms: _Transforms) -> None:
    """One row in one transform; both arrays are transformed at the same time."""
    spectra: list[Array | None] = [None, None]

    def work(side: int) -> None:
        spectra[side] = transforms.forward((x, h)[side].astype(result.dtype, copy=False), size, workers=1)

    share(work, [0, 1], get_num_threads(), size * CELL[result.dtype.char])
    product, other = spectra
    assert product is not None
    assert other is not None
    product *= other
    result[...] = transforms.backward(product, size, overwrite_x=True, workers=1)[part.start : part.start + part.size]


def _along_several(x: Array, h: Array, axes: Shape, parts: tuple[Part, ...], dtype: np.dtype[Any]) -> Array:
    """Rows along the last axis first; then, for some of their bins at a time, which stay in the caches, both arrays along the others.

    Rows of zeros are not transformed, and only those of the result are transformed back.
    """
    *outer, last = axes
    *outer_parts, last_part = parts
    sizes = _sizes(parts, tuple(x.shape[axis] for axis in axes), tuple(h.shape[axis] for axis in axes), dtype)
    transforms, threads = _transforms(dtype), get_num_threads()
    first, second = (transforms.forward(array.astype(dtype, copy=False), sizes[-1], axis=last, workers=threads) for array in (x, h))
    shape = list(np.broadcast_shapes(*(tuple(1 if axis in axes else size for axis, size in enumerate(each.shape)) for each in (x, h))))
    rows = math.prod(shape)
    for axis, part in zip(outer, outer_parts, strict=True):
        shape[axis] = part.size
    shape[last] = first.shape[last]
    middle = new_array("the spectrum", tuple(shape), first.dtype)
    kept = [slice(None)] * x.ndim
    for axis, part in zip(outer, outer_parts, strict=True):
        kept[axis] = slice(part.start, part.start + part.size)

    def work(slab: tuple[slice, ...]) -> None:
        product, factor = (transforms.along(each[_of_slab(each, slab)], sizes[:-1], axes=outer, workers=1) for each in (first, second))
        is_whole = product.shape == np.broadcast_shapes(product.shape, factor.shape)
        product = np.multiply(product, factor, out=product if is_whole else None)
        middle[slab] = transforms.back_along(product, sizes[:-1], axes=outer, overwrite_x=True, workers=1)[tuple(kept)]

    share(work, _slabs(tuple(shape), axes, math.prod(sizes[:-1])), threads, rows * math.prod(sizes) * CELL[dtype.char])
    back = transforms.backward(middle, sizes[-1], axis=last, overwrite_x=True, workers=threads)
    result: Array = back[(slice(None),) * last + (slice(last_part.start, last_part.start + last_part.size),)]
    return np.ascontiguousarray(result)


def _sizes(parts: tuple[Part, ...], cells: Shape, taps: Shape, dtype: np.dtype[Any]) -> list[int]:
    """Lengths of transforms in which no other output lies on those of `parts`."""
    return [
        _good(max(each, count, each + count - 1 - part.start, part.start + part.size), dtype.kind == "f" and part is parts[-1])
        for part, each, count in zip(parts, cells, taps, strict=True)
    ]


def _of_slab(array: Array, slab: tuple[slice, ...]) -> tuple[slice, ...]:
    """Where a slab of the result lies in an array that may be broadcast."""
    return tuple(slice(None) if size == 1 else part for size, part in zip(array.shape, slab, strict=True))


def _slabs(shape: Shape, axes: Shape, cells: int) -> list[tuple[slice, ...]]:
    """Pieces of some `TASK_CELLS`: some bins of the last of `axes`, and of a batch some along its longest axis."""
    batch = [axis for axis in range(len(shape)) if axis not in axes and shape[axis] > 1]
    long = max(batch, key=lambda axis: shape[axis], default=None)
    cells *= math.prod(shape[axis] for axis in batch if axis != long)
    bins = min(shape[axes[-1]], max(8, TASK_CELLS // cells))
    together = 1 if long is None else max(1, TASK_CELLS // (cells * bins))
    pieces = []
    for begin in range(0, shape[axes[-1]], bins):
        for first in range(0, 1 if long is None else shape[long], together):
            slab = [slice(None)] * len(shape)
            slab[axes[-1]] = slice(begin, begin + bins)
            if long is not None:
                slab[long] = slice(first, first + together)
            pieces.append(tuple(slab))
    return pieces


@dataclass(frozen=True, slots=True)
class _Transforms:
    """The transforms of real or of complex numbers along an axis, and of complex ones along several."""

    forward: Any
    backward: Any
    along: Any
    back_along: Any


@functools.cache
def _transforms(dtype: np.dtype[Any]) -> _Transforms:
    from scipy import fft

    if dtype.kind == "f":
        return _Transforms(fft.rfft, fft.irfft, fft.fftn, fft.ifftn)
    return _Transforms(fft.fft, fft.ifft, fft.fftn, fft.ifftn)
