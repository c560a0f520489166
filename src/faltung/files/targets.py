"""Arrays stored in files, in parts, and under their name only when they are whole."""

from __future__ import annotations

import os
import shutil
import uuid
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from faltung.amounts import readable_bytes
from faltung.errors import ConvTypeError
from faltung.extras import optional
from faltung.files.errors import FileError
from faltung.files.sources import block_sizes
from faltung.files.tiff import tifffile
from faltung.places import refuse_device

__all__ = ["store_array"]


def store_array(array: Any, path: Path, *, resume: bool = False, overwrite: bool = False, progress: Any = "auto") -> None:
    """Write an array to a ``.npy``, ``.tif`` or ``.zarr`` file.

    Parameters
    ----------
    array : ndarray or dask array
        Of a dask array a block is in memory for each thread.
    path : Path
        Missing folders are made. A ``.npy`` or ``.tif`` file that is there is replaced, a ``.zarr`` store with `overwrite` alone.
    resume, overwrite, progress
        As `faltung.dask.to_zarr`; only zarr stores can be resumed.

    Raises
    ------
    FileError, faltung.dask.StorageError
        The place cannot be written, the disk is full.
    """
    if resume and not path.suffix.lower() == ".zarr":
        raise FileError(f"{str(path)!r} cannot be gone on with: --resume needs chunks that are files of their own.", "Write a .zarr store.")
    refuse_device(path, FileError)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".zarr":
            _to_zarr(array, path, resume, overwrite, progress)
        else:
            _to_file(array, path, progress)
    except OSError as error:
        raise FileError(
            f"cannot write {str(path)!r}: {error.strerror or error}.", "Give a path in a folder that you may write to."
        ) from None


def _to_zarr(array: Any, path: Path, resume: bool, overwrite: bool, progress: Any) -> None:
    if isinstance(array, np.ndarray):
        da = optional("dask.array", extra="dask", purpose="storing arrays as zarr")
        array = da.from_array(array, chunks=block_sizes(array.shape, array.dtype.itemsize, min(array.ndim, 2)))
    from faltung.dask import to_zarr

    to_zarr(array, path, resume=resume, overwrite=overwrite, progress=progress)


def _to_file(array: Any, path: Path, progress: Any) -> None:
    """A file of one piece, mapped into memory, written beside the target and renamed."""
    # The ending stays: it tells tifffile the format.
    beside = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.unfinished{path.suffix}")
    is_npy = path.suffix.lower() == ".npy"
    if array.dtype.kind == "b" and not is_npy:
        raise ConvTypeError("a TIFF holds no booleans as numbers.", "Write .npy or .zarr.")
    try:
        if isinstance(array, np.ndarray) or 0 in array.shape:
            _write_whole(beside, np.asarray(array), is_npy)
        else:
            _make(beside, array.shape, array.dtype, is_npy)
            _reserve(beside, path)
            _fill(array, beside, is_npy, path.name, progress)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _write_whole(beside: Path, array: Any, is_npy: bool) -> None:
    if is_npy:
        np.save(beside, array, allow_pickle=False)
    else:
        tifffile().imwrite(beside, array, photometric="minisblack")


def _make(beside: Path, shape: tuple[int, ...], dtype: np.dtype[Any], is_npy: bool) -> None:
    if is_npy:
        np.lib.format.open_memmap(beside, mode="w+", dtype=dtype, shape=shape)
    else:
        tifffile().memmap(beside, shape=shape, dtype=dtype, photometric="minisblack", bigtiff=prod(shape) * dtype.itemsize > 2**31)


def _mapped(beside: Path, is_npy: bool) -> Any:
    return np.load(beside, mmap_mode="r+", allow_pickle=False) if is_npy else tifffile().memmap(beside, mode="r+")


def _reserve(beside: Path, path: Path) -> None:
    """Take the space now: a disk that fills up under a map ends the process instead of raising an error."""
    size = beside.stat().st_size
    with beside.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            raise FileError(
                f"cannot write {str(path)!r}: {error.strerror}; {readable_bytes(size)} are needed, "
                f"{readable_bytes(shutil.disk_usage(path.parent).free)} are free.",
                "Free some, or write a .zarr store, whose chunks are compressed.",
            ) from None


def _fill(array: Any, beside: Path, is_npy: bool, what: str, progress: Any) -> None:
    from faltung.dask.pieces import piece_region
    from faltung.dask.running import run_tasks
    from faltung.dask.watching import Meter, reporter

    def write(block: Any, block_id: tuple[int, ...]) -> int:
        # Mapped for this block alone: the pages of a map count as memory of the process until it is let go.
        _mapped(beside, is_npy)[piece_region(array.chunks, block_id)] = block
        return int(block.nbytes)

    with reporter(progress, what) as report:
        places = list(product(*(range(len(sizes)) for sizes in array.chunks)))
        meter = Meter(report, len(places), array.nbytes)
        written = array.map_blocks(write, name=f"to-file-{uuid.uuid4().hex}", dtype=object, meta=np.empty((0,) * array.ndim, object))
        run_tasks(written, [(written.name, *place) for place in places], lambda count: meter.add(count, count), "threads")
    with beside.open("rb") as file:
        os.fsync(file.fileno())
