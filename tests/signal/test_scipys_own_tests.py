"""SciPy's own tests of these functions, from its wheel, with ours in the place of its own.

What is not run, or does not pass, stands in `_NOT_RUN`, with the reason; everything else passes.
"""

from __future__ import annotations

import importlib.util
import inspect
import types
from typing import Any

import pytest
import scipy.signal

from faltung import signal

_NOT_RUN = {
    "TestConvolve2d.test_large_array": "it needs 4 GB",
    "TestSepfir2d.test_sepfir2d_strided_2": "it draws an image anew each time, and compares what comes of it with fixed numbers",
    "TestSepfir2d.test_sepfir2d_strided_3": "its numbers come of cells beyond the rows of the image; SciPy expects it to fail",
    "TestOAConvolve.test_real_manylens": "8000 pairs of lengths; `test_lengths` of test_against_scipy takes some hundred of them",
}
"""Of the classes and functions below; the two of `sepfir2d` do not pass, and are marked so by SciPy itself."""

_EVERY = {"TestFFTConvolve.test_many_sizes": 10, "TestOAConvolve.test_2d_axes": 3, "TestOAConvolve.test_1d_axes": 2}
"""So many of the sizes of these, which differ by little, are one; all together take half a minute."""

_TESTS = {
    "test_signaltools": (
        "TestConvolve", "TestConvolve2d", "TestFFTConvolve", "TestOAConvolve", "TestAllFreqConvolves", "test_convolve_longdtype_input",
        "TestCorrelateReal", "TestCorrelate", "test_correlation_lags", "test_correlation_lags_invalid_mode", "TestCorrelateComplex",
        "TestCorrelate2d", "test_choose_conv_method", "test_choose_conv_method_2",
    ),
    "test_bsplines": ("TestSepfir2d",),
}  # fmt: skip


class _Replaced(types.ModuleType):
    """`scipy.signal` with our functions in it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(signal if name in signal.__all__ else scipy.signal, name)


def _test_module(name: str) -> types.ModuleType:
    """A copy of SciPy's module that nobody else sees, with our functions under its names."""
    spec = importlib.util.find_spec(f"scipy.signal.tests.{name}")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.signal = _Replaced("signal")  # type: ignore[attr-defined]
    for function in signal.__all__:
        if hasattr(module, function):
            setattr(module, function, getattr(signal, function))
    return module


def _with_ours(value: object) -> object:
    """A parameter of a test: our function in the place of SciPy's, whatever wraps it."""
    name = getattr(value, "__name__", "")
    return getattr(signal, name) if callable(value) and name in signal.__all__ else value


def _replace_parameters(function: Any) -> None:
    """Functions handed over as parameters have been read before they were replaced."""
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            mark.args[1][:] = [
                pytest.param(*map(_with_ours, each.values), id=each.id)
                if hasattr(each, "values") and hasattr(each, "marks")
                else _with_ours(each)
                for each in mark.args[1]
            ]


for _name, _wanted in _TESTS.items():
    _module = _test_module(_name)
    for _test in _wanted:
        _found = getattr(_module, _test)
        _replace_parameters(_found)
        if inspect.isclass(_found):
            for _member, _function in list(vars(_found).items()):
                if f"{_test}.{_member}" in _NOT_RUN:
                    delattr(_found, _member)
                elif f"{_test}.{_member}" in _EVERY:
                    _most = max((mark for mark in _function.pytestmark if mark.name == "parametrize"), key=lambda mark: len(mark.args[1]))
                    _most.args[1][:] = _most.args[1][:: _EVERY[f"{_test}.{_member}"]]
                elif _member.startswith("test"):
                    _replace_parameters(_function)
        globals()[_test] = _found
