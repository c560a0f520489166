"""`unfold` and `fold`: a convolution's windows as columns of a matrix, and back (im2col and col2im)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from faltung.engine.arrays import Array, as_array, new_array, trailing
from faltung.errors import ConvShapeError
from faltung.normal_form import entries
from faltung.spec import ConvSpec

__all__ = ["fold", "unfold"]

Ints = int | Sequence[int]


def unfold(x: object, kernel_size: Ints, dilation: Ints = 1, padding: Ints | Sequence[Sequence[int]] = 0, stride: Ints = 1) -> Array:
    """The windows of a convolution as columns, as ``torch.nn.functional.unfold``; any number of axes.

    Parameters
    ----------
    x : array (N, C, *i) or (C, *i)
        The rank is read off `kernel_size`; where that is an int, x is a 4-D batch or a 3-D image.
    kernel_size, dilation, padding, stride
        As in `ConvSpec`; padding with zeros, in numbers.

    Returns
    -------
    array (N, C*prod(kernel_size), L) or (C*prod(kernel_size), L)
        L is the number of output positions; channels vary slowest along the middle axis.

    Raises
    ------
    ConvSpecError, ConvShapeError

    Examples
    --------
    >>> import numpy as np
    >>> unfold(np.arange(9).reshape(1, 3, 3), 2)
    array([[0, 1, 3, 4],
           [1, 2, 4, 5],
           [3, 4, 6, 7],
           [4, 5, 7, 8]])
    """
    array = as_array("x", x)
    spec = _window_spec(kernel_size, dilation, padding, stride, min(max(array.ndim - 1, 1), 2) if array.ndim < 4 else array.ndim - 2)
    batch, channels, size = _split(spec, array)
    outputs = spec.output_size(size)
    sides = spec.sides(size)
    cropped = array[trailing(slice(max(-before, 0), n - max(-after, 0)) for (before, after), n in zip(sides, size, strict=True))]
    inside = trailing(slice(max(before, 0), max(before, 0) + n) for (before, _), n in zip(sides, cropped.shape[-spec.ndim :], strict=True))
    padded_size = tuple(n + max(before, 0) + max(after, 0) for (before, after), n in zip(sides, cropped.shape[-spec.ndim :], strict=True))
    columns = new_array("the result", (*batch, channels, *spec.kernel_size, *outputs), array.dtype)
    padded = new_array("the padded input", (*batch, channels, *padded_size), array.dtype, zeros=True)
    padded[inside] = cropped
    for taps in np.ndindex(*spec.kernel_size):
        columns[(slice(None),) * (len(batch) + 1) + taps] = padded[trailing(_window(spec, taps, outputs))]
    return columns.reshape(*batch, channels * math.prod(spec.kernel_size), math.prod(outputs))


def fold(
    x: object,
    output_size: Ints,
    kernel_size: Ints,
    dilation: Ints = 1,
    padding: Ints | Sequence[Sequence[int]] = 0,
    stride: Ints = 1,
) -> Array:
    """Add columns back where `unfold` took them: its adjoint, as ``torch.nn.functional.fold``.

    Parameters
    ----------
    x : array (N, C*prod(kernel_size), L) or (C*prod(kernel_size), L)
    output_size : int or tuple of int
        Spatial size of the result, an int for a square; several give the same L.
    kernel_size, dilation, padding, stride
        As of `unfold`.

    Returns
    -------
    array (N, C, *output_size) or (C, *output_size)
        Cells that lie in several windows hold their sum.

    Raises
    ------
    ConvSpecError, ConvShapeError

    Examples
    --------
    >>> import numpy as np
    >>> fold(np.ones((4, 4), int), (3, 3), 2)
    array([[[1, 2, 1],
            [2, 4, 2],
            [1, 2, 1]]])
    """
    columns = as_array("x", x)
    spec = _window_spec(kernel_size, dilation, padding, stride, len(entries(output_size) or (0, 0)))
    size = spec.checked_size("output_size", output_size)
    outputs = spec.output_size(size)
    taps, positions = math.prod(spec.kernel_size), math.prod(outputs)
    if columns.ndim not in (2, 3) or columns.shape[-2] % taps or columns.shape[-1] != positions:
        windows = "*".join(map(str, outputs))
        raise ConvShapeError(
            f"x has shape {columns.shape}, expected (N, C*{taps}, {positions})"
            f" with {taps} = prod(kernel_size) and {positions} = {windows} windows.",
            f"output_size={size} with this kernel, stride, padding and dilation has {positions} windows.",
        )
    batch, channels = columns.shape[:-2], columns.shape[-2] // taps
    sides = spec.sides(size)
    canvas_size = tuple(n + max(before, 0) + max(after, 0) for (before, after), n in zip(sides, size, strict=True))
    canvas = new_array("the result", (*batch, channels, *canvas_size), columns.dtype, zeros=True)
    windowed = columns.reshape(*batch, channels, *spec.kernel_size, *outputs)
    # A negative side begins inside the canvas: windows there start at the cropped cell.
    offsets = tuple(max(-before, 0) for before, _ in sides)
    for tap in itertools.product(*map(range, spec.kernel_size)):
        window = tuple(slice(cut.start + o, cut.stop + o, cut.step) for cut, o in zip(_window(spec, tap, outputs), offsets, strict=True))
        canvas[trailing(window)] += windowed[(slice(None),) * (len(batch) + 1) + tap]
    folded: Array = canvas[trailing(slice(max(before, 0), max(before, 0) + n) for (before, _), n in zip(sides, size, strict=True))]
    return folded


def _window_spec(kernel_size: Ints, dilation: Ints, padding: Ints | Sequence[Sequence[int]], stride: Ints, ndim: int) -> ConvSpec:
    """The windows as a spec; of `ndim` axes where `kernel_size` does not tell."""
    return ConvSpec(1, 1, kernel_size, stride, padding, dilation, ndim=None if isinstance(kernel_size, Sequence) else ndim)


def _split(spec: ConvSpec, array: Array) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    """Batch, channels and spatial size of an array of any number of channels."""
    if array.ndim not in (spec.ndim + 1, spec.ndim + 2):
        raise ConvShapeError(
            f"x has shape {array.shape}, {array.ndim} axes; a window of {spec.ndim} axes"
            f" takes {spec.ndim + 2} (N, C, …) or {spec.ndim + 1} (C, …).",
            "Give kernel_size one entry per spatial axis.",
        )
    return array.shape[: -spec.ndim - 1], array.shape[-spec.ndim - 1], array.shape[-spec.ndim :]


def _window(spec: ConvSpec, taps: tuple[int, ...], outputs: tuple[int, ...]) -> tuple[slice, ...]:
    """The cells of the padded input that the given tap meets, over all output positions."""
    rows = zip(taps, spec.dilation, outputs, spec.stride, strict=True)
    return tuple(slice(t * d, t * d + (o - 1) * s + 1 if o else t * d, s) for t, d, o, s in rows)
