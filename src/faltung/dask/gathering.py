"""The cells that a task reads, fetched from the chunks that hold them: slices as tasks of their own, and blocks put together from them.

Owns the part of the graph in front of the computation. A chunk that is read whole goes to the task as it is; of others only a copy of
the cells that are read, so that a cluster moves strips and nobody holds a chunk for the sake of its edge. Knows nothing of convolution.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from faltung.engine.arrays import Array
from faltung.errors import ConvShapeError
from faltung.extras import optional

__all__ = ["Gathering", "assembled", "check_sizes", "dask_array"]

Cells = tuple[range, ...]
"""Ranges of an axis, rising and apart from each other."""

Fetch = tuple[int, int, int]
"""The number of a chunk, and the first and last + 1 of the cells that are read of it."""


def dask_array() -> Any:
    """The module `dask.array`."""
    return optional("dask.array", extra="dask", purpose="faltung.dask")


def check_sizes(name: str, x: Any) -> None:
    """Raise `ConvShapeError` where dask does not know how large the chunks of `x` are."""
    unknown = [axis for axis, chunks in enumerate(x.chunks) if any(math.isnan(size) for size in chunks)]
    if unknown:
        raise ConvShapeError(
            f"{name} has chunks of unknown size along {'axis' if len(unknown) == 1 else 'axes'} {', '.join(map(str, unknown))}:"
            f" shape {x.shape}. Halos cannot be cut from them.",
            f"Call {name}.compute_chunk_sizes() first.",
        )


class Gathering:
    """Tasks that cut what is read from the chunks of a dask array.

    Parameters
    ----------
    x : dask.array.Array
    name : str
        Under which the slices stand in the graph.
    reads : sequence of sequence of tuple of range
        For each axis, what each number of a reader means: the cells that are read.

    Attributes
    ----------
    layer : dict
        The slices' tasks, those alone that `refs` was asked for.
    """

    def __init__(self, x: Any, name: str, reads: Sequence[Sequence[Cells]]) -> None:
        from dask._task_spec import Task, TaskRef

        self._source, self._name, self._task, self._ref = x.name, name, Task, TaskRef
        self.layer: dict[Any, Any] = {}
        self._sizes = [tuple(map(int, chunks)) for chunks in x.chunks]
        ends = [list(itertools.accumulate(sizes, initial=0)) for sizes in self._sizes]
        self._fetches = [[_fetches(bounds, cells) for cells in along] for bounds, along in zip(ends, reads, strict=True)]

    def refs(self, index: Sequence[int]) -> tuple[tuple[int, ...], list[Any]]:
        """How many blocks a reader is put together from along each axis, and references to these, the last axis fastest."""
        along = [fetches[number] for fetches, number in zip(self._fetches, index, strict=True)]
        return tuple(map(len, along)), [self._fetched(combination) for combination in itertools.product(*along)]

    def _fetched(self, fetches: tuple[Fetch, ...]) -> Any:
        source = (self._source, *(chunk for chunk, _, _ in fetches))
        if all(begin == 0 and end == sizes[chunk] for (chunk, begin, end), sizes in zip(fetches, self._sizes, strict=True)):
            return self._ref(source)
        key = (self._name, *itertools.chain.from_iterable(fetches))
        if key not in self.layer:
            cut = tuple(slice(begin, end) for _, begin, end in fetches)
            self.layer[key] = self._task(key, _cut, self._ref(source), cut)
        return self._ref(key)


def _fetches(ends: Sequence[int], cells: Cells) -> list[Fetch]:
    """Which cells of which chunks make up `cells`; chunk n lies between ends n and n + 1."""
    return [
        (number, max(span.start, ends[number]) - ends[number], min(span.stop, ends[number + 1]) - ends[number])
        for span in cells
        for number in range(bisect.bisect_right(ends, span.start) - 1, bisect.bisect_left(ends, span.stop))
        if ends[number] < ends[number + 1]
    ]


def _cut(block: Array, place: tuple[slice, ...]) -> Array:
    return np.array(block[place], order="C")


def assembled(grid: tuple[int, ...], blocks: Sequence[Array]) -> Array:
    """Blocks of a grid as one array; a single one as it is.

    >>> assembled((1, 2), [np.array([[1], [2]]), np.array([[3], [4]])])
    array([[1, 3],
           [2, 4]])
    """
    if len(blocks) == 1:
        return blocks[0]
    cuts = []
    for axis in range(len(grid)):
        apart = math.prod(grid[axis + 1 :])
        sizes = [blocks[number * apart].shape[axis] for number in range(grid[axis])]
        cuts.append(list(itertools.accumulate(sizes, initial=0)))
    whole = np.empty([ends[-1] for ends in cuts], blocks[0].dtype)
    places = itertools.product(*([slice(begin, end) for begin, end in itertools.pairwise(ends)] for ends in cuts))
    for place, block in zip(places, blocks, strict=True):
        whole[place] = block
    return whole
