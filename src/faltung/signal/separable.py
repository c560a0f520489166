"""`sepfir2d`, as in `scipy.signal`: an image along its rows, then along its columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from faltung.engine.arrays import Array
from faltung.errors import ConvShapeError, ConvTypeError
from faltung.signal.arguments import numbers
from faltung.signal.placing import Part
from faltung.signal.sums import sums

__all__ = ["sepfir2d"]

_TYPES = {**dict.fromkeys("?bBhHef", "f"), **dict.fromkeys("iIlLqQd", "d"), "F": "F", "D": "D"}


def sepfir2d(input: object, hrow: object, hcol: object, /) -> Array:  # noqa: A002 - SciPy's name
    """Convolve an image with a row and a column of taps, its mirror images around it, as `scipy.signal.sepfir2d`.

    Parameters
    ----------
    input : array_like (h, w)
        Integers of up to 16 bits and half precision count as float32, longer ones as float64.
    hrow, hcol : array_like (k,)
        Of odd lengths; along the rows, and along the columns. Arrays have to fit into the image's type: float64 taps into
        no float32 image.

    Returns
    -------
    array (h, w)
        float32, float64, complex64 or complex128.

    Raises
    ------
    ConvShapeError, ConvTypeError

    Notes
    -----
    Edge cells come twice in the mirror images, and filters may be longer than the image, for which SciPy reads beyond its memory.

    Examples
    --------
    >>> sepfir2d([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]], [0.5, 1.0, 0.5], [1.0])
    array([[2.5, 4. , 5.5],
           [2.5, 4. , 5.5]])
    """
    image = numbers("input", input)
    if image.ndim != 2:
        raise ConvShapeError(
            f"{_depth(image, 2)}: input has shape {image.shape}, an image has 2 axes.", "Filter one image at a time, input[0]."
        )
    if image.dtype.char == "g":
        raise ConvTypeError("Incorrect type: input is of long double.", "Convert it with astype(float).")
    if image.dtype.char not in _TYPES:
        raise ConvTypeError(
            f"Cannot cast array data from {image.dtype!r} to {np.dtype(complex)!r} according to the rule 'safe'.",
            "Give an image of integers, or of real or complex floats.",
        )
    dtype = np.dtype(_TYPES[image.dtype.char])
    row, column = _taps("hrow", hrow, dtype), _taps("hcol", hcol, dtype)
    for name, taps in (("hrow", row), ("hcol", column)):
        if taps.size % 2 == 0:
            raise ConvShapeError(f"hrow and hcol must be odd length, {name} has {taps.size} taps.", "Add a tap of 0 at one end.")
    if image.size == 0:
        return np.empty(image.shape, dtype)
    image = image.astype(dtype, copy=False)
    return _along(_along(image, row[None, :], dtype), column[:, None], dtype)


def _along(image: Array, taps: Array, dtype: np.dtype[Any]) -> Array:
    parts = tuple(Part(count // 2, cells) for count, cells in zip(taps.shape, image.shape, strict=True))
    return sums(image, taps, parts, dtype, "symmetric", "exact")


def _depth(array: Array, wanted: int) -> str:
    return "object too deep for desired array" if array.ndim > wanted else "object of too small depth for desired array"


def _taps(name: str, value: object, dtype: np.dtype[Any]) -> Array:
    given = numbers(name, value)
    if given.ndim != 1:
        raise ConvShapeError(f"{_depth(given, 1)}: {name} has shape {given.shape}, a filter has 1 axis.", f"Use {name}.ravel().")
    fits = np.can_cast(given.dtype, dtype, "safe" if isinstance(value, np.ndarray) else "same_kind")
    if given.dtype.kind not in "biufc" or not fits:
        raise ConvTypeError(
            f"Cannot cast array data from {given.dtype!r} to {dtype!r} according to the rule 'safe': {name} for an image of this type.",
            f"Use {name}.astype({dtype.name!r}), or convert the image.",
        )
    return given.astype(dtype, copy=False)
