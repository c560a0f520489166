"""The comparisons fail on everything that is wrong: they are fed wrong answers here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from faltung.errors import ConvError, ConvShapeError, ConvSpecError
from tests.support.check import check_error, check_same, check_within

FLOATS = np.array([[1.0, -0.0], [np.nan, np.inf]])


def changed(place: tuple[int, int], value: float) -> np.ndarray:
    array = FLOATS.copy()
    array[place] = value
    return array


@pytest.mark.parametrize(
    "same",
    [
        FLOATS,
        FLOATS.astype(np.longdouble),
        np.array([complex(np.nan, 1), 2j]),
        np.zeros((0, 3)),
        np.array(5),
        np.float32(2),
        np.array([True, False]),
        7,
        "text",
        None,
        float("nan"),
        (1, [np.arange(3)], {"a": 2.5}),
        range(2, 5),
    ],
    ids=str,
)
def test_same_accepts_the_same(same: Any) -> None:
    check_same(same, same)


def test_same_takes_negative_zero_for_zero_unless_bits_are_asked_for() -> None:
    check_same(changed((0, 1), 0.0), FLOATS)
    with pytest.raises(AssertionError, match=r"1 of 4 values differ, the first at \(0, 1\)"):
        check_same(changed((0, 1), 0.0), FLOATS, bits=True)
    check_same(FLOATS.copy(), FLOATS, bits=True)
    check_same(np.zeros((0, 2)), np.zeros((0, 2)), bits=True)
    check_same(FLOATS[:, ::-1], FLOATS[:, ::-1].copy(), bits=True)


@pytest.mark.parametrize(
    ("actual", "expected", "complaint"),
    [
        (FLOATS.astype(np.float32), FLOATS, "dtype float32, expected float64"),
        (np.arange(3, dtype=np.int32), np.arange(3, dtype=np.int64), "dtype int32, expected int64"),
        (FLOATS.reshape(4), FLOATS, "shape"),
        (FLOATS[None], FLOATS, "shape"),
        (FLOATS[:1], FLOATS, "shape"),
        (np.zeros((0, 3)), np.zeros((3, 0)), "shape"),
        (changed((0, 0), 1 + 1e-15), FLOATS, "1 of 4 values differ"),
        (changed((1, 0), 5.0), FLOATS, "1 of 4 values differ"),
        (changed((0, 0), np.nan), FLOATS, "1 of 4 values differ"),
        (changed((1, 1), -np.inf), FLOATS, "1 of 4 values differ"),
        (np.array([complex(np.nan, 1)]), np.array([complex(np.nan, 2)]), "1 of 1 values differ"),
        (np.array([complex(1, np.nan)]), np.array([complex(np.nan, 1)]), "1 of 1 values differ"),
        (FLOATS.tolist(), FLOATS, "type list, expected ndarray"),
        (np.float64(2), 2.0, "type float64, expected float"),
        (np.array(2.0), np.float64(2), "type ndarray, expected float64"),
        (1, True, "type int, expected bool"),
        (1, 1.0, "type int, expected float"),
        ((1, 2), [1, 2], "type tuple, expected list"),
        ((1, 2), (1, 2, 3), "2 entries, expected 3"),
        ((1, np.arange(2)), (1, np.arange(1, 3)), r"\[1\] 2 of 2 values differ"),
        ({"a": 1}, {"b": 1}, "keys"),
        ({"a": 1}, {"a": 2}, r"\['a'\] 1, expected 2"),
        ("text", "texts", "expected 'texts'"),
        (None, 0, "type NoneType"),
        (range(3), range(4), "expected range"),
    ],
)
def test_same_refuses_what_differs(actual: Any, expected: Any, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_same(actual, expected)


def test_within_accepts_errors_up_to_the_bound() -> None:
    check_within(changed((0, 0), 1.25), FLOATS, 0.25, dtype=np.float64)
    check_within(FLOATS.astype(np.float32), FLOATS.astype(np.longdouble), 0, dtype=np.float32)
    check_within(np.array([1.5, 9.0]), np.array([1.0, 8.0]), np.array([0.5, 1.0]), dtype=np.float64)
    check_within(np.zeros((0, 2)), np.zeros((0, 2)), 0, dtype=np.float64)


@pytest.mark.parametrize(
    ("actual", "bound", "dtype", "complaint"),
    [
        (changed((0, 0), 1.2500001), 0.25, np.float64, "1 errors above the bound"),
        (changed((0, 0), 0.7), 0.25, np.float64, "1 errors above the bound"),
        (changed((0, 0), np.nan), 9.0, np.float64, "NaN or Inf where a number is expected"),
        (changed((0, 0), np.inf), np.inf, np.float64, "NaN or Inf where a number is expected"),
        (changed((1, 0), 0.0), 9.0, np.float64, "not finite"),
        (changed((1, 1), np.nan), 9.0, np.float64, "not finite"),
        (changed((1, 1), -np.inf), 9.0, np.float64, "not finite"),
        (FLOATS, 0.0, np.float32, "dtype float64, expected float32"),
        (FLOATS[0], 0.0, np.float64, "shape"),
        (FLOATS, np.nan, np.float64, "errors above the bound"),
    ],
)
def test_within_refuses(actual: np.ndarray, bound: float, dtype: Any, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_within(actual, FLOATS, bound, dtype=dtype)


def raises(error: Exception) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


def test_error_accepts_class_and_message() -> None:
    error = ConvSpecError("Wrong.", "Mend it.")
    assert check_error(raises(error), ConvSpecError, "Wrong.\n  Mend it.") is error


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (lambda: 3, "returned 3, expected ConvSpecError"),
        (raises(ConvShapeError("Wrong.")), "raised ConvShapeError, expected ConvSpecError"),
        (raises(ConvError("Wrong.")), "raised ConvError, expected ConvSpecError"),
        (raises(type("Special", (ConvSpecError,), {})("Wrong.")), "raised Special, expected ConvSpecError"),
        (raises(ConvSpecError("Wrong")), "message"),
        (raises(ConvSpecError("Wrong.", "Mend it.")), "message"),
        (raises(ConvSpecError("wrong.")), "message"),
    ],
)
def test_error_refuses(call: Callable[[], Any], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_error(call, ConvSpecError, "Wrong.")
