"""Which dtypes are computed here, in which the result comes, and who computes the others.

`long double` and Python objects are no types of the engine: SciPy's own function, which every install has, computes them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from faltung.engine.arrays import Array
from faltung.errors import ConvTypeError

__all__ = ["by_scipy", "is_served", "product_type", "result_type", "spectral_type"]

_SERVED = frozenset("?bBhHiIlLqQefdFD")


def is_served(*arrays: Array) -> bool:
    """Whether the engine computes with all of these."""
    return all(array.dtype.char in _SERVED for array in arrays)


@functools.lru_cache(maxsize=512)
def product_type(first: np.dtype[Any], second: np.dtype[Any]) -> np.dtype[Any]:
    """The result's dtype of `convolve` and its like: NumPy's, in this machine's byte order.

    >>> product_type(np.dtype("uint8"), np.dtype("int8")), product_type(np.dtype(">f4"), np.dtype(">f4"))
    (dtype('int16'), dtype('float32'))
    """
    return np.result_type(first, second).newbyteorder("=")


def result_type(first: Array, second: Array) -> np.dtype[Any]:
    """`product_type` of two arrays."""
    return product_type(first.dtype, second.dtype)


@functools.lru_cache(maxsize=512)
def spectral_type(first: np.dtype[Any], second: np.dtype[Any]) -> np.dtype[Any]:
    """The result's dtype of `fftconvolve` and `oaconvolve`: integers count as float64, half precision as float32.

    >>> spectral_type(np.dtype("uint8"), np.dtype("float32")), spectral_type(np.dtype("float16"), np.dtype("complex64"))
    (dtype('float64'), dtype('complex64'))
    """
    parts = (np.dtype(np.float64) if each.kind in "biu" else np.dtype(np.float32) if each.char == "e" else each for each in (first, second))
    return np.result_type(*parts).newbyteorder("=")


def by_scipy(name: str, *arguments: object, **options: object) -> Any:
    """SciPy's own function; where it refuses, its words in an error of both families."""
    import scipy.signal

    function: Callable[..., Any] = getattr(scipy.signal, name)
    try:
        return function(*arguments, **options)
    except (TypeError, ValueError) as error:
        kinds = ", ".join(str(value.dtype) for value in arguments if isinstance(value, np.ndarray))
        raise ConvTypeError(f"{error} ({kinds})", "Convert the arrays with astype to integers, or to real or complex floats.") from error
