"""`conv` and its like on dask arrays: one task for each chunk of the result, which reads the cells that its windows cover and no more.

Owns which chunks the result has and which channels a task computes; positions are those of `faltung.parts`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from faltung.dask.gathering import Cells, Gathering, check_sizes, dask_array
from faltung.dask.work import Job, Shares, convolve_part
from faltung.engine.arrays import Described, ElementTypes, as_array, element_types_of
from faltung.engine.checks import as_spec, check_bias, check_weight
from faltung.engine.native import checked_threads
from faltung.engine.run import ACCURACIES
from faltung.errors import ConvPlanError, ConvShapeError, ConvSpecError, one_of
from faltung.functional.convolution import Ints, Padding, spec_of
from faltung.normal_form import integer
from faltung.parts import follow, part_of
from faltung.spec import ConvSpec

__all__ = ["conv", "conv1d", "conv2d", "conv3d", "conv_transpose", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]

Chunks = tuple[tuple[int, ...], ...]


def conv(
    spec: ConvSpec | str, x: Any, weight: Any, bias: Any = None, *, chunks: Any = None, accuracy: str = "exact", threads: int | None = None
) -> Any:
    """Convolve a dask array by a spec, chunk by chunk: the bits that one array gives.

    Nothing is computed until the result is asked for. Each chunk of the result is one task; it reads the chunks, or strips of them, that
    its windows cover, and computes with just the padding that is its own.

    Parameters
    ----------
    spec : ConvSpec or str
        Any: strides, dilations, groups, transposed, every padding mode and rule.
    x : dask.array.Array (N, in, *i) or (in, *i)
        In any chunks, along any of its axes, irregular ones and such as are smaller than the kernel.
        Zarr arrays are read by their chunks, other arrays are taken as one chunk.
    weight : array of ``spec.weight_shape``
        NumPy or dask. One array is part of every task's input.
    bias : array (out,), optional
    chunks : optional
        Of the result, as dask takes them, one entry for each axis. By default they lie over those of `x`: along batch and space each
        over one of its chunks; output channels in one chunk, unless groups lie apart in chunks of `x` or the weight is chunked along them.
    accuracy : {"exact", "default"}
        "exact" sums directly in one order, whatever the sizes: the result has the bits of
        ``faltung.conv(spec, whole, weight, bias, accuracy="exact")``. "default" may take any algorithm within its error bound for each
        part, so that the last bits may depend on the chunks.
    threads : int, optional
        Of the engine inside a task. By default 1 where dask runs tasks side by side, else `faltung.get_num_threads`.

    Returns
    -------
    dask.array.Array (N, out, *o) or (out, *o)

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError
    MissingExtraError
        Dask is not installed.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> signal = da.arange(12, chunks=5).reshape(1, 12)
    >>> smooth = conv("conv1d(1, 1, 3, padding=1, padding_mode='circular', bias=False)", signal, np.ones((1, 1, 3), int))
    >>> smooth.chunks, smooth.compute().tolist()
    (((1,), (5, 5, 2)), [[12, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 21]])
    """
    da = dask_array()
    spec = as_spec(spec)
    one_of("accuracy", accuracy, ACCURACIES, ConvPlanError)
    threads = None if threads is None else checked_threads("threads", threads)
    x = as_dask("x", x)
    weight, bias = _held("weight", weight), None if bias is None else _held("bias", bias)
    check_weight(spec, weight)
    check_bias(spec, bias)
    offset = None if bias is None else Described(bias.shape, bias.dtype)
    types = element_types_of(x=Described(x.shape, x.dtype), weight=Described(weight.shape, weight.dtype), bias=offset)
    shape = spec.output_shape(x.shape)
    following = _following(spec, x, weight)
    wanted = da.core.normalize_chunks(_filled(chunks, following), shape, dtype=types.result)
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


def _held(name: str, value: Any) -> Any:
    """A weight or bias as a part of the graph: a dask array in one chunk, or a copy that does not change with the caller's."""
    da = dask_array()
    if isinstance(value, da.Array):
        check_sizes(name, value)
        return value
    copy = np.array(as_array(name, value), order="C")
    copy.flags.writeable = False
    return copy


def _filled(chunks: Any, following: Chunks) -> Any:
    """What is asked for, with None replaced by what follows from x."""
    if chunks is None:
        return following
    if isinstance(chunks, Sequence) and not isinstance(chunks, str) and len(chunks) == len(following):
        return tuple(own if asked is None else asked for asked, own in zip(chunks, following, strict=True))
    return chunks


def _following(spec: ConvSpec, x: Any, weight: Any) -> Chunks:
    """Chunks of the result that lie over those of x."""
    sizes = x.shape[x.ndim - spec.ndim :]
    space = tuple(follow(axis, size, along) for axis, size, along in zip(spec.axes, sizes, x.chunks[x.ndim - spec.ndim :], strict=True))
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
    token = tokenize("faltung.conv", sorted(spec.to_dict().items()), x.name, _named(weight), _named(bias), chunks, accuracy)
    name = f"conv-{token}"
    first = x.ndim - spec.ndim
    batches: list[list[Cells]] = [[(along,) for along in _ranges(sizes)] for sizes in chunks[: first - 1]]
    channels = [_shares(spec, wanted) for wanted in _ranges(chunks[first - 1])]
    space = [
        [part_of(axis, spec.padding_mode, size, outputs) for outputs in _ranges(along)]
        for axis, size, along in zip(spec.axes, x.shape[first:], chunks[first:], strict=True)
    ]
    reads: list[list[Cells]] = [*batches, [(cells,) for _, cells, _ in channels], *([part.cells for part in along] for along in space)]
    gathering = Gathering(x, f"{name}-cells", reads)
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
        shares, cells, own = channels[index[first - 1]]
        parts = tuple(along[number] for along, number in zip(space, index[first:], strict=True))
        empty = None
        if not blocks:
            sizes = (len(along[number][0]) for along, number in zip(batches, index, strict=False))
            empty = (*sizes, len(cells), *(part.block_size for part in parts)), x.dtype
        job = Job(own, grid, parts, shares, types.stored, accuracy, threads, empty)
        place = (name, *index)
        layer[place] = Task(place, convolve_part, job, *given, *blocks)
    layer.update(gathering.layer)
    graph = HighLevelGraph.from_collections(name, layer, dependencies=sources)
    return da.Array(graph, name, chunks, dtype=types.result, meta=np.empty((0,) * len(chunks), types.result))


def _named(array: Any) -> Any:
    """What tells a weight from others: the name of a dask array, the numbers of another."""
    return getattr(array, "name", array)


def _ranges(sizes: Sequence[int]) -> list[range]:
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


# -- PyTorch's names -------------------------------------------------------------------------------


def conv_transpose(
    spec: ConvSpec | str, x: Any, weight: Any, bias: Any = None, *, chunks: Any = None, accuracy: str = "exact", threads: int | None = None
) -> Any:
    """`conv` by a spec that is transposed, for those who look for the name; parameters, result and errors as there.

    Raises
    ------
    ConvSpecError
        The spec is not transposed.

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> signal = da.from_array(np.array([[1, 2, 3]]), chunks=(1, 2))
    >>> conv_transpose("conv_transpose1d(1, 1, 2, stride=2, bias=False)", signal, np.array([[[1, 10]]])).compute()
    array([[ 1, 10,  2, 20,  3, 30]])
    """
    spec = as_spec(spec)
    if not spec.transposed:
        raise ConvSpecError(f"{spec} is not transposed.", "Use conv, or a spec with transposed=True.")
    return conv(spec, x, weight, bias, chunks=chunks, accuracy=accuracy, threads=threads)


def _of_rank(
    ndim: int, x: Any, weight: Any, bias: Any, *, transposed: bool = False, groups: int, options: dict[str, Any], **fields: Any
) -> Any:
    shape = weight.shape if hasattr(weight, "shape") else np.shape(weight)
    layout = "(in, out/groups" if transposed else "(out, in/groups"
    if len(shape) != ndim + 2 or 0 in shape:
        raise ConvShapeError(
            f"weight has shape {shape}; {ndim + 2} axes are needed, each at least 1: {layout}, {', '.join('k' * ndim)}).",
            "Add axes of size 1 with weight[None], or use the convolution with the right number of axes.",
        )
    groups = integer("groups", groups, least=1)
    first, second = shape[0], shape[1] * groups
    channels = (first, second) if transposed else (second, first)
    spec = spec_of(
        in_channels=channels[0], out_channels=channels[1], kernel_size=tuple(shape[2:]), groups=groups, transposed=transposed, **fields
    )
    return conv(spec, x, weight, bias, **options)


def conv1d(
    x: Any, weight: Any, bias: Any = None, stride: Ints = 1, padding: Padding = 0, dilation: Ints = 1, groups: int = 1, *,
    padding_mode: str = "zeros", flip: bool = False, chunks: Any = None, accuracy: str = "exact", threads: int | None = None,
) -> Any:  # fmt: skip
    """Convolve a dask array along 1 axis, as ``torch.nn.functional.conv1d``.

    As `conv`, with channels read off the weight; arguments of `faltung.conv1d`; `chunks`, `accuracy` and `threads` as of `conv`.

    Parameters
    ----------
    x : dask.array.Array (N, in, l) or (in, l)
    weight : array (out, in/groups, k)
    bias : array (out,), optional
    stride, padding, dilation, groups, padding_mode, flip
        As in `ConvSpec`.

    Returns
    -------
    dask.array.Array

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> conv1d(da.ones((1, 6), dtype=int, chunks=(1, 4)), np.ones((1, 1, 3), int), padding=1).sum().compute()
    np.int64(16)
    """
    return _of_rank(
        1, x, weight, bias, groups=groups, stride=stride, padding=padding, dilation=dilation, padding_mode=padding_mode, flip=flip,
        options={"chunks": chunks, "accuracy": accuracy, "threads": threads},
    )  # fmt: skip


def conv2d(
    x: Any, weight: Any, bias: Any = None, stride: Ints = 1, padding: Padding = 0, dilation: Ints = 1, groups: int = 1, *,
    padding_mode: str = "zeros", flip: bool = False, chunks: Any = None, accuracy: str = "exact", threads: int | None = None,
) -> Any:  # fmt: skip
    """Convolve a dask array along 2 axes, as ``torch.nn.functional.conv2d``.

    As `conv`, with channels read off the weight; arguments of `faltung.conv2d`; `chunks`, `accuracy` and `threads` as of `conv`.

    Parameters
    ----------
    x : dask.array.Array (N, in, h, w) or (in, h, w)
    weight : array (out, in/groups, kh, kw)
    bias : array (out,), optional
    stride, padding, dilation, groups, padding_mode, flip
        As in `ConvSpec`.

    Returns
    -------
    dask.array.Array

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> conv2d(da.ones((1, 6, 6), dtype=int, chunks=(1, 4, 4)), np.ones((1, 1, 3, 3), int), padding=1).sum().compute()
    np.int64(256)
    """
    return _of_rank(
        2, x, weight, bias, groups=groups, stride=stride, padding=padding, dilation=dilation, padding_mode=padding_mode, flip=flip,
        options={"chunks": chunks, "accuracy": accuracy, "threads": threads},
    )  # fmt: skip


def conv3d(
    x: Any, weight: Any, bias: Any = None, stride: Ints = 1, padding: Padding = 0, dilation: Ints = 1, groups: int = 1, *,
    padding_mode: str = "zeros", flip: bool = False, chunks: Any = None, accuracy: str = "exact", threads: int | None = None,
) -> Any:  # fmt: skip
    """Convolve a dask array along 3 axes, as ``torch.nn.functional.conv3d``.

    As `conv`, with channels read off the weight; arguments of `faltung.conv3d`; `chunks`, `accuracy` and `threads` as of `conv`.

    Parameters
    ----------
    x : dask.array.Array (N, in, d, h, w) or (in, d, h, w)
    weight : array (out, in/groups, kd, kh, kw)
    bias : array (out,), optional
    stride, padding, dilation, groups, padding_mode, flip
        As in `ConvSpec`.

    Returns
    -------
    dask.array.Array

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> conv3d(da.ones((1, 6, 6, 6), dtype=int, chunks=(1, 4, 4, 4)), np.ones((1, 1, 3, 3, 3), int), padding=1).sum().compute()
    np.int64(4096)
    """
    return _of_rank(
        3, x, weight, bias, groups=groups, stride=stride, padding=padding, dilation=dilation, padding_mode=padding_mode, flip=flip,
        options={"chunks": chunks, "accuracy": accuracy, "threads": threads},
    )  # fmt: skip


def conv_transpose1d(
    x: Any, weight: Any, bias: Any = None, stride: Ints = 1, padding: Padding = 0, output_padding: Ints = 0, groups: int = 1,
    dilation: Ints = 1, *, chunks: Any = None, accuracy: str = "exact", threads: int | None = None,
) -> Any:  # fmt: skip
    """Transposed convolution of a dask array along 1 axis, as ``torch.nn.functional.conv_transpose1d``.

    As `conv`, with channels read off the weight; arguments of `faltung.conv_transpose1d`; `chunks`, `accuracy` and `threads` as of `conv`.

    Parameters
    ----------
    x : dask.array.Array (N, in, l) or (in, l)
    weight : array (in, out/groups, k)
    bias : array (out,), optional
    stride, padding, output_padding, groups, dilation
        As in `ConvSpec`.

    Returns
    -------
    dask.array.Array

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> conv_transpose1d(da.ones((1, 6), dtype=int, chunks=(1, 4)), np.ones((1, 1, 2), int), stride=2).chunks
    ((1,), (8, 4))
    """
    return _of_rank(
        1, x, weight, bias, transposed=True, groups=groups, stride=stride, padding=padding, output_padding=output_padding,
        dilation=dilation, options={"chunks": chunks, "accuracy": accuracy, "threads": threads},
    )  # fmt: skip


def conv_transpose2d(
    x: Any, weight: Any, bias: Any = None, stride: Ints = 1, padding: Padding = 0, output_padding: Ints = 0, groups: int = 1,
    dilation: Ints = 1, *, chunks: Any = None, accuracy: str = "exact", threads: int | None = None,
) -> Any:  # fmt: skip
    """Transposed convolution of a dask array along 2 axes, as ``torch.nn.functional.conv_transpose2d``.

    As `conv`, with channels read off the weight; arguments of `faltung.conv_transpose2d`; `chunks`, `accuracy` and `threads` as of `conv`.

    Parameters
    ----------
    x : dask.array.Array (N, in, h, w) or (in, h, w)
    weight : array (in, out/groups, kh, kw)
    bias : array (out,), optional
    stride, padding, output_padding, groups, dilation
        As in `ConvSpec`.

    Returns
    -------
    dask.array.Array

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> conv_transpose2d(da.ones((1, 6, 6), dtype=int, chunks=(1, 4, 4)), np.ones((1, 1, 2, 2), int), stride=2).chunks
    ((1,), (8, 4), (8, 4))
    """
    return _of_rank(
        2, x, weight, bias, transposed=True, groups=groups, stride=stride, padding=padding, output_padding=output_padding,
        dilation=dilation, options={"chunks": chunks, "accuracy": accuracy, "threads": threads},
    )  # fmt: skip


def conv_transpose3d(
    x: Any, weight: Any, bias: Any = None, stride: Ints = 1, padding: Padding = 0, output_padding: Ints = 0, groups: int = 1,
    dilation: Ints = 1, *, chunks: Any = None, accuracy: str = "exact", threads: int | None = None,
) -> Any:  # fmt: skip
    """Transposed convolution of a dask array along 3 axes, as ``torch.nn.functional.conv_transpose3d``.

    As `conv`, with channels read off the weight; arguments of `faltung.conv_transpose3d`; `chunks`, `accuracy` and `threads` as of `conv`.

    Parameters
    ----------
    x : dask.array.Array (N, in, d, h, w) or (in, d, h, w)
    weight : array (in, out/groups, kd, kh, kw)
    bias : array (out,), optional
    stride, padding, output_padding, groups, dilation
        As in `ConvSpec`.

    Returns
    -------
    dask.array.Array

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError, ConvPlanError

    Examples
    --------
    >>> import dask.array as da
    >>> import numpy as np
    >>> conv_transpose3d(da.ones((1, 6, 6, 6), dtype=int, chunks=(1, 4, 4, 4)), np.ones((1, 1, 2, 2, 2), int), stride=2).chunks
    ((1,), (8, 4), (8, 4), (8, 4))
    """
    return _of_rank(
        3, x, weight, bias, transposed=True, groups=groups, stride=stride, padding=padding, output_padding=output_padding,
        dilation=dilation, options={"chunks": chunks, "accuracy": accuracy, "threads": threads},
    )  # fmt: skip
