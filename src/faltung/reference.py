"""The definition of convolution, naive and readable: what every other number is checked against.

A convolution is a list of products. Along each axis a window slides over the input, one stride at a time,
until it no longer fits; wherever output o, kernel tap k and input cell i meet, the product
``weight[k] * input[i]`` is added to ``output[o]``. `meetings` writes that list down for one axis, by sliding
and without any formula for sizes; everything else loops over it. A transposed convolution has the same
list with the roles of input and output exchanged. The gradients have the same list too.

Imports only `errors` and `spec`, and takes nothing from `geometry`, so that it cannot share its mistakes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faltung.errors import ConvShapeError
from faltung.spec import ConvSpec

__all__ = ["conv", "conv_input_grad", "conv_weight_grad", "meetings"]

Array = NDArray[Any]

Meeting = tuple[int, int, int | None]
"""Small-side position, kernel tap, large-side position (None: a zero of the padding)."""


def kernel_cells(kernel: int, dilation: int) -> list[int]:
    """Where the taps of a dilated kernel lie: 0, dilation, 2*dilation and so on."""
    return [tap * dilation for tap in range(kernel)]


def slide(size: int, cells: list[int], stride: int) -> list[int]:
    """Where the window begins: from 0 in steps of `stride`, until its last cell leaves `size`."""
    starts = []
    start = 0
    while start + cells[-1] < size:
        starts.append(start)
        start += stride
    return starts


def rule_sides(rule: str, size: int, cells: list[int], stride: int) -> tuple[int, int]:
    """Padding before and after an axis of `size` cells, from what the rule promises."""
    reach = cells[-1]  # so many cells of the window can lie outside while one lies inside
    if rule == "valid":
        return 0, 0
    if rule == "full":
        return reach, reach
    if rule == "causal":
        return reach, 0
    # SAME: one window for every stride that begins inside the input; pad until so many fit.
    wanted = len(range(0, size, stride))
    total = 0
    while len(slide(size + total, cells, stride)) < wanted:
        total += 1
    smaller, larger = total // 2, total - total // 2
    return (larger, smaller) if rule == "same_lower" else (smaller, larger)


def source(position: int, size: int, mode: str) -> int | None:
    """The cell of the axis that stands at `position`, walking back from outside; None: a zero.

    >>> [source(position, 3, "reflect") for position in range(-3, 6)]
    [1, 2, 1, 0, 1, 2, 1, 0, 1]
    """
    while not 0 <= position < size:
        if mode == "zeros":
            return None
        if size == 0:
            raise ConvShapeError(f"padding_mode={mode!r} has no cell to repeat on an empty axis.", "Use padding_mode='zeros'.")
        if mode == "replicate" or size == 1:
            position = min(max(position, 0), size - 1)
        elif mode == "circular":
            position += size if position < 0 else -size
        elif mode == "reflect":
            position = -position if position < 0 else 2 * (size - 1) - position
        else:
            position = -1 - position if position < 0 else 2 * size - 1 - position
    return position


def meetings(spec: ConvSpec, axis: int, input_size: int) -> tuple[list[Meeting], int]:
    """Every product along one axis, and the output size.

    Returns
    -------
    list of (small, tap, large)
        For a correlation small is the output position and large the input position; for a transposed
        convolution small is the input position and large the output position.
    output_size : int
    """
    cells = kernel_cells(spec.kernel_size[axis], spec.dilation[axis])
    stride = spec.stride[axis]
    padding = spec.padding
    if not spec.transposed:
        before, after = rule_sides(padding, input_size, cells, stride) if isinstance(padding, str) else padding[axis]
        starts = slide(input_size + before + after, cells, stride)
        large_size, output_size = input_size, len(starts)
    else:
        starts = [small * stride for small in range(input_size)]
        stamped = starts[-1] + cells[-1] + 1 if starts else 0
        if isinstance(padding, str) and padding.startswith("same"):
            large_size = len(starts) * stride  # so that SAME of it gives the input back
            before, after = rule_sides(padding, large_size, cells, stride)
        else:
            before, after = rule_sides(padding, 0, cells, stride) if isinstance(padding, str) else padding[axis]
            large_size = max(stamped - before - after + spec.output_padding[axis], 0) if starts else 0
        output_size = large_size
    found: list[Meeting] = []
    for small, start in enumerate(starts):
        for tap, cell in enumerate(cells):
            found.append((small, tap, source(start + cell - before, large_size, spec.padding_mode)))
    return found, output_size


def products(spec: ConvSpec, input_size: tuple[int, ...]) -> tuple[Iterator[tuple[Meeting, ...]], tuple[int, ...]]:
    """Every combination of one meeting per axis, and the output size."""
    lists, sizes = zip(*(meetings(spec, axis, size) for axis, size in enumerate(input_size)), strict=True)
    return itertools.product(*lists), tuple(sizes)


def accumulator(*arrays: Array) -> np.dtype[Any]:
    """A type in which to sum: 64 bits for integers, the widest there is for the rest."""
    dtypes = [np.dtype(np.float32) if array.dtype.name == "bfloat16" else array.dtype for array in arrays]
    dtype = np.result_type(*dtypes)
    if dtype.kind == "f" and all(given.kind in "bui" for given in dtypes):
        return np.dtype(np.int64)  # uint64 with a signed type: NumPy would leave the integers
    if dtype.kind == "u":
        return np.dtype(np.uint64)
    return np.dtype({"b": np.int64, "i": np.int64, "f": np.longdouble, "c": np.clongdouble}[dtype.kind])


def by_group(array: Array, groups: int, axis: int, dtype: np.dtype[Any]) -> Array:
    """`array` with its channel axis split into (groups, channels of a group)."""
    shape = array.shape
    return array.astype(dtype).reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])


Index = tuple[Any, ...]


def split(meeting: tuple[Meeting, ...], spec: ConvSpec) -> tuple[Index, Index, Index | None]:
    """Indices of the trailing axes (small, weight, large) of a product; large is None where it is a zero of the padding."""
    small, taps, large = zip(*meeting, strict=True)
    if spec.flip:
        taps = tuple(kernel - 1 - tap for tap, kernel in zip(taps, spec.kernel_size, strict=True))
    return (..., *small), (..., *taps), None if None in large else (..., *large)


def conv(spec: ConvSpec, x: Array, weight: Array, bias: Array | None = None) -> Array:
    """The convolution of a batch, by its definition.

    Parameters
    ----------
    x : array (N, in, *input_size)
    weight : array of ``spec.weight_shape``
    bias : array (out,), optional

    Returns
    -------
    array (N, out, *output_size)
        int64 or uint64 for integers, else the widest floating or complex type of the machine.

    >>> ones = np.ones((1, 1, 3), int)
    >>> conv(ConvSpec(1, 1, 2, padding=1, ndim=1), ones, ones[..., :2])
    array([[[1, 2, 2, 1]]])
    """
    dtype = accumulator(x, weight) if bias is None else accumulator(x, weight, bias)
    inputs = by_group(x, spec.groups, 1, dtype)
    # (groups, from, to, *kernel): a transposed weight has its input channels first
    kernels = by_group(weight, spec.groups, 0, dtype)
    if not spec.transposed:
        kernels = kernels.swapaxes(1, 2)
    every_product, output_size = products(spec, x.shape[2:])
    out = np.zeros((x.shape[0], spec.groups, spec.out_channels // spec.groups, *output_size), dtype)
    zero = np.zeros(inputs.shape[:3], dtype)
    with np.errstate(all="ignore"):
        for meeting in every_product:
            small, taps, large = split(meeting, spec)
            read, write = (small, large) if spec.transposed else (large, small)
            if write is None:
                continue  # stamped outside the output: cropped
            value = zero if read is None else inputs[read]
            out[write] += np.einsum("ngi,gio->ngo", value, kernels[taps])
        result = out.reshape(x.shape[0], spec.out_channels, *output_size)
        if bias is not None:
            result = result + bias.astype(dtype).reshape(-1, *(1,) * spec.ndim)
    return result


def conv_input_grad(spec: ConvSpec, grad: Array, weight: Array, input_size: tuple[int, ...]) -> Array:
    """The gradient with respect to the input: each product hands ``weight * grad`` back to its input cell.

    Parameters
    ----------
    grad : array (N, out, *output_size)
    weight : array of ``spec.weight_shape``; complex ones are conjugated
    input_size : tuple of int

    Returns
    -------
    array (N, in, *input_size)
    """
    dtype = accumulator(grad, weight)
    grads = by_group(grad, spec.groups, 1, dtype)
    kernels = by_group(weight, spec.groups, 0, dtype).conj()
    if not spec.transposed:
        kernels = kernels.swapaxes(1, 2)
    every_product, _ = products(spec, input_size)
    out = np.zeros((grad.shape[0], spec.groups, spec.in_channels // spec.groups, *input_size), dtype)
    with np.errstate(all="ignore"):
        for meeting in every_product:
            small, taps, large = split(meeting, spec)
            if large is None:
                continue  # a padding zero has no gradient; a cropped output sends none back
            write, read = (small, large) if spec.transposed else (large, small)
            out[write] += np.einsum("ngo,gio->ngi", grads[read], kernels[taps])
    return out.reshape(grad.shape[0], spec.in_channels, *input_size)


def conv_weight_grad(spec: ConvSpec, x: Array, grad: Array) -> Array:
    """The gradient with respect to the weight: each product hands ``input * grad`` to its tap.

    Parameters
    ----------
    x : array (N, in, *input_size); complex ones are conjugated
    grad : array (N, out, *output_size)

    Returns
    -------
    array of ``spec.weight_shape``
    """
    dtype = accumulator(x, grad)
    inputs = by_group(x, spec.groups, 1, dtype).conj()
    grads = by_group(grad, spec.groups, 1, dtype)
    every_product, _ = products(spec, x.shape[2:])
    out = np.zeros((spec.groups, spec.in_channels // spec.groups, spec.out_channels // spec.groups, *spec.kernel_size), dtype)
    zero = np.zeros(inputs.shape[:3], dtype)
    with np.errstate(all="ignore"):
        for meeting in every_product:
            small, taps, large = split(meeting, spec)
            read, received = (small, large) if spec.transposed else (large, small)
            if received is None or not len(inputs):
                continue  # cropped; of no samples NumPy 2.4's einsum leaves what was in memory
            value = zero if read is None else inputs[read]
            out[taps] += np.einsum("ngi,ngo->gio", value, grads[received])
    if not spec.transposed:
        out = out.swapaxes(1, 2)
    return out.reshape(spec.weight_shape)
