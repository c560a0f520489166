"""The order in which kernels see the axes of a problem, as ``native/core/layout.h`` decides it.

Owns that order for the estimates; shapes themselves are `problem`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

__all__ = ["FEW_COLUMNS", "in_layout"]

FEW_COLUMNS = 4
"""Fewer outputs along the last axis change places with the longest axis."""


class HasOutputs(Protocol):
    """An axis of any kind."""

    @property
    def out(self) -> int:
        """Outputs along it."""


AnyAxis = TypeVar("AnyAxis", bound=HasOutputs)


def in_layout(axes: Iterable[AnyAxis], trivial: AnyAxis, *, keeps_axes: bool) -> list[AnyAxis]:
    """Far axes, then rows, then columns; `trivial` where there are fewer than two."""
    found = list(axes)
    found = [trivial] * (2 - len(found)) + found
    if found[-1].out < FEW_COLUMNS and not keeps_axes:
        longest = max(reversed(range(len(found))), key=lambda number: found[number].out)
        found[longest], found[-1] = found[-1], found[longest]
    return found
