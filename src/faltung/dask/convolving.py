"""The graph of a convolution of a dask array: which chunks the result has, which channels a task computes, and the tasks.

Positions are those of `faltung.parts`, what a task does is `work`'s.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from faltung import __version__
from faltung.dask.gathering import Cells, Gathering, check_sizes, dask_array
from faltung.dask.sizing import settled
from faltung.dask.work import Job, Shares, convolve_part
from faltung.engine.arrays import Described, ElementTypes, as_array, element_types_of
from faltung.engine.native import checked_threads
from faltung.engine.run import ACCURACIES
from faltung.errors import ConvPlanError, one_of
from faltung.parts import follow, part_of
from faltung.spec import ConvSpec

__all__ = ["as_dask", "convolved", "held", "ranges"]

Chunks = tuple[tuple[int, ...], ...]


def convolved(
    spec: ConvSpec, x: Any, weight: Any, bias: Any, shape: tuple[int, ...], chunks: Any, accuracy: str, threads: int | None
) -> Any:
    """The convolution of checked arrays, of this `shape`; x with batch and channels, with channels, or with neither."""
    da = dask_array()
    one_of("accuracy", accuracy, ACCURACIES, ConvPlanError)
    threads = None if threads is None else checked_threads("threads", threads)
    offset = None if bias is None else Described(bias.shape, bias.dtype)
    types = element_types_of(x=Described(x.shape, x.dtype), weight=Described(weight.shape, weight.dtype), bias=offset)
    following = _following(spec, x, weight)
    is_plain = x.ndim == spec.ndim
    # What a task holds of each output: the cells under it, once as they came and once put together, and the result.
    under = math.prod(spec.stride) ** (-1 if spec.transposed else 1)
    held_bytes = spec.in_channels * types.stored.itemsize * under * 2 + spec.out_channels * types.result.itemsize
    wanted = settled(chunks, following, shape, types.result, held_bytes, 0 if is_plain else x.ndim - spec.ndim)
    if 0 in shape:
        return da.zeros(shape, dtype=types.result, chunks=wanted)
    wanted = tuple(tuple(size for size in along if size) for along in wanted)
    return _graph(spec, x, weight, bias, wanted, types, accuracy, threads)


def as_dask(name: str, x: Any) -> Any:
    """`x` as a dask array whose chunks are known."""
    da = dask_array()
    if not isinstance(x, da.Array):
        is_zarr = type(x).__module__.partition(".")[0] == "zarr"
        x = da.from_zarr(x) if is_zarr else da.from_array(as_array(name, x), chunks=-1)
    check_sizes(name, x)
    return x


def held(name: str, value: Any) -> Any:
    """A weight or bias as a part of the graph: a dask array in one chunk, or a copy that does not change with the caller's."""
    da = dask_array()
    if isinstance(value, da.Array):
        check_sizes(name, value)
        return value
    copy = np.array(as_array(name, value), order="C")
    copy.flags.writeable = False
    return copy


def _following(spec: ConvSpec, x: Any, weight: Any) -> Chunks:
    """Chunks of the result that lie over those of x."""
    sizes = x.shape[x.ndim - spec.ndim :]
    space = tuple(follow(axis, size, along) for axis, size, along in zip(spec.axes, sizes, x.chunks[x.ndim - spec.ndim :], strict=True))
    if x.ndim == spec.ndim:
        return space
    return (*x.chunks[: x.ndim - spec.ndim - 1], _channels(spec, x.chunks[-spec.ndim - 1], weight), *space)


def _channels(spec: ConvSpec, chunks: tuple[int, ...], weight: Any) -> tuple[int, ...]:
    """Of the output: as groups lie in chunks of the input, or as those of a chunked weight; else all in one."""
    read, written = spec.in_channels // spec.groups, spec.out_channels // spec.groups
    if spec.groups > 1 and len(chunks) > 1 and all(size % read == 0 for size in chunks):
        return tuple(size // read * written for size in chunks if size)
    if hasattr(weight, "chunks") and not (spec.transposed and spec.groups > 1):
        return tuple(size for size in weight.chunks[1 if spec.transposed else 0] if size)
    return (spec.out_channels,)


def _graph(spec: ConvSpec, x: Any, weight: Any, bias: Any, chunks: Chunks, types: ElementTypes, accuracy: str, threads: int | None) -> Any:
    from dask._task_spec import DataNode, Task, TaskRef
    from dask.base import tokenize
    from dask.highlevelgraph import HighLevelGraph

    da = dask_array()
    token = tokenize("faltung.conv", __version__, sorted(spec.to_dict().items()), x.name, _named(weight), _named(bias), chunks, accuracy)
    name = f"conv-{token}"
    is_plain = x.ndim == spec.ndim
    first = x.ndim - spec.ndim
    batches: list[list[Cells]] = [[(along,) for along in ranges(sizes)] for sizes in chunks[: max(first - 1, 0)]]
    channels = [_shares(spec, wanted) for wanted in ranges((1,) if is_plain else chunks[first - 1])]
    space = [
        [part_of(axis, spec.padding_mode, size, outputs) for outputs in ranges(along)]
        for axis, size, along in zip(spec.axes, x.shape[first:], chunks[first:], strict=True)
    ]
    mixed: list[list[Cells]] = [] if is_plain else [[(cells,) for _, cells, _ in channels]]
    gathering = Gathering(x, f"{name}-cells", [*batches, *mixed, *([part.cells for part in along] for along in space)])
    layer: dict[Any, Any] = {}
    sources = [x]
    given = []
    for role, array in (("weight", weight), ("bias", bias)):
        if isinstance(array, da.Array):
            array = array.rechunk(array.shape)
            sources.append(array)
            given.append(TaskRef((array.name, *(0,) * array.ndim)))
        elif array is not None:
            key = f"{name}-{role}"
            layer[key] = DataNode(key, array)
            given.append(TaskRef(key))
        else:
            given.append(None)
    for index in itertools.product(*(range(len(along)) for along in chunks)):
        grid, blocks = gathering.refs(index)
        shares, cells, own = channels[0 if is_plain else index[first - 1]]
        parts = tuple(along[number] for along, number in zip(space, index[first:], strict=True))
        empty = None
        if not blocks:
            sizes = [len(along[number][0]) for along, number in zip(batches, index, strict=False)]
            sizes += [] if is_plain else [len(cells)]
            empty = (*sizes, *(part.block_size for part in parts)), x.dtype
        job = Job(own, grid, parts, shares, types.stored, accuracy, threads, empty, is_plain)
        place = (name, *index)
        layer[place] = Task(place, convolve_part, job, *given, *blocks)
    layer.update(gathering.layer)
    graph = HighLevelGraph.from_collections(name, layer, dependencies=sources)
    return da.Array(graph, name, chunks, dtype=types.result, meta=np.empty((0,) * len(chunks), types.result))


def _named(array: Any) -> Any:
    """What tells a weight from others: the name of a dask array, the numbers of another."""
    return getattr(array, "name", array)


def ranges(sizes: Sequence[int]) -> list[range]:
    """Chunks of these sizes as ranges of their axis."""
    return [range(begin, end) for begin, end in itertools.pairwise(itertools.accumulate(sizes, initial=0))]


def _shares(spec: ConvSpec, wanted: range) -> tuple[Shares, range, ConvSpec]:
    """For some output channels: which weights, which input channels, and the convolution of these."""
    read, written = spec.in_channels // spec.groups, spec.out_channels // spec.groups
    groups = range(wanted.start // written, -(-wanted.stop // written))
    cells = range(groups.start * read, groups.stop * read)
    if len(groups) == 1:
        computed = wanted
        inside = slice(wanted.start - groups.start * written, wanted.stop - groups.start * written)
    else:  # whole groups, of which the first and the last may be wanted in part
        computed = range(groups.start * written, groups.stop * written)
        inside = slice(None)
    weight = (slice(cells.start, cells.stop), inside) if spec.transposed else (slice(computed.start, computed.stop), slice(None))
    kept = slice(wanted.start - computed.start, wanted.stop - computed.start)
    fields = {"in_channels": len(cells), "out_channels": len(computed), "groups": len(groups)}
    return Shares(weight, slice(computed.start, computed.stop), kept), cells, ConvSpec(**(spec.to_dict() | fields))
