"""One server for all tests that only talk to it, and one browser for all tests of pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.app.browsers import started
from tests.app.conversation import Server, running


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Running, and used by many tests: each leaves it as it was."""
    for package in ("starlette", "uvicorn"):
        pytest.importorskip(package)
    with running() as found:
        yield found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser; each test opens a context of its own in it."""
    with started() as browser:
        yield browser
