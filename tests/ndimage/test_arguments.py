"""SciPy's signatures, and errors that belong to both families."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import faltung as fl
from faltung import ndimage

scipy_ndimage = pytest.importorskip("scipy.ndimage")

X = np.arange(20.0).reshape(4, 5)


@pytest.mark.parametrize("name", ndimage.__all__)
def test_signatures_are_scipys(name: str) -> None:
    def parameters(module: Any) -> list[tuple[str, Any, Any]]:
        return [(one.name, one.kind, one.default) for one in inspect.signature(getattr(module, name)).parameters.values()]

    assert parameters(ndimage) == parameters(scipy_ndimage)


REFUSED: dict[str, Callable[[Any], Any]] = {
    "mode": lambda module: module.correlate1d(X, [1, 2, 1], mode="blur"),
    "no weights": lambda module: module.correlate1d(X, []),
    "two axes of weights": lambda module: module.correlate1d(X, [[1, 2]]),
    "words for weights": lambda module: module.correlate1d(X, ["a", "b"]),
    "origin": lambda module: module.correlate1d(X, [1, 2, 1], origin=2),
    "half an origin": lambda module: module.correlate1d(X, [1, 2, 1], origin=0.5),
    "axis": lambda module: module.correlate1d(X, [1, 2, 1], axis=2),
    "word for cval": lambda module: module.correlate1d(X, [1, 2, 1], mode="constant", cval="a"),
    "half precision": lambda module: module.gaussian_filter(X.astype(np.float16), 1),
    "output of half precision": lambda module: module.gaussian_filter(X, 1, output=np.float16),
    "output of another shape": lambda module: module.gaussian_filter(X, 1, output=np.zeros((5, 4))),
    "complex output of real input": lambda module: module.gaussian_filter(X, 1, output=complex),
    "real output of complex input": lambda module: module.uniform_filter(X + 1j, output=np.zeros(X.shape)),
    "objects": lambda module: module.laplace(X.astype(object)),
    "kernel of one axis": lambda module: module.correlate(X, [1, 2, 1]),
    "two modes": lambda module: module.correlate(X, np.ones((3, 3)), mode=("wrap", "wrap")),
    "complex cval of real input": lambda module: module.correlate(X, np.ones((3, 3)) * 1j, mode="constant", cval=1j),
    "axes": lambda module: module.gaussian_filter(X, 1, axes=(0, 2)),
    "an axis twice": lambda module: module.gaussian_filter(X, 1, axes=(0, 0)),
    "three sigmas": lambda module: module.gaussian_filter(X, (1, 2, 3)),
    "order": lambda module: module.gaussian_filter(X, 1, order=-1),
    "radius": lambda module: module.gaussian_filter1d(X, 1, radius=-1),
    "no sigma": lambda module: module.gaussian_filter1d(X, 0),
    "a word for sigma": lambda module: module.gaussian_filter(X, "a"),
    "a word for one sigma": lambda module: module.gaussian_filter1d(X, "a"),
    "a sigma that is no number": lambda module: module.gaussian_filter1d(X, np.nan),
    "half an order": lambda module: module.gaussian_filter1d(X, 1, order=1.5),
    "a word for truncate": lambda module: module.gaussian_filter1d(X, 1, truncate="a"),
    "a word for a box": lambda module: module.uniform_filter(X, "a"),
    "an axis of a number": lambda module: module.correlate1d(np.float64(1), [1]),
    "size": lambda module: module.uniform_filter1d(X, 0),
    "half a size": lambda module: module.uniform_filter1d(X, 2.5),
    "origin of a mean": lambda module: module.uniform_filter1d(X, 3, origin=2),
}


@pytest.mark.parametrize("case", REFUSED)
def test_errors_are_of_both_families(case: str) -> None:
    with pytest.raises((RuntimeError, ValueError, TypeError, ArithmeticError)) as theirs:
        REFUSED[case](scipy_ndimage)
    with pytest.raises(type(theirs.value)) as ours:
        REFUSED[case](ndimage)
    assert isinstance(ours.value, fl.ConvError)
    assert ours.value.problem.endswith(".")
    assert ours.value.remedy.endswith(".")


def test_a_read_only_output_is_refused() -> None:
    out = np.zeros(X.shape)
    out.setflags(write=False)
    with pytest.raises(fl.ConvTypeError, match="read-only"):
        ndimage.gaussian_filter(X, 1, output=out)
