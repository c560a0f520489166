"""Convolution by products of spectra along any axes, the others broadcast, in real or complex numbers (SciPy's pocketfft).

The longest axis is cut into blocks that overlap by the kernel's length (overlap-save), so that a block's transforms stay in the caches
and threads have blocks to share; the kernel is transformed once. How an array is cut follows from shapes and dtype alone, so its bits do
not depend on the number of threads.
"""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from faltung.engine.arrays import Array, new_array
from faltung.engine.fft import share
from faltung.engine.native import get_num_threads
from faltung.signal.placing import Part, Shape

__all__ = ["cycles", "spectral_sums"]

TASK_CELLS = 2**16
"""Cells that one task transforms together, so that their spectra stay in L2."""

# Cycles at a nominal 3 GHz for a cell of one transform there and back with its product, measured on a Zen 4 core.
CELL = {"f": 15.0, "d": 28.0, "F": 26.0, "D": 50.0}
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
    best = Blocks(whole, part.size, 1, (whole + whole / rows) * _weight(whole) + 4096)
    for log in range(4, 24):
        for size in (2**log, 3 * 2 ** (log - 1)):
            outputs = size - taps + 1
            if outputs < 1 or size >= whole or outputs >= part.size:
                continue
            count = -(-part.size // outputs)
            # Blocks as equal as possible waste least in the last one.
            size = min(size, _good(-(-part.size // count) + taps - 1, is_real))
            outputs = size - taps + 1
            cost = (count + 1 / rows) * size * _weight(size)
            if cost < best.cost:
                best = Blocks(size, outputs, count, cost)
    return best


def _weight(size: int) -> float:
    """What a cell of a transform costs over one of 4096 cells; long ones leave the inner caches."""
    log = math.log2(size)
    return (log + 6) / 18 * (1 + 0.06 * max(0.0, log - 14))


@functools.lru_cache(maxsize=4096)
def _good(size: int, is_real: bool) -> int:
    """A length of at least `size` with small prime factors."""
    from scipy.fft import next_fast_len

    return int(next_fast_len(size, is_real))


def cycles(part: Part, cells: int, taps: int, dtype: np.dtype[Any]) -> float:
    """Estimated for one axis, on one core."""
    return best_blocks(part, cells, taps, 1, dtype.kind == "f").cost * CELL[dtype.char] + CALL


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
        _whole(x, h, part, blocks.transform, result, transforms, dtype)
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


def _whole(x: Array, h: Array, part: Part, size: int, result: Array, transforms: _Transforms, dtype: np.dtype[Any]) -> None:
    """One row in one transform; both arrays are transformed at the same time."""
    spectra: list[Array | None] = [None, None]

    def work(side: int) -> None:
        spectra[side] = transforms.forward((x, h)[side].astype(dtype, copy=False), size, workers=1)

    share(work, [0, 1], get_num_threads(), size * CELL[dtype.char])
    product, other = spectra
    assert product is not None
    assert other is not None
    product *= other
    result[...] = transforms.backward(product, size, overwrite_x=True, workers=1)[..., part.start : part.start + part.size]


def _along_several(x: Array, h: Array, axes: Shape, parts: tuple[Part, ...], dtype: np.dtype[Any]) -> Array:
    """Blocks along the longest axis, whole transforms along the others."""
    is_real = dtype.kind == "f"
    if math.prod(x.shape[axis] for axis in axes) < math.prod(h.shape[axis] for axis in axes):
        x, h = h, x
    rows = math.prod(np.broadcast_shapes(*(tuple(1 if axis in axes else size for axis, size in enumerate(a.shape)) for a in (x, h))))
    sizes = [
        _good(max(cells, taps, cells + taps - 1 - part.start, part.start + part.size), is_real)
        for cells, taps, part in ((x.shape[axis], h.shape[axis], part) for axis, part in zip(axes, parts, strict=True))
    ]
    long = max(range(len(axes) - 1), key=lambda index: x.shape[axes[index]])  # the last one is that of the real transform
    axis, part = axes[long], parts[long]
    taps = h.shape[axis]
    blocks = best_blocks(part, x.shape[axis], taps, 1, is_real=False)
    if taps > x.shape[axis] or 2 * blocks.transform > sizes[long]:
        blocks = Blocks(sizes[long], part.size, 1, 0.0)
    sizes[long] = blocks.transform
    transforms = _transforms(dtype)
    threads = get_num_threads()
    spectrum = transforms.forward_along(h.astype(dtype, copy=False), sizes, axes=axes, workers=threads)
    shape = list(np.broadcast_shapes(*(tuple(1 if index in axes else size for index, size in enumerate(a.shape)) for a in (x, h))))
    for index, each in zip(axes, parts, strict=True):
        shape[index] = each.size
    result = new_array("the result", tuple(shape), dtype)
    slabs, batch_axis = _slabs(x, result, axes, sizes)
    is_alone = blocks.count * len(slabs) == 1

    def work(task: tuple[slice, int]) -> None:
        slab, block = task
        begin = block * blocks.outputs
        size = min(blocks.outputs, part.size - begin)
        first = part.start + begin - taps + 1 if blocks.count > 1 else 0
        read, kept, source, factor = [slice(None)] * x.ndim, [slice(None)] * x.ndim, x, spectrum
        if batch_axis is not None:
            source = source if source.shape[batch_axis] == 1 else source[(slice(None),) * batch_axis + (slab,)]
            factor = factor if factor.shape[batch_axis] == 1 else factor[(slice(None),) * batch_axis + (slab,)]
        from_cell = max(0, first)
        read[axis] = slice(from_cell, min(x.shape[axis], first + blocks.transform) if blocks.count > 1 else None)
        workers = threads if is_alone else 1
        product = transforms.forward_along(source[tuple(read)].astype(dtype, copy=False), sizes, axes=axes, workers=workers)
        product = np.multiply(product, factor, out=product if product.shape == np.broadcast_shapes(product.shape, factor.shape) else None)
        back = transforms.backward_along(product, sizes, axes=axes, overwrite_x=True, workers=workers)
        target = result if batch_axis is None else result[(slice(None),) * batch_axis + (slab,)]
        places = [slice(None)] * x.ndim
        for index, each in zip(axes, parts, strict=True):
            kept[index] = slice(each.start, each.start + each.size)
        kept[axis] = slice(part.start + begin - from_cell, part.start + begin - from_cell + size)
        places[axis] = slice(begin, begin + size)
        target[tuple(places)] = back[tuple(kept)]

    tasks = list(itertools.product(slabs, range(blocks.count)))
    share(work, tasks, threads, rows * math.prod(sizes) * blocks.count * CELL[dtype.char])
    return result


def _slabs(x: Array, result: Array, axes: Shape, sizes: list[int]) -> tuple[list[slice], int | None]:
    """The longest axis of the batch in pieces of at most some `TASK_CELLS`, and which it is; none if there is no batch."""
    others = [axis for axis in range(x.ndim) if axis not in axes and result.shape[axis] > 1]
    if not others:
        return [slice(None)], None
    axis = max(others, key=lambda index: result.shape[index])
    row = math.prod(sizes) * math.prod(result.shape[index] for index in others if index != axis)
    at_once = max(1, TASK_CELLS // row)
    return [slice(begin, begin + at_once) for begin in range(0, result.shape[axis], at_once)], axis


@dataclass(frozen=True, slots=True)
class _Transforms:
    """The transforms of real or of complex numbers, along the last axis and along several."""

    forward: Any
    backward: Any
    forward_along: Any
    backward_along: Any


@functools.cache
def _transforms(dtype: np.dtype[Any]) -> _Transforms:
    from scipy import fft

    if dtype.kind == "f":
        return _Transforms(fft.rfft, fft.irfft, fft.rfftn, fft.irfftn)
    return _Transforms(fft.fft, fft.ifft, fft.fftn, fft.ifftn)
