"""Chunks of a result chosen by memory: as large as a task may be, along the chunks of the source.

Owns ``chunks="auto"``.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faltung.dask.gathering import dask_array
from faltung.errors import ConvShapeError, shown

__all__ = ["auto_chunks", "memory_of_a_task", "settled"]

Chunks = tuple[tuple[int, ...], ...]

TASKS_HELD = 8
"""So many times its own memory is left to a task: blocks wait for their neighbours, results for being stored."""


def settled(chunks: Any, following: Chunks, shape: Sequence[int], dtype: Any, bytes_per_cell: float, first: int) -> Chunks:
    """The chunks that are asked for, as sizes along every axis; "auto" by memory, None by what lies over the source.

    Parameters
    ----------
    chunks
        As a user gives them.
    following : tuple of tuple of int
        Over those of the source.
    shape, dtype
        Of the result.
    bytes_per_cell : float
        Memory of a task for each position along the axes from `first` on, all channels, one sample.
    first : int
        Axes before it are samples and channels: automatic ones are those that follow, one sample at a time.
    """
    if chunks is None:
        chunks = following
    if isinstance(chunks, str) and chunks == "auto":
        chunks = ("auto",) * len(shape)
    if isinstance(chunks, Sequence) and not isinstance(chunks, str) and len(chunks) == len(following):
        chunks = tuple(own if asked is None else asked for asked, own in zip(chunks, following, strict=True))
        automatic = [axis for axis, asked in enumerate(chunks) if isinstance(asked, str) and asked == "auto"]
        if automatic:
            chunks = _filled(chunks, automatic, following, shape, bytes_per_cell, first)
    return _in_numbers(chunks, shape, dtype)


def _in_numbers(chunks: Any, shape: Sequence[int], dtype: Any = None) -> Chunks:
    """What dask makes of `chunks`, if they are chunks of an array of this shape."""
    try:
        normal: Chunks = dask_array().core.normalize_chunks(chunks, tuple(shape), dtype=dtype)
        if all(sum(along) == size and min(along, default=0) >= 0 for along, size in zip(normal, shape, strict=True)):
            return normal
        said = f"they come to {shown(normal)}"
    except (ValueError, TypeError, ZeroDivisionError, NotImplementedError) as error:
        said = str(error).partition("\n")[0].rstrip(".")
    raise ConvShapeError(
        f"chunks={shown(chunks)} are none of a result of shape {tuple(shape)}: {said}.",
        "Give one size, a size or a tuple of sizes for each axis, 'auto', or leave them to the array.",
    )


def _filled(
    chunks: Sequence[Any], automatic: Sequence[int], following: Chunks, shape: Sequence[int], bytes_per_cell: float, first: int
) -> tuple[Any, ...]:
    """`chunks` with the automatic ones in numbers."""
    space = [axis for axis in automatic if axis >= first]
    given = [axis for axis in range(first, len(shape)) if axis not in space]
    cells = memory_of_a_task() / max(bytes_per_cell, 1.0)
    sizes = _in_numbers(tuple(following[axis] if axis in automatic else chunks[axis] for axis in range(len(shape))), shape)
    cells /= math.prod(max(sizes[axis], default=1) or 1 for axis in given)
    found = auto_chunks([following[axis] for axis in space], cells)
    filled = list(chunks)
    for axis in automatic:
        filled[axis] = found[space.index(axis)] if axis in space else (1,) * shape[axis] if axis == 0 and first > 1 else following[axis]
    return tuple(filled)


def auto_chunks(following: Sequence[Sequence[int]], cells: float) -> list[tuple[int, ...]]:
    """Chunks of at most about `cells` cells, as many along each axis as far as it is long: runs of whole chunks, or parts of one.

    >>> auto_chunks([(100,) * 10, (100,) * 10], 250_000)
    [(500, 500), (500, 500)]
    >>> auto_chunks([(10,), (4000, 4000)], 20_000)
    [(10,), (2000, 2000, 2000, 2000)]
    """
    edges = dict.fromkeys(range(len(following)), 0)
    left, open_axes = max(cells, 1.0), sorted(edges, key=lambda axis: sum(following[axis]))
    while open_axes:  # short axes first: what they do not need is left to the others
        axis = open_axes.pop(0)
        edge = left ** (1 / (len(open_axes) + 1))
        edges[axis] = max(min(int(edge), sum(following[axis])), 1)
        left /= edges[axis]
    return [_along(sizes, edges[axis]) for axis, sizes in enumerate(following)]


def _along(sizes: Sequence[int], edge: int) -> tuple[int, ...]:
    """Chunks of at most `edge` cells: neighbours joined while they fit, large ones divided evenly."""
    runs: list[int] = []
    for size in sizes:
        if runs and runs[-1] + size <= edge:
            runs[-1] += size
        else:
            runs.append(size)
    divided = []
    for run in runs:
        count = max(-(-run // edge), 1)
        ends = [run * number // count for number in range(count + 1)]
        divided += [end - begin for begin, end in itertools.pairwise(ends)]
    return tuple(divided)


def memory_of_a_task() -> float:
    """Bytes that a task may take: dask's ``array.chunk-size``, and no more than an eighth of a thread's share of the memory."""
    from dask.utils import parse_bytes

    import dask

    wished = dask.config.get("array.chunk-size", "128 MiB")
    return float(min(parse_bytes(wished) if isinstance(wished, str) else wished, _memory_of_a_thread() / TASKS_HELD))


def _memory_of_a_thread() -> float:
    """Of the workers of the current distributed client, the smallest; else of this machine, one thread for each core."""
    distributed = sys.modules.get("distributed")
    if distributed is not None:
        with contextlib.suppress(ValueError):
            workers = distributed.get_client().scheduler_info(n_workers=-1).get("workers", {}).values()
            shares = [worker["memory_limit"] / worker["nthreads"] for worker in workers if worker["memory_limit"]]
            if shares:
                return float(min(shares))
    from dask.system import CPU_COUNT

    return _memory_of_the_machine() / int(CPU_COUNT)


def _memory_of_the_machine() -> int:
    """Physical memory, or what the control group allows."""
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 2**32
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):
            return min(whole, int(Path(path).read_text(encoding="ascii")))
    return whole
