"""What one task does: cells put together, continued beyond the border, convolved, and added up.

Owns the convolution of one part. All positions were worked out before, by `faltung.parts`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from faltung.dask.gathering import assembled
from faltung.dask.threads import engine_threads
from faltung.engine.arrays import Array, element_types, narrowed
from faltung.engine.native import using_threads
from faltung.engine.run import run_conv
from faltung.parts import Part, Piece, Run
from faltung.spec import ConvSpec

__all__ = ["Job", "Shares", "convolve_part", "laid_out", "spec_of_pieces"]


@dataclass(frozen=True)
class Shares:
    """Which channels of a convolution a task computes.

    Attributes
    ----------
    weight : tuple of slice
        Of the weight's first two axes.
    bias : slice
    kept : slice
        Of the channels computed those that are wanted.
    """

    weight: tuple[slice, slice]
    bias: slice
    kept: slice


@dataclass(frozen=True)
class Job:
    """One task, apart from the arrays.

    Attributes
    ----------
    spec : ConvSpec
        Of the channels that are computed; its padding is replaced by that of each piece.
    grid : tuple of int
        How many blocks there are along each axis.
    parts : tuple of Part
        For each spatial axis.
    shares : Shares
    stored : dtype
        Of the arrays together, after promotion.
    accuracy : str
    threads : int, or None
        None: what `engine_threads` says where the task runs.
    empty : (shape, dtype), or None
        Of the block, where nothing is read.
    is_plain : bool
        Whether the arrays have neither batch nor channels.
    """

    spec: ConvSpec
    grid: tuple[int, ...]
    parts: tuple[Part, ...]
    shares: Shares
    stored: np.dtype[Any]
    accuracy: str
    threads: int | None
    empty: tuple[tuple[int, ...], np.dtype[Any]] | None = None
    is_plain: bool = False


def spec_of_pieces(spec: ConvSpec, pieces: tuple[Piece, ...], *, bias: bool) -> ConvSpec:
    """`spec` for one piece of each axis: with the padding that is theirs."""
    return _spec_of(spec, tuple(piece.padding for piece in pieces), bias)


@functools.lru_cache(maxsize=1024)
def _spec_of(spec: ConvSpec, padding: tuple[tuple[int, int], ...], bias: bool) -> ConvSpec:
    return ConvSpec(**(spec.to_dict() | {"padding": padding, "padding_mode": "zeros", "output_padding": 0, "bias": bias}))


def convolve_part(job: Job, weight: Array, bias: Array | None, *blocks: Array) -> Array:
    """The outputs of one part.

    Parameters
    ----------
    job : Job
    weight, bias : array
        Of the whole convolution.
    *blocks : array
        What is read, as `Gathering.refs` lists it.
    """
    block = np.empty(*job.empty) if job.empty else assembled(job.grid, blocks)
    block = laid_out(block, tuple(part.runs for part in job.parts))
    if job.is_plain:
        block = block[None]
    combinations = list(itertools.product(*(part.pieces for part in job.parts)))
    with using_threads(job.threads or engine_threads()):
        if len(combinations) == 1:
            result = _piece(job, combinations[0], block, weight, bias)
        else:
            result = _folded(job, combinations, block, weight, bias)
    if job.is_plain:
        return result.reshape(result.shape[1:])
    kept: Any = (*(slice(None),) * (result.ndim - job.spec.ndim - 1), job.shares.kept)
    wanted = result[kept]
    return result if wanted.shape == result.shape else wanted.copy()


def laid_out(block: Array, runs: tuple[tuple[Run, ...], ...]) -> Array:
    """A block whose last axes are continued as `runs` say; an axis without any stays as it is.

    >>> laid_out(np.array([1, 2, 3]), ((Run(1, 2, -1), Run(0, 3, 1), Run(2, 2, 0)),))
    array([2, 1, 1, 2, 3, 3, 3])
    """
    first = block.ndim - len(runs)
    for axis, along in enumerate(runs, first):
        if along:
            cells = np.concatenate([run.start + run.step * np.arange(run.length) for run in along])
            block = block.take(cells, axis=axis)
    return block


def _piece(job: Job, pieces: tuple[Piece, ...], block: Array, weight: Array, bias: Array | None) -> Array:
    spec = spec_of_pieces(job.spec, pieces, bias=bias is not None)
    place: Any = (..., *(slice(piece.cells.start, piece.cells.stop) for piece in pieces))
    offset = None if bias is None else bias[job.shares.bias]
    return run_conv(spec, block[place], weight[job.shares.weight], offset, accuracy=job.accuracy)


# -- transposed, with a border that folds back -------------------------------------------------------


def _folded(job: Job, combinations: list[tuple[Piece, ...]], block: Array, weight: Array, bias: Array | None) -> Array:
    """The sum of all pieces, in the engine's order; half precision is summed before it is rounded."""
    types = element_types(job.stored)
    if types.is_half:
        wide = np.dtype(np.float32)
        offset = None if bias is None else bias.astype(wide)
        sums = _folded(replace(job, stored=wide), combinations, block.astype(wide), weight.astype(wide), offset)
        narrow = np.empty(sums.shape, types.result)
        narrowed(sums, narrow)
        return narrow
    block, weight = block.astype(types.stored, copy=False), weight.astype(types.stored, copy=False)  # as where there is a bias
    result = _piece(job, combinations[0], block, weight, bias)
    for pieces in combinations[1:]:
        stamped = _piece(job, pieces, block, weight, None)
        with np.errstate(all="ignore"):  # as in the engine
            for source, target in _folds(pieces):
                result[target] += stamped[source]
    return result


def _folds(pieces: tuple[Piece, ...]) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Which cells of a piece are added where; cells that go to one output are added one after the other."""
    choices: list[list[tuple[slice, slice]]] = []
    for target in (piece.target for piece in pieces):
        if target.step == 0:
            choices.append([(slice(j, j + 1), slice(target.start, target.start + 1)) for j in range(target.length)])
        else:
            choices.append([(slice(None, None, target.step), slice(target.span.start, target.span.stop))])
    for combination in itertools.product(*choices):
        sources, targets = zip(*combination, strict=True)
        yield (..., *sources), (..., *targets)
