"""What the plots' tests share: an Axes that pyplot knows nothing of."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def ax() -> Any:
    return pytest.importorskip("matplotlib.figure").Figure(figsize=(8, 6)).subplots()
