"""Correlation by overlap-save: spectra of blocks times the weights' spectra (SciPy's pocketfft).

`FFTCorrelation` has the face of the compiled `Correlation`. Every task, one sample's run of blocks for a few
groups, is the same sequence of calls on arrays of the same shape, whatever the batch and the number of threads:
so are its bits, although a transform of several rows may round another way than one of a single row.
"""

from __future__ import annotations

import functools
import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from faltung.borders import Image, images
from faltung.engine.arrays import Array, trailing
from faltung.engine.fft_layout import TASK_CELLS, WORTH_THREADS_CYCLES, AxisBlocks, best_layout, memory_limit
from faltung.engine.native import MAX_THREADS, float_state_for_helpers
from faltung.engine.problem import Problem

__all__ = ["FFTCorrelation", "FFTWeight", "keep_freed_memory", "share"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Cells ``start`` to ``start + length - 1`` of a block, read from an axis at ``source`` in steps of 1, -1 or 0."""

    start: int
    length: int
    source: int
    step: int

    @property
    def target(self) -> slice:
        """Where it goes in the block."""
        return slice(self.start, self.start + self.length)

    @property
    def cells(self) -> slice:
        """Where it comes from; a single cell if it is repeated."""
        if self.step == 0:
            return slice(self.source, self.source + 1)
        stop = self.source + self.step * self.length
        return slice(self.source, stop if stop >= 0 else None, self.step)


def _pieces(axis: AxisBlocks, size: int, mode: str) -> tuple[tuple[Piece, ...], ...]:
    """For every block, what it reads; cells that no piece covers are zeros."""
    if axis.blocks == 1 and (axis.tap_origin or axis.origin == 0 == axis.cells - size):
        return ((Piece(0, size, 0, 1),),)
    last = axis.origin + (axis.blocks - 1) * axis.outputs + axis.cells
    runs = sorted(images(size, -axis.origin, last - size, "zeros" if mode == "absent" else mode), key=lambda run: run.start)
    return tuple(tuple(_cut(runs, axis.origin + block * axis.outputs, axis.cells)) for block in range(axis.blocks))


def _cut(runs: Sequence[Image], begin: int, cells: int) -> Iterator[Piece]:
    for run in runs:
        low, high = max(run.start, begin), min(run.start + run.length, begin + cells)
        if low < high:
            yield Piece(low - begin, high - low, run.target + run.step * (low - run.start), run.step)


@dataclass(frozen=True, eq=False)
class FFTWeight:
    """A weight as `FFTCorrelation` reads it.

    Attributes
    ----------
    weight : array (groups, out, in, *kernel)
        What it was made of, not copied.
    spectra : array (groups, out, in, *bins)
        Conjugated.
    sums, largest : array (groups, out)
        Of magnitudes: the sum over channels and taps, and the sum over channels of the largest of all taps.
    """

    weight: Array
    spectra: Array
    sums: Array
    largest: Array

    @property
    def nbytes(self) -> int:
        """Bytes of the spectra."""
        return int(self.spectra.nbytes)


class FFTCorrelation:
    """A correlation of stride 1 by the fast Fourier transform.

    Finite inputs and weights only: an infinite one would spoil its whole block. Immutable and safe to share between threads.

    Parameters
    ----------
    problem : Problem
        Of stride 1. Mode ``"absent"`` is computed as ``"zeros"``, the same for finite weights.
    dtype : {"float32", "float64"}

    Raises
    ------
    ValueError
        `fft_cost.refusal` says why.

    Examples
    --------
    >>> problem = Problem(1, 1, 1, (5,), (3,), (3,), (1,), (1,), (0,), "zeros")
    >>> kernel = FFTCorrelation(problem, "float64")
    >>> weight = kernel.pack(np.array([1.0, 0.0, 2.0]).reshape(1, 1, 1, 3))
    >>> y = np.empty((1, 1, 1, 3))
    >>> kernel.run(np.arange(5.0).reshape(1, 1, 1, 5), weight, None, y, False, 1)
    >>> y.round(12).ravel()
    array([ 4.,  7., 10.])
    """

    def __init__(self, problem: Problem, dtype: str) -> None:
        layout = best_layout(problem, dtype)
        if layout is None or any(stride != 1 for stride in problem.stride):
            raise ValueError(f"the Fourier transform does not serve {problem} in {dtype}")
        self.problem = problem
        self.layout = layout
        self._real = np.dtype(dtype)
        self._complex = np.dtype(np.complex64 if dtype == "float32" else np.complex128)
        self._pieces = tuple(_pieces(axis, size, problem.mode) for axis, size in zip(layout.axes, problem.in_size, strict=True))
        self._tasks = tuple(self._sample_tasks())
        self._cycles = layout.running_cycles()
        self._most_workers = max(1, memory_limit(problem, dtype) // layout.task_bytes)
        keep_freed_memory()

    @property
    def packed_bytes(self) -> int:
        """Bytes of the packed weights."""
        return self.layout.packed_bytes

    def workspace_bytes(self, threads: int) -> int:
        """Scratch memory of one call, without packed weights."""
        return self._workers(threads) * self.layout.task_bytes

    def _workers(self, threads: int) -> int:
        """So many threads at most that their scratch stays within the limit."""
        return min(threads, self._most_workers)

    # -- weights ---------------------------------------------------------------------------------

    def pack(self, weight: Array, threads: int = 1, borrows: bool = False) -> FFTWeight:
        """Conjugated spectra of `weight` (groups, out, in, *kernel), any strides, in correlation order."""
        del borrows  # spectra are made anew
        problem, layout = self.problem, self.layout
        groups, outs, ins = weight.shape[:3]
        at_once = max(1, TASK_CELLS // layout.bins)
        spectra, sums = np.empty((groups, outs, ins, *layout.spectrum), self._complex), np.empty((2, groups * outs * ins))
        kernels, rows = weight.reshape(-1, *problem.kernel_size), spectra.reshape(-1, *layout.spectrum)
        taps = tuple(range(1, kernels.ndim))

        def transform(part: slice) -> None:
            np.conjugate(self._spectra_of(kernels[part]), out=rows[part])
            magnitudes = np.abs(kernels[part])
            sums[0, part], sums[1, part] = magnitudes.sum(axis=taps), magnitudes.max(axis=taps)

        share(transform, _runs(len(kernels), at_once), self._workers(threads), layout.packing_cycles())
        return FFTWeight(weight, spectra, *sums.reshape(2, groups, outs, ins).sum(axis=-1))

    def _spectra_of(self, kernels: Array) -> Array:
        """Transforms of kernels (count, *kernel) put where their taps stand."""
        from scipy import fft

        axes = self.layout.axes
        found: Array = fft.rfft(self._placed(kernels, len(axes) - 1), axis=-1, workers=1)
        for index in reversed(range(len(axes) - 1)):
            found = fft.fft(self._placed(found, index), axis=index + 1, overwrite_x=True, workers=1)
        return found

    def _placed(self, kernels: Array, index: int) -> Array:
        """The taps along one axis put at their places on the circle of the transform; those that meet are added."""
        axis, dilation, taps = self.layout.axes[index], self.problem.dilation[index], kernels.shape[index + 1]
        shape = list(kernels.shape)
        shape[index + 1] = axis.transform
        placed = np.zeros(shape, kernels.dtype)
        into, source = np.moveaxis(placed, index + 1, -1), np.moveaxis(kernels, index + 1, -1)
        tap = 0
        while tap < taps:
            place = (axis.tap_origin + tap * dilation) % axis.transform
            count = min(taps - tap, (axis.transform - 1 - place) // dilation + 1)
            into[..., place : place + (count - 1) * dilation + 1 : dilation] += source[..., tap : tap + count]
            tap += count
        return placed

    # -- running ---------------------------------------------------------------------------------

    def _sample_tasks(self) -> Iterator[tuple[slice, slice, tuple[int, ...], slice]]:
        """Of one sample: groups, output channels, block along each outer axis, run of blocks along the last."""
        problem, layout = self.problem, self.layout
        *outer, last = layout.axes
        yield from itertools.product(
            _runs(problem.groups, layout.groups_at_once),
            _runs(problem.out_channels, layout.out_per_task),
            itertools.product(*(range(axis.blocks) for axis in outer)),
            _runs(last.blocks, layout.blocks_at_once),
        )

    def run(self, x: Array, packed: FFTWeight, bias: Array | None, y: Array, accumulate: bool, threads: int) -> None:
        """Write to y, or add to it where `accumulate`."""
        if y.size == 0:
            return
        offsets = None if bias is None else bias.reshape(y.shape[1:3])
        tasks = itertools.product(range(y.shape[0]), self._tasks)
        work = functools.partial(self._run_task, x, packed.spectra, offsets, y, accumulate)
        share(work, tasks, self._workers(threads), y.shape[0] * self._cycles)

    def _run_task(self, x: Array, weight: Array, bias: Array | None, y: Array, accumulate: bool, task: tuple[int, Any]) -> None:
        from scipy import fft

        sample, (groups, outs, outer, run) = task
        axes = self.layout.axes
        spectra = fft.rfft(self._gathered(x[sample, groups], outer, run), axis=-1, workers=1)
        for axis in reversed(range(len(axes) - 1)):
            spectra = fft.fft(spectra, axes[axis].transform, axis=axis + 3, overwrite_x=True, workers=1)
        for out in _runs(outs.stop - outs.start, self.layout.out_at_once):
            channels = slice(outs.start + out.start, outs.start + out.stop)
            product = _product(spectra, weight[groups, channels])
            for axis in range(len(axes) - 1):
                product = fft.ifft(product, axis=axis + 3, overwrite_x=True, workers=1)
                product = product[(slice(None),) * (axis + 3) + (slice(axes[axis].outputs),)]
            result = fft.irfft(product, axes[-1].transform, axis=-1, overwrite_x=True, workers=1)
            del product
            self._store(result, None if bias is None else bias[groups, channels], y[sample, groups, channels], accumulate, outer, run)

    def _gathered(self, x: Array, outer: tuple[int, ...], run: slice) -> Array:
        """Blocks (groups, in, blocks, *cells, last transform) of one sample's x (groups, in, *in_size)."""
        *before, last = self.layout.axes
        shape = (*x.shape[:2], self.layout.padded(run.stop - run.start), *(axis.cells for axis in before), last.transform)
        pieces = [self._pieces[axis][block] for axis, block in enumerate(outer)]
        begin = last.origin + run.start * last.outputs
        is_inside = begin >= 0 and begin + (shape[2] - 1) * last.outputs + last.transform <= x.shape[-1]
        if is_inside and all(_is_whole(some, axis.cells) for some, axis in zip(pieces, before, strict=True)):
            # What is read past the cells that count spoils only outputs that nobody reads.
            return _windows(x[trailing((*(some[0].cells for some in pieces), slice(begin, None)))], shape[2], last.outputs, last.transform)
        buffer = np.zeros(shape, self._real)
        for combination in itertools.product(*pieces):
            source = x[(slice(None), slice(None), *(piece.cells for piece in combination))]
            target = buffer[(slice(None), slice(None), slice(None), *(piece.target for piece in combination))]
            self._gather_rows(source, target, run)
        return buffer

    def _gather_rows(self, source: Array, target: Array, run: slice) -> None:
        """Along the last axis; consecutive blocks that lie inside the input are copied together."""
        last, pieces = self.layout.axes[-1], self._pieces[-1]
        block = run.start
        while block < run.stop:
            first, inside = pieces[block][0] if pieces[block] else None, block
            # Of a wrapped border too, but there the next block may begin anew.
            while first and inside < run.stop and _is_whole(pieces[inside], last.cells):
                if pieces[inside][0].source != first.source + (inside - block) * last.outputs:
                    break
                inside += 1
            if first and inside > block:
                windows = _windows(source[..., first.source :], inside - block, last.outputs, last.cells)
                target[:, :, block - run.start : inside - run.start, ..., : last.cells] = windows
                block = inside
                continue
            for piece in pieces[block]:
                target[:, :, block - run.start, ..., piece.target] = source[..., piece.cells]
            block += 1

    def _store(self, result: Array, bias: Array | None, y: Array, accumulate: bool, outer: tuple[int, ...], run: slice) -> None:
        """Write blocks (groups, out, blocks, *outputs, last transform) where they belong in y (groups, out, *out_size)."""
        *before, last = self.layout.axes
        if bias is not None:
            result += bias.reshape(*bias.shape, *(1,) * (result.ndim - 2))
        places = [
            slice(block * axis.outputs, min((block + 1) * axis.outputs, size))
            for block, axis, size in zip(outer, before, self.problem.out_size, strict=False)
        ]
        target = y[(slice(None), slice(None), *places)]
        result = result[(slice(None), slice(None), slice(None), *(slice(place.stop - place.start) for place in places))]
        full = min(run.stop, self.problem.out_size[-1] // last.outputs)
        first = run.start * last.outputs
        if full > run.start:
            view = _windows(target[..., first:], full - run.start, last.outputs, last.outputs)
            _write(view, result[:, :, : full - run.start, ..., : last.outputs], accumulate)
        if full < run.stop:
            rest = target[..., full * last.outputs :]
            _write(rest, result[:, :, full - run.start, ..., : rest.shape[-1]], accumulate)


def _is_whole(pieces: tuple[Piece, ...], cells: int) -> bool:
    """Whether a block reads consecutive cells inside the input."""
    return len(pieces) == 1 and pieces[0].length == cells and pieces[0].step == 1


def _windows(rows: Array, count: int, step: int, cells: int) -> Array:
    """``rows`` (a, b, ..., last) as a view (a, b, count, ..., cells): windows along the last axis, `step` apart."""
    shape = (*rows.shape[:2], count, *rows.shape[2:-1], cells)
    return as_strided(rows, shape, (*rows.strides[:2], step * rows.strides[-1], *rows.strides[2:]))


def _product(spectra: Array, weight: Array) -> Array:
    """Summed over channels: (groups, in, blocks, *bins) times (groups, out, in, *bins)."""
    if weight.shape[1] == weight.shape[2] == 1:
        return np.multiply(spectra, weight, out=spectra)
    total = spectra[:, :1] * weight[:, :, 0, None]
    term = np.empty_like(total) if weight.shape[2] > 1 else total
    for channel in range(1, weight.shape[2]):
        np.multiply(spectra[:, channel, None], weight[:, :, channel, None], out=term)
        total += term
    return total


def _write(target: Array, result: Array, accumulate: bool) -> None:
    if accumulate:
        target += result
    else:
        target[...] = result


def _runs(count: int, at_once: int) -> list[slice]:
    return [slice(start, min(start + at_once, count)) for start in range(0, count, at_once)]


def share(work: Callable[[Any], None], tasks: Iterable[Any], threads: int, cycles: float) -> None:
    """Do every task, on so many threads, the calling one included, if the work is worth beginning them."""
    from scipy.fft import set_backend

    waiting = deque(tasks)
    threads = min(threads, len(waiting), max(1, math.ceil(cycles / WORTH_THREADS_CYCLES)))
    as_caller = float_state_for_helpers()

    def serve() -> None:
        # A thread begins with NumPy's default, which warns, and without the backend that its caller may have set.
        with np.errstate(all="ignore"), set_backend("scipy", only=True), as_caller():
            while True:
                try:
                    task = waiting.popleft()
                except IndexError:
                    return
                work(task)

    # The caller takes tasks at once, however long its helpers need to wake; those that never began are called off.
    helpers = [_helpers().submit(serve) for _ in range(threads - 1)]
    try:
        serve()
    finally:
        waiting.clear()
        begun = [helper for helper in helpers if not helper.cancel()]
        wait(begun)
    for helper in begun:
        helper.result()


@functools.cache
def keep_freed_memory() -> None:
    """Let glibc keep what is freed, up to some MiB: transforms allocate their results, and new pages cost more than the transform.

    The largest block that was ever given back sets from where on blocks are mapped anew each time. Of 32 MiB at most.
    """
    np.empty(2**25 - 2**13, np.uint8)


@functools.cache
def _helpers() -> ThreadPoolExecutor:
    """Threads that wait for work; as many as the busiest call asked for."""
    return ThreadPoolExecutor(MAX_THREADS, "faltung-fft")


if hasattr(os, "register_at_fork"):  # a forked child has none of its parent's threads
    os.register_at_fork(after_in_child=_helpers.cache_clear)
