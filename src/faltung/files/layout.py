"""A convolution of an array as it lies in a file: which axes are space, which channels, which are repeated over."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from faltung.errors import ConvShapeError
from faltung.functional.convolution import conv
from faltung.spec import ConvSpec

__all__ = ["convolved", "weight_type"]


def weight_type(kernel: Any, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type of the weight beside an array: whole numbers stay whole, others are as exact as the array is.

    >>> weight_type(np.array([-1.0, 0, 1]), np.dtype("uint16")), weight_type(np.array([0.5]), np.dtype("uint16"))
    (dtype('int64'), dtype('float32'))
    """
    if dtype.kind in "biu" and np.array_equal(kernel, np.rint(kernel)):
        return np.dtype(np.int64)
    wide = dtype.itemsize > {"i": 2, "u": 2, "f": 4, "c": 8}.get(dtype.kind, 1)  # bytes whose numbers float32 holds
    return np.dtype(np.float64 if wide else np.float32)


def convolved(spec: ConvSpec, array: Any, weight: Any) -> Any:
    """The convolution of an array of the file's axes, summed directly: the same bits whether it is taken in blocks or whole.

    Parameters
    ----------
    spec : ConvSpec
        Its spatial axes are the last ones of `array`. With one input channel all others are repeated over; with more, the
        one before space is the channels.
    array : ndarray or dask array (…, [in], *i)
    weight : array of ``spec.weight_shape``

    Returns
    -------
    ndarray or dask array (…, [out], *o)
        The type of the result as of `faltung.conv`. Without the channels' axis if there is one channel in and out.

    Raises
    ------
    ConvShapeError
        The array has too few axes, or another number of channels.

    >>> stack = np.ones((4, 5, 5), np.float32)
    >>> convolved(ConvSpec.parse("conv2d(1, 1, 3, bias=False)"), stack, np.ones((1, 1, 3, 3), np.float32)).shape
    (4, 3, 3)
    """
    has_channels = spec.in_channels > 1
    needed = spec.ndim + has_channels
    if array.ndim < needed:
        raise ConvShapeError(
            f"the array has shape {array.shape}, {array.ndim} axes; {spec} needs {needed}.", f"Use a spec of {array.ndim} spatial axes."
        )
    if array.ndim == 3 and spec.ndim == 2 and array.shape[2] in (3, 4) and min(array.shape[:2]) > 4:
        raise ConvShapeError(
            f"the array has shape {array.shape}: a picture whose colours come last, it seems.",
            "Bring them to the front, with numpy.moveaxis(array, -1, 0).",
        )
    if has_channels and array.shape[-needed] != spec.in_channels:
        raise ConvShapeError(
            f"the array has shape {array.shape}, {array.shape[-needed]} before space; {spec} takes {spec.in_channels} channels.",
            "Use one input channel to filter every plane by itself, or bring the channels to the axis before space.",
        )
    leading, tail = array.shape[: array.ndim - needed], array.shape[array.ndim - needed :]
    x = array if len(leading) == 1 else array.reshape(math.prod(leading), *tail)
    x = x if has_channels else x[:, None]
    if isinstance(array, np.ndarray):
        result = conv(spec, x, weight, accuracy="exact")
    else:
        from faltung.dask import conv as conv_blocks

        result = conv_blocks(spec, x, weight)
    if not has_channels and spec.out_channels == 1:
        result = result[:, 0]
    return result if len(leading) == 1 else result.reshape(*leading, *result.shape[1:])
