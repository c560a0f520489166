"""One row by another, both long, by a transform in two passes over a matrix, each of many short transforms.

A transform of a million cells as one waits for memory, and one thread does all of it. Written as a matrix of n1 rows by n2 columns
it is n2 transforms of n1 cells down the columns, a turn of every number, and n1 transforms of n2 cells along the rows (Gentleman and Sande,
"Fast Fourier transforms: for fun and profit", 1966), which leaves the spectrum transposed. A product of two spectra may stay so.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from faltung.engine.arrays import Array, new_array
from faltung.engine.fft import share
from faltung.engine.native import get_num_threads
from faltung.signal.placing import Part

__all__ = ["LONG", "long_convolution"]

LONG = 2**17
"""From so many cells on."""

SLAB_CELLS = 2**15
COLUMN_CYCLES = 30.0


def long_convolution(x: Array, h: Array, part: Part, least: int, result: Array) -> None:
    """Write `part` of the full convolution of two rows, by transforms of at least `least` cells.

    Parameters
    ----------
    x, h : array (n,), (k,)
    part : Part
    least : int
        No output may lie on another one modulo this.
    result : array (part.size,)
        float32, float64, complex64 or complex128.
    """
    from scipy import fft

    dtype, threads = result.dtype, get_num_threads()
    is_real = dtype.kind == "f"
    rows, columns = _matrix(least)
    down, up = (fft.rfft, fft.irfft) if is_real else (fft.fft, fft.ifft)
    first, second = (down(_laid(row, columns, dtype), rows, axis=0, workers=threads) for row in (x, h))

    def work(slab: slice) -> None:
        turns = _turns(slab, first.shape[0], rows, columns, first.dtype)
        product = fft.fft(np.multiply(first[slab], turns), axis=1, overwrite_x=True, workers=1)
        product *= fft.fft(np.multiply(second[slab], turns), axis=1, overwrite_x=True, workers=1)
        back = fft.ifft(product, axis=1, overwrite_x=True, workers=1)
        np.multiply(back, np.conj(turns, out=turns), out=first[slab])

    together = max(1, SLAB_CELLS // columns)
    slabs = [slice(begin, begin + together) for begin in range(0, first.shape[0], together)]
    share(work, slabs, threads, COLUMN_CYCLES * first.size)
    back = up(first, rows, axis=0, overwrite_x=True, workers=threads)
    result[...] = back.reshape(-1)[part.start : part.start + part.size]


def _matrix(least: int) -> tuple[int, int]:
    """Rows and columns of about equal numbers, both products of small primes; rows that do not lie a power of two apart."""
    from scipy.fft import next_fast_len

    rows = 2 ** round(math.log2(least) / 2)
    columns = int(next_fast_len(-(-least // rows)))
    while columns % 64 == 0:  # such lines of a column would share their places in the caches
        columns = int(next_fast_len(columns + 1))
    return rows, columns


def _laid(row: Array, columns: int, dtype: np.dtype[Any]) -> Array:
    """A row as a matrix of `columns`, zeros behind its end."""
    lines = -(-row.shape[0] // columns)
    if row.dtype == dtype and row.flags.c_contiguous and row.shape[0] == lines * columns:
        return row.reshape(lines, columns)
    padded = new_array("a padded copy", (lines * columns,), dtype)
    padded[: row.shape[0]] = row
    padded[row.shape[0] :] = 0
    return padded.reshape(lines, columns)


def _turns(slab: slice, count: int, rows: int, columns: int, dtype: np.dtype[Any]) -> Array:
    """The numbers exp(-2 pi i k n / (rows columns)) of some rows k and all columns n, as products of few of them."""
    step = 2 ** (columns.bit_length() // 2)
    angles = -2j * math.pi / (rows * columns) * np.arange(slab.start, min(slab.stop, count))[:, None]
    coarse = np.exp(angles * np.arange(0, columns, step)).astype(dtype)
    fine = np.exp(angles * np.arange(step)).astype(dtype)
    turns: Array = np.multiply(coarse[:, :, None], fine[:, None, :]).reshape(len(angles), -1)
    return turns[:, :columns]
