"""Which files hold arrays, whose values are kept, and which hold pictures, whose values are 0 … 255."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from faltung.files.tiff import first_series, opened_tif
from faltung.photo import MAX_PIXELS

__all__ = ["Kind", "input_kind", "is_array_name"]

Kind = Literal["npy", "zarr", "tif", "picture"]


def _by_name(path: Path) -> Kind:
    if any(part.lower().endswith(".zarr") for part in path.parts):  # an array inside a group is a path that goes on
        return "zarr"
    return {".npy": "npy", ".tif": "tif", ".tiff": "tif"}.get(path.suffix.lower(), "picture")  # type: ignore[return-value]


def is_array_name(path: Path) -> bool:
    """Whether a file of this name can hold an array as it is.

    >>> [is_array_name(Path(name)) for name in ("a.npy", "b.zarr", "b.zarr/inner", "c.TIF", "d.png")]
    [True, True, True, True, False]
    """
    return _by_name(path) != "picture"


def input_kind(path: Path) -> Kind:
    """What is read from a file. A TIFF of 8 bits is a picture unless it is larger than pictures may be."""
    kind = _by_name(path)
    if kind != "tif" or not path.is_file() or path.stat().st_size == 0:
        return kind
    with opened_tif(path) as tif:
        series = first_series(tif, path)
        is_small = series.size <= 3 * MAX_PIXELS and series.ndim <= 3
        return "picture" if series.dtype.kind in "ub" and series.dtype.itemsize == 1 and is_small else "tif"
