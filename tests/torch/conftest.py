"""Within PyTorch the engine runs on PyTorch's threads."""

from __future__ import annotations

import pytest

from faltung.torch.team import share_threads


@pytest.fixture(autouse=True)
def _shared_threads(_own_threads: None) -> None:
    share_threads()
