"""Which files hold arrays, whose values are kept, and which hold pictures, whose values are 0 … 255."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from faltung.errors import ConvError, shown
from faltung.extras import optional
from faltung.photo import MAX_PIXELS

__all__ = ["FileError", "Kind", "first_series", "input_kind", "is_array_name", "opened_tif", "tifffile"]

Kind = Literal["npy", "zarr", "tif", "picture"]


class FileError(ConvError):
    """A file of an array that cannot be read or written."""


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


def tifffile() -> Any:
    """The module tifffile."""
    return optional("tifffile", extra="dask", purpose="reading and writing TIFF as arrays")


def opened_tif(path: Path) -> Any:
    """A TIFF as tifffile opens it, to be closed."""
    try:
        tif = tifffile().TiffFile(path)
    except Exception as error:  # noqa: BLE001 - of a damaged file anything
        raise unreadable(path, "TIFF", error) from None
    try:
        _check_pages(tif, path)
    except (FileError, OSError, ValueError, OverflowError) as error:
        tif.close()
        raise error if isinstance(error, FileError) else unreadable(path, "TIFF", error) from None
    return tif


def first_series(tif: Any, path: Path) -> Any:
    """The first image of a TIFF, with all its pages."""
    try:
        series = tif.series
        is_empty = not series or series[0].dtype is None
    except Exception as error:  # noqa: BLE001 - of a damaged file anything
        raise unreadable(path, "TIFF", error) from None
    if is_empty:
        raise FileError(f"{str(path)!r} holds no image.", "Fetch or export it again.")
    return series[0]


def unreadable(path: Path, what: str, error: Exception) -> FileError:
    """The error for a file that a library could not read, which said `error`."""
    said = str(error).rstrip(".") or type(error).__name__
    return FileError(f"{str(path)!r} is no readable {what}: {shown(said)}.", "Fetch or export it again.")


def _check_pages(tif: Any, path: Path) -> None:
    """That the pages, each of which says where the next one lies, come to an end: tifffile follows a circle for hours."""
    form, file, seen = tif.tiff, tif.filehandle, set()
    file.seek(8 if form.version == 43 else 4)
    while True:
        raw = file.read(form.offsetsize)
        place = int.from_bytes(raw, "little" if form.byteorder == "<" else "big")
        if len(raw) < form.offsetsize or place == 0:
            return
        if place in seen:
            raise FileError(
                f"{str(path)!r} is no readable TIFF: the page after one of its pages is one before it.", "Fetch or export it again."
            )
        seen.add(place)
        file.seek(place)
        tags = int.from_bytes(file.read(form.tagnosize), "little" if form.byteorder == "<" else "big")
        file.seek(place + form.tagnosize + tags * form.tagsize)
