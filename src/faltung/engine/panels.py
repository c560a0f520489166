"""Rows of the input that a thread packs for a kernel: how much memory they may take.

Owns the limit and the refusal beyond it; how many bytes a family packs is told by the compiled module.
"""

from __future__ import annotations

from faltung.engine.native import Correlation, WeightGradient, chosen_isa, native_problem
from faltung.engine.problem import Problem

__all__ = ["panel_refusal"]

MAX_PANEL_BYTES = 32 * 2**20


def panel_refusal(operation: type[Correlation | WeightGradient], algorithm: str, problem: Problem, dtype: str) -> str | None:
    """Why a thread's panel would be too large, or None if it is not."""
    panel_bytes = operation.panel_bytes(algorithm, dtype, chosen_isa(), native_problem(problem))
    if panel_bytes > MAX_PANEL_BYTES:
        return f"the rows under one kernel would need {panel_bytes} bytes a thread, more than {MAX_PANEL_BYTES}"
    return None
