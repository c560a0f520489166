"""Chunks of any sizes, drawn."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

__all__ = ["cuts"]


def cuts(draw: st.DrawFn, size: int) -> tuple[int, ...]:
    """An axis in chunks of any sizes."""
    if size == 0:
        return (0,)
    inside = draw(st.lists(st.integers(1, size - 1), max_size=4, unique=True)) if size > 1 else []
    return tuple(int(step) for step in np.diff([0, *sorted(inside), size]))
