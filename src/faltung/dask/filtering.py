"""The graph of a filter that gives as many outputs as it has inputs, and knows its border: blocks with what lies around them.

Knows no filter: which function, and how far it looks along each axis, is told.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from faltung import __version__
from faltung.dask.convolving import ranges
from faltung.dask.gathering import Gathering, assembled, dask_array
from faltung.dask.sizing import settled
from faltung.dask.threads import engine_threads
from faltung.dask.work import laid_out
from faltung.engine.arrays import Array
from faltung.engine.native import checked_threads, using_threads
from faltung.errors import ConvTypeError
from faltung.parts import Run, surroundings

__all__ = ["Looks", "filtered"]

Reach = tuple[int, int]
"""Cells before and after its own that an output looks at along an axis."""

Looks = tuple[Sequence[Reach], Sequence[bool]]
"""How far a filter looks along each axis, and whether the axis goes on with its far side."""


@dataclass(frozen=True)
class Job:
    """One task, apart from the arrays."""

    function: Callable[..., Any]
    grid: tuple[int, ...]
    runs: tuple[tuple[Run, ...], ...]
    wanted: tuple[slice, ...]
    threads: int | None


def filtered(
    function: Callable[..., Array], x: Any, looks: Callable[[], Looks], chunks: Any, threads: int | None, *, output: Any, name: str = "",
    **arguments: Any,
) -> Any:  # fmt: skip
    """``function(x, output=output, **arguments)``, chunk by chunk, in one dtype throughout.

    Parameters
    ----------
    function : callable
        From an array to one of the same shape; can be pickled. It is called once with a single cell, to know its dtype and its errors.
    x : dask.array.Array
    looks : callable
        Asked once `function` has accepted its arguments.
    chunks : optional
        Of the result; by default those of `x`.
    threads : int, optional
    output : dtype, optional
    name : str
        Of the tasks; by default the function's.
    **arguments
        With `function` they tell this filter from others of the name.
    """
    da = dask_array()
    from dask._task_spec import Task
    from dask.base import tokenize
    from dask.highlevelgraph import HighLevelGraph

    if isinstance(output, np.ndarray) or hasattr(output, "__dask_graph__"):
        raise ConvTypeError(f"output is of type {type(output).__name__}.", "Give a dtype, and store the result with to_zarr or compute.")
    threads = None if threads is None else checked_threads("threads", threads)
    dtype = np.asarray(function(np.zeros((1,) * x.ndim, x.dtype), output=output, **arguments)).dtype
    function = functools.partial(function, output=dtype, **arguments)
    name, token = name or function.func.__name__, (function.func, sorted(function.keywords.items()))
    reaches, wraps = looks()
    wanted = settled(chunks, x.chunks, x.shape, dtype, 2 * x.dtype.itemsize + 2 * dtype.itemsize, 0)
    if x.size == 0:
        return da.zeros(x.shape, dtype=dtype, chunks=wanted)
    wanted = tuple(tuple(size for size in along if size) for along in wanted)
    key = f"{name}-{tokenize('faltung.' + name, __version__, token, x.name, wanted, tuple(reaches), tuple(wraps))}"
    around = [
        [surroundings(size, outputs, before, after, wraps=goes_on) for outputs in ranges(along)]
        for size, along, (before, after), goes_on in zip(x.shape, wanted, reaches, wraps, strict=True)
    ]
    gathering = Gathering(x, f"{key}-cells", [[place.cells for place in along] for along in around])
    layer: dict[Any, Any] = {}
    for index in itertools.product(*(range(len(along)) for along in wanted)):
        grid, blocks = gathering.refs(index)
        places = [along[number] for along, number in zip(around, index, strict=True)]
        job = Job(function, grid, tuple(place.runs for place in places), tuple(place.wanted for place in places), threads)
        layer[(key, *index)] = Task((key, *index), filter_part, job, *blocks)
    layer.update(gathering.layer)
    graph = HighLevelGraph.from_collections(key, layer, dependencies=[x])
    return da.Array(graph, key, wanted, dtype=dtype, meta=np.empty((0,) * x.ndim, dtype))


def filter_part(job: Job, *blocks: Array) -> Array:
    """The outputs of one part."""
    block = laid_out(assembled(job.grid, blocks), job.runs)
    with using_threads(job.threads or engine_threads()):
        result: Array = np.asarray(job.function(block))
    wanted = result[job.wanted]
    return result if wanted.shape == result.shape else wanted.copy()
