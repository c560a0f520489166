"""Quantised convolutions as convolutions of the numbers that they stand for: (stored − zero point) · scale.

Owns which input of an ONNX operator has which role, and the words about it. NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ROLES", "dequantised", "meant", "said"]

Array = NDArray[Any]

_FLOATS = ("x", "weight", "bias")

ROLES: dict[str, tuple[str, ...]] = {
    "Conv": _FLOATS,
    "ConvTranspose": _FLOATS,
    "ConvInteger": ("x", "weight", "x zero", "weight zero"),
    "QLinearConv": ("x", "x scale", "x zero", "weight", "weight scale", "weight zero", "y scale", "y zero", "bias"),
}
"""The roles of the inputs of each operator that can be opened, in their order."""


def dequantised(stored: Array, scale: Array | None, zero: Array | None, axis: int) -> Array:
    """What quantised numbers stand for, in float32; without a scale whole numbers as they are.

    Parameters
    ----------
    stored : array
    scale, zero : array of one number or of one for each entry of `axis`, optional
    axis : int

    >>> dequantised(np.array([[0, 3], [2, 5]], np.uint8), np.array([0.5, 2], np.float32), np.array([1, 1], np.uint8), 0).tolist()
    [[-0.5, 1.0], [2.0, 8.0]]
    """

    def along(array: Array) -> Array:
        if array.size == 1:
            return array.reshape(())
        return array.reshape([-1 if dim == axis else 1 for dim in range(stored.ndim)])

    whole = stored.astype(np.int64) - (0 if zero is None else along(zero.astype(np.int64)))
    return whole.astype(np.float32) * (np.float32(1) if scale is None else along(scale.astype(np.float32)))


def meant(arrays: Mapping[str, Array], weight_axis: int = 0) -> dict[str, Array]:
    """Input, weight and bias of a convolution as the numbers that they stand for, by their roles.

    Parameters
    ----------
    arrays : mapping
        By role, with scales and zero points where numbers are quantised.
    weight_axis : int
        Along which the weight's scales are given, where there are several.
    """
    found = {role: arrays[role] for role in _FLOATS if role in arrays}
    quantised = [role for role in ("x", "weight") if f"{role} scale" in arrays or f"{role} zero" in arrays]
    for role in quantised:
        if role in found:
            axis = weight_axis if role == "weight" else 1
            found[role] = dequantised(found[role], arrays.get(f"{role} scale"), arrays.get(f"{role} zero"), axis)
    if "bias" in found and "x scale" in arrays:  # of whole numbers too
        found["bias"] = dequantised(
            found["bias"], arrays["x scale"].astype(np.float32) * arrays["weight scale"].astype(np.float32), None, 0
        )
    return found


def said(operation: str, arrays: Mapping[str, Array], dtypes: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """How the numbers of a layer are stored, as rows of a name, a value and what it means.

    Parameters
    ----------
    operation : str
        Of the node.
    arrays : mapping
        Scales and zero points, by role.
    dtypes : mapping
        Of what is quantised, by role.
    """
    rows = []
    for role, name in (("weight", "weights"), ("x", "input")):
        if role not in dtypes:
            continue
        scale, zero = arrays.get(f"{role} scale"), arrays.get(f"{role} zero")
        words = [dtypes[role], "no scale" if scale is None else f"scale {_some(scale)}", f"zero point {_some(zero)}"]
        shown = "stored − zero point" if scale is None else "(stored − zero point) · scale"
        rows.append((f"{name}, as stored", ", ".join(words), f"shown as {shown}"))
    if operation == "ConvInteger":
        rows.append(("outputs", "whole numbers", "as the layer gives them: scales come later in the network"))
    if "y scale" in arrays:
        kept = f"scale {_some(arrays['y scale'])}, zero point {_some(arrays.get('y zero'))}"
        rows.append(("outputs, as stored", kept, "rounded to multiples of the scale by the network, and cut off where its type ends"))
    return rows


def _some(numbers: Array | None) -> str:
    """One number, or the span of several; a zero point that is left out is 0.

    >>> _some(np.array([0.25], np.float32)), _some(np.array([1, 3, 2]))
    ('0.25', '1 to 3, one for each output channel')
    """
    if numbers is None:
        return "0"
    least, most = numbers.min(), numbers.max()
    if least == most:
        return _short(least)
    return f"{_short(least)} to {_short(most)}, one for each output channel"


def _short(number: Any) -> str:
    return f"{number:.4g}" if isinstance(number, np.floating) else str(number)
