"""TIFF files opened, damaged ones refused in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from faltung.extras import optional
from faltung.files.errors import FileError, unreadable

__all__ = ["first_series", "opened_tif", "tifffile"]


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
