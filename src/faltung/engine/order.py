"""In which order an algorithm sums, where that matters: ``accuracy="exact"`` of floating-point numbers.

Owns the rule that sums are taken channel by channel and tap by tap, the last axis fastest, whatever the sizes: the order of ``general``
(decision 38). Sizes choose the algorithm, so that all that may be chosen have to agree.
The conditions repeat what the compiled module does, and `tests/engine/test_order.py` compares the bits.
"""

from __future__ import annotations

import math

from faltung.engine.layout import axes_in_layout
from faltung.engine.native import vector_lanes
from faltung.engine.problem import Problem

__all__ = ["channelwise", "depthwise", "is_kept", "refusal"]


def refusal(problem: Problem) -> str:
    """Why an algorithm whose order is another does not serve."""
    return f"accuracy='exact' sums the {problem.terms} products of an output in one order whatever the sizes, this takes them in another"


def is_kept(problem: Problem, _dtype: str) -> bool:
    """Whether taps stay in their order: no longer axis takes the place of a short last one where that would change it."""
    return problem.keeps_axes


def depthwise(problem: Problem, dtype: str) -> bool:
    """Whether ``depthwise``, which sums columns of taps, has one tap in each of them, and does not sum rows in pieces."""
    if problem.phases or not is_kept(problem, dtype):
        return False
    *_, rows, columns = axes_in_layout(problem)
    if rows.kernel > rows.stride // math.gcd(rows.stride, rows.dilation):
        return False
    return columns.kernel * columns.dilation <= columns.stride * vector_lanes(dtype)


def channelwise(problem: Problem, dtype: str) -> bool:
    """Whether ``channelwise``, which sums one phase of the columns after the other, has one."""
    return is_kept(problem, dtype) and not problem.phases and axes_in_layout(problem)[-1].stride == 1
