"""One server for all tests that only talk to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.app.conversation import Server, running


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Running, and used by many tests: each leaves it as it was."""
    for package in ("starlette", "uvicorn"):
        pytest.importorskip(package)
    with running() as found:
        yield found
