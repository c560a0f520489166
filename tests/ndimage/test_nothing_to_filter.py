"""Arrays without axes, and filters without a pass: SciPy copies, from any dtype to any."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import scipy.ndimage

from faltung import ndimage

REAL, COMPLEX = np.array([0.5, 0, -0.3, 2, 0.7]), np.array([1 + 2j, 0, -1j])


@pytest.mark.parametrize("name", ["correlate", "convolve"])
@pytest.mark.parametrize("mode", ["reflect", "wrap", "constant", "grid-constant"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "complex128"])
def test_no_axes(name: str, mode: str, dtype: str) -> None:
    x, weight = np.array(3, dtype), np.array(2.0)
    ours, theirs = (getattr(module, name)(x, weight, mode=mode, cval=1) for module in (ndimage, scipy.ndimage))
    assert (ours, ours.dtype, ours.shape) == (theirs, theirs.dtype, ())


@pytest.mark.parametrize(
    ("name", "x", "argument", "keywords"),
    [
        ("uniform_filter", REAL, 1, {"output": bool}),
        ("uniform_filter", REAL, 1, {"output": complex}),
        ("uniform_filter", REAL, 3, {"axes": (), "output": "int32"}),
        ("uniform_filter", np.array(2.5), 3, {}),
        ("gaussian_filter", REAL, 0, {"output": np.int8}),
        ("gaussian_filter", COMPLEX, 0, {"output": float}),
        ("gaussian_filter", COMPLEX, 1, {"axes": ()}),
        ("gaussian_filter", REAL, 0, {"output": bool, "mode": "constant", "cval": 1j}),
    ],
)
def test_no_pass(name: str, x: Any, argument: int, keywords: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        ours, theirs = (getattr(module, name)(x, argument, **keywords) for module in (ndimage, scipy.ndimage))
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


def test_no_pass_is_no_view() -> None:
    x = REAL.copy()
    ndimage.gaussian_filter(x, 0)[0] = 9
    assert (x == REAL).all()
