"""What SciPy's own tests ask of pytest: its marks, and the array library that they run with."""

from __future__ import annotations

from types import ModuleType

import pytest

_MARKS = ("fail_asan", "fail_slow", "skip_xp_backends", "slow", "xfail_on_32bit", "xfail_xp_backends")


def pytest_configure(config: pytest.Config) -> None:
    """SciPy's marks are known, though they decide nothing here."""
    for mark in _MARKS:
        config.addinivalue_line("markers", f"{mark}: of SciPy's tests")


@pytest.fixture
def xp() -> ModuleType:
    """NumPy, as SciPy's tests call it."""
    from scipy._lib._array_api import np_compat

    return np_compat  # type: ignore[no-any-return]
