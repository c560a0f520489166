"""A convolution of one size as a sparse matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from faltung.borders import images
from faltung.engine.arrays import Array
from faltung.errors import ConvShapeError
from faltung.geometry import Axis
from faltung.identities.rewritten import channel_groups, common_dtype, read, reversed_kernel
from faltung.spec import ConvSpec

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["as_matrix", "check_entries", "meetings"]

MAX_ENTRIES = 2**28


def as_matrix(spec: ConvSpec | str, weight: object, input_size: int | Sequence[int]) -> csr_array:
    """The sparse matrix whose product with a flattened input is the flattened convolution, without bias.

    Parameters
    ----------
    spec : ConvSpec or str
        Any: groups, stride, dilation, every padding mode and rule, transposed, flip.
    weight : array of ``spec.weight_shape``
    input_size : int or tuple of int
        Spatial.

    Returns
    -------
    scipy.sparse.csr_array (out * prod(o), in * prod(i))
        Rows are outputs (oc, *o) and columns inputs (ic, *i), both flattened in C order. Every entry where a tap meets a cell is
        stored, also where the weight is 0: the pattern depends on the spec alone. The dtype is int64 or uint64 of integers, float32 of
        float16 and bfloat16, else the weight's.

    Raises
    ------
    ConvSpecError, ConvShapeError, ConvTypeError
        ConvShapeError also where more than 2**28 entries would be stored.

    Notes
    -----
    Convolution is linear, and the weight between two cells depends on their distance alone: along an axis the matrix is Toeplitz, with
    circular padding circulant and so diagonalised by the discrete Fourier transform (Gray, "Toeplitz and Circulant Matrices: A
    Review", 2006, §3.1). Its transpose is the matrix of ``spec.adjoint(input_size).input_grad`` with the same weight, the transposed
    convolution (Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2018, §4.1). Entries are weights, or exact
    sums of them where padding repeats a cell.

    Examples
    --------
    >>> as_matrix("conv1d(1, 1, 3)", np.array([[[1, 2, 3]]]), 5).toarray()
    array([[1, 2, 3, 0, 0],
           [0, 1, 2, 3, 0],
           [0, 0, 1, 2, 3]])
    >>> as_matrix("conv1d(1, 1, 3, padding=1, padding_mode='circular')", np.array([[[1, 2, 3]]]), 4).toarray()
    array([[2, 3, 0, 1],
           [1, 2, 3, 0],
           [0, 1, 2, 3],
           [3, 0, 1, 2]])
    """
    from scipy.sparse import coo_array

    spec, kernel, _ = read(spec, weight)
    input_size = spec.checked_size("input_size", input_size)
    output_size = spec.output_size(input_size)
    large, small = (output_size, input_size) if spec.transposed else (input_size, output_size)
    most = math.prod(small) * math.prod(spec.weight_shape)
    check_entries("the matrix", most, f"{math.prod(small)} windows * {math.prod(spec.weight_shape)} weights")
    dtype = common_dtype(weight=kernel)
    if dtype.name in ("float16", "bfloat16"):
        dtype = np.dtype(np.float32)  # scipy.sparse has no shorter one
    values = channel_groups((reversed_kernel(kernel) if spec.flip else kernel).astype(dtype), spec.groups)
    sides = spec.sides(input_size)
    rows = zip(spec.axes, small, large, sides, strict=True)
    lists = [meetings(axis, few, many, before, spec.padding_mode) for axis, few, many, (before, _) in rows]
    at_small, at_tap, at_large = (
        _flattened([part[position] for part in lists], extents) for position, extents in ((0, small), (1, spec.kernel_size), (2, large))
    )
    groups, first, second = values.shape[:3]
    entries = values.reshape(groups, first, second, -1)[..., at_tap]
    # The weight's first channels are those of the small side, its second those of the large side, in either direction.
    channel = np.arange(groups)[:, None, None]
    firsts = channel * first + np.arange(first)[:, None]
    seconds = channel * second + np.arange(second)
    small_index = np.broadcast_to((firsts * math.prod(small))[..., None] + at_small, entries.shape).ravel()
    large_index = np.broadcast_to((seconds * math.prod(large))[..., None] + at_large, entries.shape).ravel()
    row, column = (large_index, small_index) if spec.transposed else (small_index, large_index)
    shape = (spec.out_channels * math.prod(output_size), spec.in_channels * math.prod(input_size))
    return coo_array((entries.ravel(), (row, column)), shape=shape).tocsr()


def meetings(axis: Axis, small: int, large: int, before: int, mode: str) -> tuple[Array, Array, Array]:
    """Where a small-side position, a tap and a large-side cell meet along one axis: three arrays of equal length.

    >>> [array.tolist() for array in meetings(Axis(0, 2), 2, 2, 1, "circular")]
    [[0, 0, 1, 1], [0, 1, 0, 1], [1, 0, 0, 1]]
    """
    position = np.arange(small)[:, None] * axis.stride + np.arange(axis.kernel) * axis.dilation - before
    if position.size == 0 or large == 0:
        return (np.zeros(0, np.int64),) * 3
    first, last = int(position.min()), int(position.max())
    before, after = max(-first, 0), max(last + 1 - large, 0)
    check_entries(f"the table of cells along axis {axis.index}", before + large + after, f"{before} + {large} + {after} cells")
    cell = np.full(before + large + after, -1)
    for image in images(large, before, after, mode):
        start = before + image.start
        cell[start : start + image.length] = image.target + image.step * np.arange(image.length)
    source = cell[position + before]
    small_at, tap_at = np.nonzero(source >= 0)
    return small_at, tap_at, source[small_at, tap_at]


def check_entries(what: str, entries: int, arithmetic: str) -> None:
    """Raise `ConvShapeError` if `entries`, which `arithmetic` spells, are too many to store."""
    if entries > MAX_ENTRIES:
        raise ConvShapeError(
            f"{what} would have {arithmetic} = {entries} entries, more than {MAX_ENTRIES} = 2**28.",
            "Use a smaller input; fl.conv computes the same without a matrix.",
        )


def _flattened(positions: list[Array], extents: Sequence[int]) -> Array:
    """Every combination of one position from each axis, as an index into the flattened axes."""
    index: Any = np.zeros(1, np.int64)
    for position, extent in zip(positions, extents, strict=True):
        index = (index[:, None] * extent + position).ravel()
    return np.asarray(index)
