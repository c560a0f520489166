"""`correlate` and `convolve` on dask arrays without batch or channels."""

from __future__ import annotations

from typing import Any

from faltung.dask.convolving import as_dask, convolved, held
from faltung.dask.labelled import is_labelled, labelled
from faltung.engine.arrays import Described, element_types_of
from faltung.functional.plain_arrays import plain_spec
from faltung.parts import places

__all__ = ["convolve", "correlate"]


def correlate(
    x: Any, kernel: Any, mode: str = "valid", boundary: str = "zeros", *, chunks: Any = None, accuracy: str = "exact",
    threads: int | None = None,
) -> Any:  # fmt: skip
    """Cross-correlate a dask array with a kernel, chunk by chunk: `faltung.correlate` of arrays larger than memory.

    Parameters
    ----------
    x : dask.array.Array
    kernel : array
        Of as many axes, NumPy or dask; complex ones are conjugated.
    mode : {"valid", "same", "full"}
    boundary : str
        What stands outside x: a `ConvSpec.padding_mode`.
    chunks, accuracy, threads
        As of `conv`.

    Returns
    -------
    dask.array.Array

    Raises
    ------
    ConvShapeError, ConvSpecError, ConvTypeError

    Examples
    --------
    >>> import dask.array as da
    >>> correlate(da.from_array([1, 2, 3, 4, 5], chunks=2), [1, 10], mode="full").compute()
    array([10, 21, 32, 43, 54,  5])
    """
    return _correlate(x, kernel, mode, boundary, chunks, accuracy, threads, flip=False)


def convolve(
    x: Any, kernel: Any, mode: str = "valid", boundary: str = "zeros", *, chunks: Any = None, accuracy: str = "exact",
    threads: int | None = None,
) -> Any:  # fmt: skip
    """Convolve a dask array with a kernel: `correlate` with the kernel reversed along every axis, never conjugated.

    Parameters and errors as of `correlate`.

    Examples
    --------
    >>> import dask.array as da
    >>> convolve(da.from_array([1, 2, 3, 4, 5], chunks=2), [1, 10], mode="same", boundary="circular").compute()
    array([51, 12, 23, 34, 45])
    """
    return _correlate(x, kernel, mode, boundary, chunks, accuracy, threads, flip=True)


def _correlate(x: Any, kernel: Any, mode: str, boundary: str, chunks: Any, accuracy: str, threads: int | None, *, flip: bool) -> Any:
    signal, taps = as_dask("x", x.data if is_labelled(x) else x), held("kernel", kernel)
    types = element_types_of(x=Described(signal.shape, signal.dtype), kernel=Described(taps.shape, taps.dtype))
    spec = plain_spec(signal.shape, taps.shape, mode, boundary, flip=flip)
    weight = taps if flip or not types.is_complex else taps.conj()
    result = convolved(spec, signal, weight[None, None], None, spec.output_size(signal.shape), chunks, accuracy, threads)
    if is_labelled(x):
        return labelled(x, result, [places(axis, size) for axis, size in zip(spec.axes, signal.shape, strict=True)])
    return result
