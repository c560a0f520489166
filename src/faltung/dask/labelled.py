"""Labelled arrays: an xarray ``DataArray`` in gives one out, with the dimensions, the coordinates of its outputs and the attributes.

Owns what becomes of coordinates. Xarray is never imported here: who has a ``DataArray`` has imported it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from faltung.engine.arrays import Array

__all__ = ["SAME", "Places", "is_labelled", "labelled"]

Places = tuple[Fraction, Fraction] | None
"""Where the first output stands along a dimension and how far it is to the next, in cells; None where outputs are others than the cells."""

SAME: Places = (Fraction(0), Fraction(1))


def is_labelled(x: Any) -> bool:
    """Whether `x` is a ``DataArray``."""
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(x, xarray.DataArray)


def labelled(source: Any, result: Any, places: Sequence[Places]) -> Any:
    """`result` with the labels of `source`, whose dimensions it has.

    A coordinate along a dimension is that of the cell over which an output stands. Between two cells it is interpolated, beyond the ends
    continued by the last step; where it is text, or has several dimensions that change, it is left out.
    """
    xarray = sys.modules["xarray"]
    sizes = dict(zip(source.dims, result.shape, strict=True))
    moved = dict(zip(source.dims, places, strict=True))
    coords = {}
    for name, coordinate in source.coords.items():
        found = _followed(coordinate, sizes, moved)
        if found is not None:
            coords[name] = (coordinate.dims, found, coordinate.attrs)
    return xarray.DataArray(result, dims=source.dims, coords=coords, name=source.name, attrs=source.attrs)


def _followed(coordinate: Any, sizes: Mapping[Any, int], moved: Mapping[Any, Places]) -> Any:
    """The numbers of a coordinate where the outputs stand, or None where there are none."""
    values: Any = coordinate.data
    changing = [dim for dim in coordinate.dims if moved[dim] != SAME or sizes[dim] != coordinate.sizes[dim]]
    if len(changing) > 1 or any(moved[dim] is None for dim in changing):
        return None
    for dim in changing:
        first, step = moved[dim] or (Fraction(0), Fraction(1))
        places = [first + step * number for number in range(sizes[dim])]
        axis = coordinate.dims.index(dim)
        values = _at(np.moveaxis(np.asarray(values), axis, 0), places)
        if values is None:
            return None
        values = np.moveaxis(values, 0, axis)
    return values


def _at(values: Array, places: Sequence[Fraction]) -> Array | None:
    """Entries at places along the first axis, between them and beyond them."""
    count = len(values)
    if all(place.denominator == 1 and 0 <= place < count for place in places):
        taken: Array = values[[int(place) for place in places]]
        return taken
    if count < 2 or values.dtype.kind not in "iufcmM":
        return None
    low = np.array([min(max(int(place // 1), 0), count - 2) for place in places])
    share = np.array([float(place) for place in places]) - low
    share = share.reshape(-1, *(1,) * (values.ndim - 1))
    step = values[low + 1] - values[low]
    if values.dtype.kind in "mM":  # times are whole numbers of their unit
        return np.asarray(values[low] + np.rint(step.astype(np.int64) * share).astype(np.int64).astype(step.dtype))
    return np.asarray(values[low] + step * share)
