"""What every test shares: how hypothesis searches, and the optional peers."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

from faltung.engine import processor
from faltung.engine.native import borrow_team

# "default" finds the same examples on every machine, so that a failure in CI repeats at home.
# HYPOTHESIS_PROFILE=anew draws others, thorough many others.
_COMMON = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=100, derandomize=True, **_COMMON)
settings.register_profile("anew", max_examples=100, print_blob=True, **_COMMON)
settings.register_profile("thorough", max_examples=2000, print_blob=True, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


# What was measured on this machine must not decide what is tested.
os.environ["FALTUNG_TUNING"] = "off"

# Of JAX's programs each runs once: compiling them well costs more than running them.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")


def pytest_collection_finish() -> None:
    """What has been imported stays: no collection of garbage has to look through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _one_processor() -> Iterator[None]:
    """Tests say what is chosen where one product of vectors begins in a cycle, on whatever processor they run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processor, "rates", lambda: (1.0, 1.0))
        yield


@pytest.fixture(autouse=True)
def _own_threads() -> None:
    """The engine's own, though some test has imported `faltung.torch`: of PyTorch's, which it takes then, there may be one."""
    borrow_team(0, 0)


@pytest.fixture(scope="session")
def torch() -> ModuleType:
    """PyTorch, the second opinion; tests that ask for it are skipped where it is not installed."""
    module = pytest.importorskip("torch")
    module.set_num_threads(1)  # small problems by the hundred: handing them to threads costs more than they do
    return module
