"""SciPy's own tests of its filters, with Faltung's functions in the place of SciPy's.

All of them pass (SciPy 1.17.1): there is no list of exceptions.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Collection
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from faltung import ndimage

OTHERS = (
    "minimum",
    "maximum",
    "minmax",
    "rank",
    "median",
    "percentile",
    "generic_filter",
    "Vectorized",
    "all_zeros",
    "both_set",
    "ticket_701",
    "gh_22",
)
"""Parts of names of tests that ask for no function of Faltung."""


def load() -> ModuleType:
    """SciPy's module of tests, run once more: its decorators and its functions see Faltung's filters."""
    scipy_ndimage = pytest.importorskip("scipy.ndimage")
    table = importlib.import_module("scipy._lib._array_api").xp_capabilities_table
    ours = {name: getattr(ndimage, name) for name in ndimage.__all__}
    theirs = {name: getattr(scipy_ndimage, name) for name in ours}
    spec = importlib.util.find_spec("scipy.ndimage.tests.test_filters")
    if spec is None or spec.loader is None:
        pytest.skip("this SciPy has come without its tests", allow_module_level=True)
    module = importlib.util.module_from_spec(spec)
    try:
        for name, function in ours.items():
            setattr(scipy_ndimage, name, function)
            table[function] = table[theirs[name]]
        spec.loader.exec_module(module)
    finally:
        for name, function in theirs.items():
            setattr(scipy_ndimage, name, function)
    module.ndimage = SimpleNamespace(**{**vars(scipy_ndimage), **ours})  # type: ignore[attr-defined]
    sys.modules.setdefault(f"{__name__}.loaded", module)
    return module


def tests_of(module: ModuleType) -> dict[str, Any]:
    """Its tests, without those of other functions."""
    found = {name: thing for name, thing in vars(module).items() if name.startswith(("test_", "Test"))}
    for thing in found.values():
        for name, test in list(vars(thing).items()) if isinstance(thing, type) else [("", thing)]:
            if name and _is_other(name):
                delattr(thing, name)
            elif hasattr(test, "pytestmark"):
                test.pytestmark = [_listed(mark) for mark in test.pytestmark]
    return {name: thing for name, thing in found.items() if not _is_other(name)}


def _listed(mark: pytest.Mark) -> pytest.Mark:
    """The mark with its cases in a tuple, as pytest wants them."""
    if mark.name != "parametrize" or isinstance(mark.args[1], Collection):
        return mark
    return pytest.mark.parametrize(mark.args[0], tuple(mark.args[1]), *mark.args[2:], **mark.kwargs).mark


def _is_other(name: str) -> bool:
    return any(part in name for part in OTHERS)
