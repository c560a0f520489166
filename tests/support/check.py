"""Comparisons that leave nothing out: value, dtype, shape, kind of thing; exception class and its whole message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["check_error", "check_same", "check_within"]


def check_same(actual: Any, expected: Any, *, bits: bool = False) -> None:
    """Fail unless `actual` is what `expected` is: the same type, dtype, shape and values.

    Parameters
    ----------
    actual, expected
        Arrays, NumPy scalars, plain Python values, or tuples, lists and dicts of these. A NaN equals a NaN.
    bits : bool
        Tell -0.0 from 0.0 as well, and one NaN from another. (Not of longdouble: its spare bytes mean nothing.)
    """
    _check_same(actual, expected, bits, "")


def _check_same(actual: Any, expected: Any, bits: bool, where: str) -> None:
    assert type(actual) is type(expected), f"{where}type {type(actual).__name__}, expected {type(expected).__name__}"
    if isinstance(expected, tuple | list):
        assert len(actual) == len(expected), f"{where}{len(actual)} entries, expected {len(expected)}"
        for index, (one, other) in enumerate(zip(actual, expected, strict=True)):
            _check_same(one, other, bits, f"{where}[{index}] ")
    elif isinstance(expected, dict):
        assert list(actual) == list(expected), f"{where}keys {list(actual)}, expected {list(expected)}"
        for key in expected:
            _check_same(actual[key], expected[key], bits, f"{where}[{key!r}] ")
    elif isinstance(expected, np.ndarray | np.generic | float | complex):
        _check_same_array(np.asarray(actual), np.asarray(expected), bits, where)
    else:
        assert actual == expected, f"{where}{actual!r}, expected {expected!r}"


def _check_same_array(actual: np.ndarray, expected: np.ndarray, bits: bool, where: str) -> None:
    _check_layout(actual, expected, where)
    different = (_bytes(actual) != _bytes(expected)).any(axis=-1).reshape(expected.shape) if bits else ~_equal(actual, expected)
    if different.any():
        place = tuple(int(index) for index in np.argwhere(different)[0])
        raise AssertionError(
            f"{where}{int(different.sum())} of {expected.size} values differ, "
            f"the first at {place}: {actual[place]!r}, expected {expected[place]!r}"
        )


def _check_layout(actual: np.ndarray, expected: np.ndarray, where: str) -> None:
    assert actual.dtype == expected.dtype, f"{where}dtype {actual.dtype}, expected {expected.dtype}"
    assert actual.shape == expected.shape, f"{where}shape {actual.shape}, expected {expected.shape}"


def _bytes(array: np.ndarray) -> np.ndarray:
    return array.copy().reshape(-1).view(np.uint8).reshape(-1, array.dtype.itemsize)


def _equal(actual: np.ndarray, expected: np.ndarray) -> np.ndarray:
    if expected.dtype.kind == "c":  # NumPy calls a complex number NaN if either part is: compare the parts
        return _equal(actual.real, expected.real) & _equal(actual.imag, expected.imag)
    # A number unequal to itself is a NaN, in dtypes too that np.isnan does not know.
    return (actual == expected) | ((actual != actual) & (expected != expected))


def check_within(actual: np.ndarray, expected: np.ndarray, bound: float | np.ndarray, *, dtype: Any) -> None:
    """Fail unless each ``|actual - expected| <= bound``, with NaN and Inf in the same places.

    Parameters
    ----------
    actual : array
        Of exactly this `dtype`.
    expected : array
        Of the same shape; its dtype may be a wider one.
    bound : float or array
        The largest absolute error allowed, one for all or one for each value.
    """
    _check_layout(actual.astype(expected.dtype), expected, "")
    assert actual.dtype == dtype, f"dtype {actual.dtype}, expected {np.dtype(dtype)}"
    actual = actual.astype(expected.dtype)
    finite = np.isfinite(expected)
    _check_same_array(np.where(finite, 0, actual), np.where(finite, 0, expected), False, "not finite: ")
    assert np.isfinite(actual[finite]).all(), "NaN or Inf where a number is expected"
    error = np.abs(actual[finite] - expected[finite])
    excess = error - np.broadcast_to(bound, expected.shape)[finite]
    above = ~(excess <= 0)
    assert not above.any(), f"{int(above.sum())} errors above the bound, the largest error is {error.max()}"


def check_error(call: Callable[..., Any], expected: type[Exception], message: str) -> Exception:
    """Fail unless ``call()`` raises exactly the class `expected` with exactly this `message`; the error is returned.

    Parameters
    ----------
    call : callable without arguments
    expected : exception class
        The class itself: a subclass of it is another error.
    message : str
        The whole of ``str(error)``.
    """
    result = error = None
    try:
        result = call()
    except Exception as caught:  # noqa: BLE001 - whatever comes is compared
        error = caught
    assert error is not None, f"returned {result!r}, expected {expected.__name__}"
    assert type(error) is expected, f"raised {type(error).__name__}, expected {expected.__name__}: {error}"
    assert str(error) == message, f"message:\n{error}\nexpected:\n{message}"
    return error
