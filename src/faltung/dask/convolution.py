"""`conv` and its like on dask arrays: one task for each chunk of the result, which reads the cells that its windows cover and no more."""

from __future__ import annotations

from typing import Any

import numpy as np

from faltung.dask.convolving import as_dask, convolved, held
from faltung.dask.labelled import SAME, is_labelled, labelled
from faltung.engine.checks import as_spec, check_bias, check_weight
from faltung.errors import ConvShapeError, ConvSpecError
from faltung.functional.convolution import Ints, Padding, spec_of
from faltung.normal_form import integer
from faltung.parts import places
from faltung.spec import ConvSpec

__all__ = ["conv", "conv1d", "conv2d", "conv3d", "conv_transpose", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"]


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
        Zarr arrays are read by their chunks, other arrays are taken as one chunk. An xarray ``DataArray`` gives a ``DataArray``, whose
        outputs have the coordinates of the places over which they stand: the middle of their windows.
    weight : array of ``spec.weight_shape``
        NumPy or dask. One array is part of every task's input.
    bias : array (out,), optional
    chunks : optional
        Of the result, as dask takes them, one entry for each axis. By default (None, for an axis or for all) they lie over those of `x`:
        along batch and space each over one of its chunks; output channels in one chunk, unless groups lie apart in chunks of `x` or the
        weight is chunked along them. "auto" chooses by memory: along space whole runs of chunks of `x`, or parts of one, one sample at a
        time, such that the cells under a chunk, with a copy and the result, take no more than dask's ``array.chunk-size`` (128 MiB) and
        an eighth of a thread's share of the memory, the workers' where there is a distributed client. Large chunks read fewer cells
        twice: of a chunk of n by n outputs and a halo of h cells ``(1 + h/n)**2`` are read.
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
    spec = as_spec(spec)
    if is_labelled(x):
        result = conv(spec, x.data, weight, bias, chunks=chunks, accuracy=accuracy, threads=threads)
        over = [places(axis, size) for axis, size in zip(spec.axes, x.shape[-spec.ndim :], strict=True)]
        mixed = SAME if spec.groups == spec.in_channels == spec.out_channels else None
        return labelled(x, result, [*[SAME] * (x.ndim - spec.ndim - 1), mixed, *over])
    x = as_dask("x", x)
    weight, bias = held("weight", weight), None if bias is None else held("bias", bias)
    check_weight(spec, weight)
    check_bias(spec, bias)
    return convolved(spec, x, weight, bias, spec.output_shape(x.shape), chunks, accuracy, threads)


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
