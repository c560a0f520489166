"""The order in which kernels see the axes of a problem, as ``native/core/layout.h`` decides it.

Owns that order for the estimates; shapes themselves are `problem`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from faltung.engine.problem import Problem, ProblemAxis

__all__ = ["FEW_COLUMNS", "axes_in_layout", "in_layout", "with_long_columns"]

FEW_COLUMNS = 4
"""Fewer outputs along the last axis change places with the longest axis."""


class HasOutputs(Protocol):
    """An axis of any kind."""

    @property
    def out(self) -> int:
        """Outputs along it."""

    @property
    def kernel(self) -> int:
        """Taps along it."""


AnyAxis = TypeVar("AnyAxis", bound=HasOutputs)


def in_layout(axes: Iterable[AnyAxis], trivial: AnyAxis, *, keeps_axes: bool) -> list[AnyAxis]:
    """Far axes, then rows, then columns; `trivial` where there are fewer than two.

    Where taps have to keep their order, only axes change places between which no two with several taps come to stand otherwise.
    """
    found = list(axes)
    found = [trivial] * (2 - len(found)) + found
    if found[-1].out >= FEW_COLUMNS:
        return found
    have_taps = [axis.kernel > 1 for axis in found[_longest(found) :]]
    stay_in_order = sum(have_taps) <= 1 or not (have_taps[0] or have_taps[-1])
    return _with_longest_last(found) if stay_in_order or not keeps_axes else found


def axes_in_layout(problem: Problem) -> list[ProblemAxis]:
    """Those of a problem without phases."""
    return in_layout((axis for axis in problem.axes if not axis.is_trivial), ProblemAxis(), keeps_axes=problem.keeps_axes)


def with_long_columns(problem: Problem, few_columns: int) -> list[ProblemAxis]:
    """`axes_in_layout` of kernels that can sum taps in another order than that of the axes: which has not to be kept by them."""
    found = axes_in_layout(problem)
    is_short = found[-1].out < few_columns <= max(axis.out for axis in found)
    return _with_longest_last(found) if problem.keeps_axes and is_short else found


def _longest(axes: list[AnyAxis]) -> int:
    """Of several the last."""
    return max(reversed(range(len(axes))), key=lambda number: axes[number].out)


def _with_longest_last(axes: list[AnyAxis]) -> list[AnyAxis]:
    swapped, longest = list(axes), _longest(axes)
    swapped[longest], swapped[-1] = swapped[-1], swapped[longest]
    return swapped
