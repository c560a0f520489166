"""What SciPy's tests ask of pytest: its marks, its fixture, and no test of a function that is not Faltung's."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import numpy as np
import pytest

MARKS = ("skip_xp_backends", "xfail_xp_backends", "parallel_threads_limit", "thread_unsafe", "array_api_backends")


def pytest_configure(config: pytest.Config) -> None:
    for mark in MARKS:
        config.addinivalue_line("markers", f"{mark}: of SciPy's tests")


@pytest.fixture
def xp() -> Any:
    """NumPy, as SciPy's tests take it."""
    array_api = pytest.importorskip("scipy._lib._array_api")
    return array_api.array_namespace(np.empty(0))


@pytest.fixture
def num_parallel_threads() -> int:
    """One thread runs each test."""
    return 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what runs a function of SciPy that Faltung does not have."""
    foreign = [item for item in items if _is_foreign(item)]
    if foreign:
        config.hook.pytest_deselected(items=foreign)
        items[:] = [item for item in items if item not in set(foreign)]


def _is_foreign(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    if callspec is None or "ndimage/test_scipys_own" not in item.nodeid:
        return False
    given = [value for value in callspec.params.values() if isinstance(value, FunctionType)]
    return any(not function.__module__.startswith("faltung.") for function in given)
