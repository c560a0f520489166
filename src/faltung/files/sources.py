"""Files opened as arrays: small ones as NumPy arrays, large ones as dask arrays that read what a task needs."""

from __future__ import annotations

import math
import tokenize
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from faltung.errors import ConvTypeError
from faltung.extras import optional
from faltung.files.errors import FileError, unreadable
from faltung.files.kinds import Kind
from faltung.files.tiff import first_series, opened_tif, tifffile

__all__ = ["BLOCK_BYTES", "WHOLE_BYTES", "block_sizes", "open_array"]

BLOCK_BYTES = 2**24
"""Of the blocks in which files are read: large beside their halos and what a task costs, small beside memory."""

WHOLE_BYTES = 2**27
"""Arrays up to this size are read whole."""

_UNREADABLE = (ValueError, EOFError, SyntaxError, TypeError, KeyError, OverflowError, RecursionError, MemoryError, tokenize.TokenError)
"""What ``numpy.load`` raises on files that are no array: it reads their header as Python text."""


def open_array(path: Path, kind: Kind, ndim: int) -> Any:
    """The array in a file.

    Parameters
    ----------
    path : Path
    kind : {"npy", "zarr", "tif"}
    ndim : int
        How many of its last axes will be convolved; large files are cut into blocks along these.

    Returns
    -------
    ndarray or dask array
        An ndarray (mapped, for ``.npy``) up to `WHOLE_BYTES`. Samples of a TIFF's pixels come before its rows.

    Raises
    ------
    FileError
        There is no such file, or it is no array.
    ConvTypeError
        It has no numbers.
    """
    try:
        if not path.exists():
            raise FileError(f"there is no file {str(path)!r}.", "Check the path.")
        array = {"npy": _npy, "zarr": _zarr, "tif": _tif}[kind](path, ndim)
    except OSError as error:
        raise FileError(f"cannot read {str(path)!r}: {error.strerror or error}.", "Check the path and its permissions.") from None
    if array.dtype.kind not in "biufc":
        raise ConvTypeError(f"{str(path)!r} holds {array.dtype} values, numbers are needed.", "Convert it first.")
    return array


def block_sizes(shape: tuple[int, ...], itemsize: int, ndim: int, unit: tuple[int, ...] | None = None) -> tuple[int, ...]:
    """Blocks of about `BLOCK_BYTES`, equal along the last `ndim` axes, in multiples of what a file stores together.

    >>> block_sizes((3, 40000, 40000), 4, 2), block_sizes((3, 40000, 40000), 4, 2, (1, 1, 40000))
    ((1, 2048, 2048), (1, 104, 40000))
    """
    unit = unit or (1,) * len(shape)
    sizes = list(unit)
    growing = list(range(len(shape) - ndim, len(shape)))
    while growing:
        side = (BLOCK_BYTES / itemsize / math.prod(size for axis, size in enumerate(sizes) if axis not in growing)) ** (1 / len(growing))
        full = [axis for axis in growing if shape[axis] <= side or unit[axis] >= side]
        if full:  # the whole axis, or what is stored together is longer than there is room for: the others share what is left
            for axis in full:
                sizes[axis] = shape[axis] if shape[axis] <= side else unit[axis]
            growing = [axis for axis in growing if axis not in full]
            continue
        for axis in growing:
            sizes[axis] = max(int(side) // unit[axis], 1) * unit[axis]
        break
    return tuple(max(min(size, extent), 1) for size, extent in zip(sizes, shape, strict=True))


class _Reopened:
    """An array in a file that is opened for each block: between them nothing stays open, and no page of a map stays in memory."""

    def __init__(self, path: Path, opened: Callable[[Path], AbstractContextManager[Any]]) -> None:
        self._path, self._opened = path, opened
        with opened(path) as array:
            self.shape, self.dtype, self.unit = array.shape, array.dtype, getattr(array, "chunks", None)
        self.ndim = len(self.shape)

    def __getitem__(self, place: Any) -> Any:
        with self._opened(self._path) as array:
            return np.array(array[place])


def _in_blocks(path: Path, opened: Callable[[Path], AbstractContextManager[Any]], ndim: int) -> Any:
    """The file as a dask array. It is named after the file's state: reading all of it for a name would take as long as the work."""
    da = optional("dask.array", extra="dask", purpose="arrays larger than memory")
    array = _Reopened(path.absolute(), opened)
    chunks = block_sizes(array.shape, array.dtype.itemsize, ndim, array.unit)
    return da.from_array(array, chunks=chunks, name=_named(path), meta=np.empty((0,) * array.ndim, array.dtype))


@contextmanager
def _npy_map(path: Path) -> Iterator[Any]:
    yield np.load(path, mmap_mode="r", allow_pickle=False)


@contextmanager
def _tif_map(path: Path) -> Iterator[Any]:
    yield tifffile().memmap(path, mode="r")


@contextmanager
def _tif_tiles(path: Path) -> Iterator[Any]:
    """The pixels of a TIFF that is stored in tiles or strips, as a zarr array."""
    zarr = optional("zarr", extra="dask", purpose="reading TIFF in parts")
    store = tifffile().imread(path, aszarr=True)
    try:
        opened = zarr.open(store, mode="r")
        yield opened if hasattr(opened, "dtype") else opened["0"]  # a group where smaller copies of the image are beside it
    finally:
        store.close()


def _named(path: Path) -> str:
    state = path.stat()
    tokenize_of = optional("dask.base", extra="dask", purpose="arrays larger than memory").tokenize
    return f"file-{tokenize_of(str(path.absolute()), state.st_size, state.st_mtime_ns)}"


def _npy(path: Path, ndim: int) -> Any:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _UNREADABLE as error:
        raise FileError(f"{str(path)!r} is no readable .npy array: {str(error).rstrip('.')}.", "Write it with numpy.save.") from None
    return array if array.nbytes <= WHOLE_BYTES else _in_blocks(path, _npy_map, ndim)


def _zarr(path: Path, ndim: int) -> Any:
    zarr = optional("zarr", extra="dask", purpose="reading zarr")
    try:
        opened = zarr.open(str(path), mode="r")
    except Exception as error:  # noqa: BLE001 - of a damaged store anything
        raise unreadable(path, "zarr store", error) from None
    if not hasattr(opened, "dtype"):
        names = [name for name, _ in opened.arrays()]
        most = f"Name one of them, such as {path / names[0]}." if names else "There is none in it."
        raise FileError(f"{str(path)!r} is a group of {len(names)} arrays: {', '.join(names) or 'none'}.", most)
    if opened.nbytes <= WHOLE_BYTES:
        try:
            return np.asarray(opened[...])
        except Exception as error:  # noqa: BLE001 - of each codec its own
            raise unreadable(path, "zarr store", error) from None
    da = optional("dask.array", extra="dask", purpose="arrays larger than memory")
    unit = getattr(opened, "shards", None) or opened.chunks
    return da.from_zarr(str(path), chunks=block_sizes(opened.shape, opened.dtype.itemsize, ndim, unit))


def _tif(path: Path, ndim: int) -> Any:
    with opened_tif(path) as tif:
        series = first_series(tif, path)
        place = series.axes.find("S")
        mapped = series.dataoffset is not None and series.dtype.isnative
        large = series.nbytes > WHOLE_BYTES
        try:
            array = _in_blocks(path, _tif_map if mapped else _tif_tiles, ndim + (place >= 0)) if large else series.asarray()
        except Exception as error:  # noqa: BLE001 - codecs that tifffile leaves to another package, damage of any kind
            raise FileError(
                f"{str(path)!r} cannot be decoded: {str(error).rstrip('.')}.", "Install imagecodecs, or store it without compression."
            ) from None
    if place < 0:
        return array
    return np.moveaxis(array, place, -3) if isinstance(array, np.ndarray) else _samples_first(array, place)


def _samples_first(array: Any, place: int) -> Any:
    da = optional("dask.array", extra="dask", purpose="arrays larger than memory")
    return da.moveaxis(array, place, -3)
